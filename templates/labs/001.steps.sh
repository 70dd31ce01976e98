#!/bin/sh
# Lab 001 by single commands, in the order of its document: the same as `podid up -f templates/labs/001.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-001 PODID_RESOURCE_GROUP=podid-lab PODID_CLUSTER=aks-sp

# Deploy the aad-pod-identity infra in your existing cluster
podid cluster install pod-identity --yes
# (the driver that mounts secrets, in the place of a library of the app)
podid cluster install csi --yes
# Create an Azure user-assigned managed identity
podid identity create -n demo-mid --yes
# Assign Reader to the new identity
podid role assign Reader --to identity/demo-mid --scope group/podid-lab --yes
# Create an Azure KeyVault, its access policy and its secrets
podid vault create -n demo-settings-kv --model access-policy --sku standard --yes
podid vault grant --vault demo-settings-kv --to identity/demo-mid --yes
podid vault secret set Settings--ValueOne --vault demo-settings-kv --file "$labs/001.ValueOne.txt" --yes
podid vault secret set Settings--ValueTwo --vault demo-settings-kv --file "$labs/001.ValueTwo.txt" --yes
# Permissions for MIC on the identity; the identity and its binding on the AKS cluster
podid bind --namespace default --identity demo-mid --name demoidentity \
  --binding demo1-azure-identity-binding --selector azureidentitydemo --yes
# Install the demo application, and get its address
podid mount apply --namespace default --name aadpodidentitydemoapi --vault demo-settings-kv \
  --secret Settings--ValueOne=Settings__ValueOne --secret Settings--ValueTwo=Settings__ValueTwo --yes
podid app deploy aadpodidentitydemoapi --namespace default --image anmock.azurecr.io/aadpodidentitydemoapi:1.0 \
  --replicas 3 --port 80 --expose loadBalancer --env KeyVault__BaseUrl=https://demo-settings-kv.vault.azure.net --yes
podid app status
podid verify --namespace default
