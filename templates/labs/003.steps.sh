#!/bin/sh
# Lab 003 by single commands: the same as `podid up -f templates/labs/003.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
export PODID_APP=lab-003 PODID_RESOURCE_GROUP=podid-lab PODID_CLUSTER=aks-mi

# "Install the AAD Pod Identity in your cluster", namespaced ("Namespace Validation"), not in the namespace default, and with its images by
# digest ("Reference Image by Digest")
podid cluster install pod-identity --pin --yes
# "Key Vault Flex Volume": the CSI driver does its work today
podid cluster install csi --yes
podid cluster components
for service in orders billing; do
  # One-time provisioning: a user-assigned identity of its own for each service ("Identity Sharing")
  podid identity create -n $service-mid --yes
  podid vault create -n $service-lab-kv --yes
  podid vault secret set $service-db --vault $service-lab-kv --generate=32 --yes
  podid vault grant --vault $service-lab-kv --to identity/$service-mid --yes
  # "Operator" access for the cluster, AzureIdentity and AzureIdentityBinding in the service's namespace
  podid bind --namespace $service --identity $service-mid --yes
  # The service with its secrets
  podid mount apply --namespace $service --name $service --vault $service-lab-kv --secret $service-db --yes
  podid app deploy $service --namespace $service --image ordersregistry.azurecr.io/$service:v1 --yes
  podid verify --namespace $service
done
