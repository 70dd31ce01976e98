#!/bin/sh
# Identity bindings by single commands: the same as `podid up -f templates/labs/identity-binding.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
export PODID_APP=lab-identity-binding PODID_RESOURCE_GROUP=rg-orders-ib PODID_CLUSTER=aks-orders-ib

# A cluster with the OIDC issuer, the webhook and the CSI driver
podid group create -n rg-orders-ib --location eastus --yes
podid cluster create -n aks-orders-ib --node-count 1 --location eastus --yes
podid cluster install csi --yes
podid cluster install workload-identity --yes
podid cluster components
# A vault with two secrets
podid vault create -n kv-orders-ib --location eastus --model rbac --yes
podid vault secret set db-connection --vault kv-orders-ib --generate=32 --yes
podid vault secret set api-key --vault kv-orders-ib --generate=32 --yes
# An identity for each workload, its right to the vault, and its service account with the right to use it
podid identity create -n orders-ib --location eastus --yes
podid vault grant --vault kv-orders-ib --to identity/orders-ib --yes
podid bind --mode identity-binding --namespace orders --identity orders-ib --service-account orders --yes
podid identity create -n invoices-ib --location eastus --yes
podid vault grant --vault kv-orders-ib --to identity/invoices-ib --yes
podid bind --mode identity-binding --namespace orders --identity invoices-ib --service-account invoices --yes
# One app gets its secret as a file and a variable, the other reads the vault by itself
podid mount apply --namespace orders --name orders --identity orders-ib --vault kv-orders-ib --secret db-connection \
  --sync orders-db:connection=db-connection --yes
podid mount apply --delivery sdk --namespace orders --name invoices --identity invoices-ib --vault kv-orders-ib \
  --secret api-key --yes
podid app deploy orders --namespace orders --image mcr.microsoft.com/azuredocs/aks-helloworld:v1 --port 80 \
  --secret-env DB_CONNECTION=orders-db:connection --yes
# The proof; only a pod gets a token from the cluster's proxy
podid verify --namespace orders
