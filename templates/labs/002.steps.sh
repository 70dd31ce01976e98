#!/bin/sh
# Lab 002 by single commands, in the order of its document: the same as `podid up -f templates/labs/002.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-002

# (the document has a cluster with Azure CNI already)
podid group create -n aks-west-experimental --location westeurope --yes
podid cluster create -g aks-west-experimental -n aks-experimental --node-count 1 --location westeurope --yes
# Create the resource group, the vault and its secret, the identity, the storage account and its container
podid group create -n aad-pod-identity-demo --location westeurope --yes
export PODID_RESOURCE_GROUP=aad-pod-identity-demo
podid vault create -n aad-pod-identity-demo-kv --location westeurope --model access-policy --yes
podid vault secret set aad-pod-identity-demo-secret --vault aad-pod-identity-demo-kv --file "$labs/002.secret.txt" --yes
podid identity create -n aad-pod-identity-demo-identity --location westeurope --yes
podid storage create aadpodidentitydemo --location westeurope --sku Standard_LRS --yes
podid storage container create pod-identity-demo --account aadpodidentitydemo --yes
# Assign permissions on the vault and on the storage account
podid vault grant --vault aad-pod-identity-demo-kv --to identity/aad-pod-identity-demo-identity --yes
podid role assign Contributor --to identity/aad-pod-identity-demo-identity --scope storage/aadpodidentitydemo --yes
podid role assign "Storage Blob Data Contributor" --to identity/aad-pod-identity-demo-identity \
  --scope storage/aadpodidentitydemo/pod-identity-demo --yes
# Assign Reader on the nodes' resource group; the cluster is in another group than the identity
unset PODID_RESOURCE_GROUP
podid role assign Reader --to identity/aad-pod-identity-demo-identity --scope cluster/aks-experimental/nodes --yes
# Register the preview feature, enable the add-on; create the namespace, AzureIdentity and its binding: az aks pod-identity add
podid bind --mode pod-identity-addon --namespace identity-demo --identity aad-pod-identity-demo-identity \
  --cluster aks-experimental --name aad-pod-identity-demo --yes
podid cluster components --cluster aks-experimental
# Create a demo pod, and get the secret from inside it with the pod's own token
podid mount apply --delivery sdk --namespace identity-demo --name identity-demo --cluster aks-experimental \
  --vault aad-pod-identity-demo-kv --secret aad-pod-identity-demo-secret --yes
podid app deploy identity-demo --namespace identity-demo --cluster aks-experimental --image andriktr/utils:1.0.4 \
  --label environment=development --label itSystemCode=demo --label responsible=andrej.trusevic \
  --request cpu=100m --request memory=100Mi --limit cpu=200m --limit memory=300Mi --yes
podid verify --namespace identity-demo
# Upload a blob from inside the pod, with its token for the storage account
podid verify --namespace identity-demo --storage aadpodidentitydemo/pod-identity-demo
