#!/bin/sh
# Lab 000 by single commands, in the order of its document: the same as `podid up -f templates/labs/000.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-000 PODID_RESOURCE_GROUP=podid-lab PODID_CLUSTER=aks-sp

# A. Deploy an ingress controller: the Gateway API of application routing, because Ingress NGINX is retired
podid cluster install ingress --yes
# B. Deploy the driver that mounts secrets: the CSI driver, because FlexVolume is retired
podid cluster install csi --yes
# C.2 Deploy MIC, NMI, the custom resources and the exceptions, and verify the pods
podid cluster install pod-identity --yes
podid cluster components
# C.3 Create a managed identity
podid identity create -n claims-api-mid --yes
# D.2 Provision a key vault and create the secret
podid vault create -n claims-api-kv --model access-policy --yes
podid vault secret set sqldbconn --vault claims-api-kv --file "$labs/000.sqldbconn.txt" --yes
# D.3 Assign Reader on the vault, and set the policy
podid role assign Reader --to identity/claims-api-mid --scope vault/claims-api-kv --yes
podid vault grant --vault claims-api-kv --to identity/claims-api-mid --yes
# C.4 and D.4 to D.6 Managed Identity Operator for the cluster, the namespace, AzureIdentity and AzureIdentityBinding
podid bind --namespace dev-claims-podid --identity claims-api-mid \
  --name claims-api-podid --binding claims-api-podid-binding --selector claims-api-kv-mid --yes
# E. Deploy the Claims Web API with its secret
podid mount apply --namespace dev-claims-podid --name claims-api --vault claims-api-kv --secret sqldbconn --yes
podid app deploy claims-api --namespace dev-claims-podid --image claimsregistry.azurecr.io/claims-api:v1 \
  --replicas 2 --port 80 --path /api/v1/claims --expose gateway --yes
# the service answers, and its secret is read with its own identity
podid app status
podid verify --namespace dev-claims-podid
