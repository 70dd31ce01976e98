# The part that all checks of a pod have: it reports, asks, and gets a token as the app would. It needs sh and curl. The last lines of the
# pod's termination message say how far the check came; no value and no token is ever written, and neither is an argument of a program.
say() { printf '%s\n' "$*" >>/dev/termination-log; }
# The last text field of that name in a JSON document.
field() { printf '%s' "$1" | sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p"; }
shown() { printf '%s' "$1" | tr '\r\n\t' '   ' | cut -c1-1200; }
newline='
'
# Sends METHOD to URL, with further options of curl, and sets `code`, `body`, and in seconds `took`; the headers come from stdin.
request() {
  method=$1 url=$2
  shift 2
  body='' took=0
  if reply=$(curl -s --max-time 120 -X "$method" -H @- -w '\n%{time_total} %{http_code}' "$@" "$url"); then
    code=${reply##*"$newline"}
    body=${reply%"$newline"*}
    took=${code% *} code=${code#* }
    return
  else
    failed=$?
  fi
  code=000
  case $failed in
    6) body='no such host' ;;
    7) body='connection refused' ;;
    28) body='timed out' ;;
    60) body='unable to get local issuer certificate' ;;
    127) body='curl: not found' ;;
    *) body="curl exit code $failed" ;;
  esac
}
# Sets `token` to one for the resource, which is encoded for a URL. A pod that the webhook of Workload ID changed has a file with a token of its
# service account, which it exchanges at Entra, or with an identity binding at the cluster's proxy; any other pod asks the metadata service of
# its node.
get_token() {
  if [ -n "${AZURE_FEDERATED_TOKEN_FILE:-}" ]; then
    authority=${AZURE_AUTHORITY_HOST%/}
    resource=$1
    set --
    if [ -n "${AZURE_KUBERNETES_TOKEN_PROXY:-}" ]; then
      # the proxy's certificate is for a name that no server for names knows
      proxy=${AZURE_KUBERNETES_TOKEN_PROXY#https://}
      authority=https://${AZURE_KUBERNETES_SNI_NAME:-${proxy%%[:/]*}}
      set -- --connect-to "::${proxy%%/*}" --cacert "$AZURE_KUBERNETES_CA_FILE"
    fi
    request POST "$authority/$AZURE_TENANT_ID/oauth2/v2.0/token" "$@" \
      --data "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&scope=$resource%2F.default" \
      --data 'client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer' \
      --data-urlencode "client_assertion@$AZURE_FEDERATED_TOKEN_FILE" <<HEADERS
Accept: application/json
HEADERS
  else
    request GET "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$1&client_id=$AZURE_CLIENT_ID" <<HEADERS
Metadata: true
HEADERS
  fi
  if [ "$code" != 200 ]; then
    say "token $code $(shown "$body")"
    exit 1
  fi
  token=$(field "$body" access_token)
  claims=$(printf '%s' "$token" | cut -d. -f2 | tr '_-' '/+')
  while [ $((${#claims} % 4)) -ne 0 ]; do claims="$claims="; done
  claims=$(printf '%s' "$claims" | base64 -d)
  application=$(field "$claims" appid)
  say "token 200 ${application:-$(field "$claims" azp)} $(field "$claims" oid)"
}
