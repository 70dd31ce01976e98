#!/bin/sh
# Lab 004 by single commands: the same as `podid up -f templates/labs/004.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-004 PODID_RESOURCE_GROUP=podid-lab

podid vault create -n myk8skv --model access-policy --yes
podid vault secret set ExamplePassword --vault myk8skv --file "$labs/004.ExamplePassword.txt" --yes
podid identity create -n aks2kvIdentity --yes
podid role assign Reader --to identity/aks2kvIdentity --scope subscription --yes
podid vault grant --vault myk8skv --to identity/aks2kvIdentity --yes
podid bind --namespace default --identity aks2kvIdentity --context aks-mi --name aks-kv-identity \
  --binding azure-pod-identity-binding --selector azure-pod-identity-binding-selector --yes
podid mount apply --namespace default --name spc-myk8skv --vault myk8skv --secret ExamplePassword \
  --sync test-secret:key=ExamplePassword --yes
podid verify --namespace default
