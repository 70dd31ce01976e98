# podid's check of a pod that uses a storage account by itself: writes the blob $BLOB_URL, reads it and deletes it.
content='written by podid verify'
# Reports and fails unless the service answers METHOD with STATUS; WORD is what the report calls it.
blob() {
  word=$1 wanted=$2 method=$3
  shift 3
  request "$method" "$BLOB_URL" "$@" <<HEADERS
Authorization: Bearer $token
x-ms-version: 2021-12-02
HEADERS
  if [ "$code" != "$wanted" ]; then
    say "$word $code $(shown "$body")"
    return 1
  fi
}
get_token https%3A%2F%2Fstorage.azure.com
blob write 201 PUT -H 'x-ms-blob-type: BlockBlob' -H 'Content-Type: text/plain' --data-binary "$content" || exit 1
say 'write 201'
broken=0
if blob read 200 GET; then
  if [ "$body" = "$content" ]; then
    say 'read 200'
  else
    say 'read 000 the blob has another content than was written'
    broken=1
  fi
else
  broken=1
fi
# what was written is deleted also if it could not be read
if blob delete 202 DELETE; then say 'delete 202'; else broken=1; fi
exit $broken
