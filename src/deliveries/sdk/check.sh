# podid's check of a pod that reads Key Vault by itself: reads each secret that it is given as an argument.
get_token https%3A%2F%2Fvault.azure.net
at=0
for name in "$@"; do
  at=$((at + 1))
  request GET "${KEYVAULT_URI%/}/secrets/$name?api-version=7.4" <<HEADERS
Authorization: Bearer $token
HEADERS
  if [ "$code" != 200 ]; then
    say "$at $code $(shown "$body")"
    exit 1
  fi
  say "$at 200 $(printf '%s' "$body" | sed -n 's/.*"id": *"https:[^"]*\/secrets\/[^"\/]*\/\([0-9a-fA-F]*\)".*/\1/p')"
done
