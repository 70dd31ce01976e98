# podid's probe of the path from a pod to its vault: a line for each hop that was taken, in the pod's log and in its termination message. A line is
# `SECONDS WORD …`. It gets the vault's host, the host of Entra, the resource of the token encoded for a URL, and what to read of the vault.
vault=$1 login=$2 resource=$3
shift 3
took=0
say() { printf '%s %s\n' "$took" "$*" | tee -a /dev/termination-log; }
tab='	'
# Opens a connection to a host without any credential. `failed` is the exit code of curl.
connect() {
  out='\n=%{time_namelookup} %{time_connect} %{time_appconnect} %{http_code} %{http_connect}\n'
  trace=$(curl -svSI -o /dev/null --connect-timeout 10 --max-time 20 -w "$out" "https://$1/" 2>&1 </dev/null)
  failed=$?
  numbers=$(printf '%s\n' "$trace" | sed -n 's/^=//p' | tail -n 1)
  addresses=$(printf '%s\n' "$trace" | sed -n 's/^\* *Trying \[\{0,1\}\([0-9a-fA-F.:]*[0-9a-fA-F]\)\]\{0,1\}:[0-9]*\.\.\.$/\1/p' | tr '\n' ' ')
  error=$(printf '%s\n' "$trace" | sed -n 's/^curl: ([0-9]*) //p' | head -n 1)
  via=direct
  case $trace in *' variable https_proxy'* | *' variable HTTPS_PROXY'* | *' variable all_proxy'* | *' variable ALL_PROXY'*) via=proxy ;; esac
  # curl does not show the issuer of a certificate that it does not trust
  if [ "$failed" = 60 ]; then
    trace=$(curl -skvI -o /dev/null --connect-timeout 10 --max-time 20 "https://$1/" 2>&1 </dev/null)
  fi
  issuer=$(printf '%s\n' "$trace" | sed -n 's/^\*  *issuer: *//p' | tail -n 1)
  rest="$1$tab$failed$tab$numbers$tab$via$tab${addresses% }$tab$(printf '%s' "$issuer" | cut -c1-200)$tab$(printf '%s' "$error" | cut -c1-200)"
  say "connect $rest"
}
# The proxy of the pod, without the password that may be in its address.
for name in HTTPS_PROXY https_proxy ALL_PROXY all_proxy NO_PROXY no_proxy; do
  eval "value=\${$name:-}"
  [ -z "$value" ] || say "variable $name $(printf '%s' "$value" | sed 's#^\([a-z0-9]*://\)\{0,1\}.*@#\1***@#' | cut -c1-200)"
done
say "servers $(sed -n 's/^nameserver  *//p' /etc/resolv.conf | tr '\n' ' ')"
way=metadata
if [ -n "${AZURE_FEDERATED_TOKEN_FILE:-}" ]; then
  way=entra
  [ -z "${AZURE_KUBERNETES_TOKEN_PROXY:-}" ] || way=binding
fi
say "way $way"
login=${AZURE_AUTHORITY_HOST:-$login}
login=${login#https://}
connect "${login%%/*}"
unreached=$failed
connect "$vault"
# what cannot be reached is not asked
[ "$way" != entra ] || [ "$unreached" = 0 ] || exit 0
unreached=$failed
get_token "$resource"
[ "$unreached" = 0 ] || exit 0
for object in "$@"; do
  request GET "https://$vault/$object?api-version=7.4" <<HEADERS
Authorization: Bearer $token
HEADERS
  if [ "$code" != 200 ]; then
    say "read $object $code $(shown "$body")"
    exit 0
  fi
  say "read $object 200 $(printf '%s' "$body" | sed -n 's/.*"\(id\|kid\)": *"https:[^"]*\/\(secrets\|keys\|certificates\)\/[^"\/]*\/\([0-9a-fA-F]*\)".*/\3/p')"
done
