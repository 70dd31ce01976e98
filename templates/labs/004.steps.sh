#!/bin/sh
# Lab 004 by single commands, in the order of its document: the same as `podid up -f templates/labs/004.yaml`.
# Takes podid from PATH and the world from the environment (PODID_SANDBOX=1 for the embedded one).
set -eu
labs=$(cd "$(dirname "$0")" && pwd)
export PODID_APP=lab-004 PODID_RESOURCE_GROUP=aks2akvrg PODID_CLUSTER=myk8s

# Create an AKS instance
podid group create -n aks2akvrg --location eastus --yes
podid cluster create -n myk8s --node-count 1 --location eastus --yes
# Create an Azure Key Vault
podid vault create -n myk8skv --location eastus --model access-policy --yes
podid vault secret set ExamplePassword --vault myk8skv --file "$labs/004.ExamplePassword.txt" --yes
# CSI Secret Store Provider for Azure
podid cluster install csi --yes
# AAD Pod Identity
podid cluster install pod-identity --yes
podid cluster components
# Create the identity, give it its roles and the policy
podid identity create -n aks2kvIdentity --location eastus --yes
podid role assign Reader --to identity/aks2kvIdentity --scope subscription --yes
podid vault grant --vault myk8skv --to identity/aks2kvIdentity --yes
# Identity permissions for Kubernetes; AzureIdentity and AzureIdentityBinding
podid bind --namespace default --identity aks2kvIdentity --name aks-kv-identity \
  --binding azure-pod-identity-binding --selector azure-pod-identity-binding-selector --yes
# Create the SecretProviderClass, and mount it into the application
podid mount apply --namespace default --name spc-myk8skv --vault myk8skv --secret ExamplePassword \
  --sync test-secret:key=ExamplePassword --yes
podid app deploy inject-secrets-from-akv --namespace default --image nginx --mount spc-myk8skv \
  --secret-env SECRET=test-secret:key --yes
# Troubleshooting: is the secret there, with which identity was it read?
podid app status
podid verify --namespace default
