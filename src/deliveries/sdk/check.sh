# podid's check of a pod that reads Key Vault by itself: gets a token as the app would and reads each secret that it is given as an argument.
# It needs sh and curl. The last lines of the pod's termination message say how far it came; no value and no token is ever written, and
# neither is an argument of a program.
say() { printf '%s\n' "$*" >>/dev/termination-log; }
# The last text field of that name in a JSON document.
field() { printf '%s' "$1" | sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p"; }
shown() { printf '%s' "$1" | tr '\r\n\t' '   ' | cut -c1-1200; }
newline='
'
# Sets `code` and `body`; the headers come from stdin.
get() {
  body=
  if reply=$(curl -s --max-time 120 -H @- -w '\n%{http_code}' "$1"); then
    code=${reply##*"$newline"}
    body=${reply%"$newline"*}
    return
  else
    failed=$?
  fi
  code=000
  case $failed in
    6) body='no such host' ;;
    7) body='connection refused' ;;
    28) body='timed out' ;;
    127) body='curl: not found' ;;
    *) body="curl exit code $failed" ;;
  esac
}
get "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net&client_id=$AZURE_CLIENT_ID" <<HEADERS
Metadata: true
HEADERS
if [ "$code" != 200 ]; then
  say "token $code $(shown "$body")"
  exit 1
fi
token=$(field "$body" access_token)
claims=$(printf '%s' "$token" | cut -d. -f2 | tr '_-' '/+')
while [ $((${#claims} % 4)) -ne 0 ]; do claims="$claims="; done
claims=$(printf '%s' "$claims" | base64 -d)
say "token 200 $(field "$claims" appid) $(field "$claims" oid)"
at=0
for name in "$@"; do
  at=$((at + 1))
  get "${KEYVAULT_URI%/}/secrets/$name?api-version=7.4" <<HEADERS
Authorization: Bearer $token
HEADERS
  if [ "$code" != 200 ]; then
    say "$at $code $(shown "$body")"
    exit 1
  fi
  say "$at 200 $(printf '%s' "$body" | sed -n 's/.*"id": *"https:[^"]*\/secrets\/[^"\/]*\/\([0-9a-fA-F]*\)".*/\1/p')"
done
