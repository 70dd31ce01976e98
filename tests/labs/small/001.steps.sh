#!/bin/sh
# Lab 001 by single commands: the same as `podid up -f templates/labs/001.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-001 PODID_RESOURCE_GROUP=podid-lab

podid identity create -n demo-mid --yes
podid role assign Reader --to identity/demo-mid --scope group/podid-lab --yes
podid vault create -n demo-settings-kv --model access-policy --yes
podid vault grant --vault demo-settings-kv --to identity/demo-mid --yes
podid vault secret set Settings--ValueOne --vault demo-settings-kv --file "$labs/001.ValueOne.txt" --yes
podid vault secret set Settings--ValueTwo --vault demo-settings-kv --file "$labs/001.ValueTwo.txt" --yes
podid bind --namespace default --identity demo-mid --context aks-sp --name demoidentity \
  --binding demo1-azure-identity-binding --selector azureidentitydemo --yes
podid mount apply --namespace default --name aadpodidentitydemoapi --vault demo-settings-kv \
  --secret Settings--ValueOne=Settings__ValueOne --secret Settings--ValueTwo=Settings__ValueTwo --yes
podid verify --namespace default
