#!/bin/sh
# Lab 000 by single commands: the same as `podid up -f templates/labs/000.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-000 PODID_RESOURCE_GROUP=podid-lab

podid identity create -n claims-api-mid --yes
podid vault create -n claims-api-kv --model access-policy --yes
podid vault secret set sqldbconn --vault claims-api-kv --file "$labs/000.sqldbconn.txt" --yes
podid role assign Reader --to identity/claims-api-mid --scope vault/claims-api-kv --yes
podid vault grant --vault claims-api-kv --to identity/claims-api-mid --yes
podid bind --namespace dev-claims-podid --identity claims-api-mid --context aks-sp \
  --name claims-api-podid --binding claims-api-podid-binding --selector claims-api-kv-mid --yes
podid mount apply --namespace dev-claims-podid --name claims-api --vault claims-api-kv --secret sqldbconn --yes
podid verify --namespace dev-claims-podid
