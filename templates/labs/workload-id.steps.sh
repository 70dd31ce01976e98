#!/bin/sh
# Workload ID by single commands: the same as `podid up -f templates/labs/workload-id.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
export PODID_APP=lab-workload-id PODID_RESOURCE_GROUP=rg-orders PODID_CLUSTER=aks-orders

# A cluster with the OIDC issuer, the webhook and the CSI driver
podid group create -n rg-orders --location eastus --yes
podid cluster create -n aks-orders --node-count 1 --location eastus --yes
podid cluster install csi --yes
podid cluster install workload-identity --yes
podid cluster components
# A vault with two secrets
podid vault create -n kv-orders-wi --location eastus --model rbac --yes
podid vault secret set db-connection --vault kv-orders-wi --generate=32 --yes
podid vault secret set api-key --vault kv-orders-wi --generate=32 --yes
# An identity for each workload, its right to the vault, and its service account with the federated credential
podid identity create -n orders-wi --location eastus --yes
podid vault grant --vault kv-orders-wi --to identity/orders-wi --yes
podid bind --mode workload-identity --namespace orders --identity orders-wi --service-account orders --yes
podid identity create -n invoices-wi --location eastus --yes
podid vault grant --vault kv-orders-wi --to identity/invoices-wi --yes
podid bind --mode workload-identity --namespace orders --identity invoices-wi --service-account invoices --yes
# One app gets its secret as a file and a variable, the other reads the vault by itself
podid mount apply --namespace orders --name orders --identity orders-wi --vault kv-orders-wi --secret db-connection \
  --sync orders-db:connection=db-connection --yes
podid mount apply --delivery sdk --namespace orders --name invoices --identity invoices-wi --vault kv-orders-wi \
  --secret api-key --yes
podid app deploy orders --namespace orders --image mcr.microsoft.com/azuredocs/aks-helloworld:v1 --port 80 \
  --secret-env DB_CONNECTION=orders-db:connection --yes
# The proof from inside a pod, and from here without one
podid verify --namespace orders
podid verify --namespace orders --no-pod
