#!/bin/sh
# Lab 004 by az and kubectl: its own commands of what podid makes, in its order. For a world that podid adopts, and to compare with what podid makes.
# `lab:` is what the lab has where today's Azure, az or this world want another word; where it asks jq, az is asked here.
# Left out: `az aks create` and helm (the sandbox has the cluster, and plays MIC, NMI and the CSI driver).
set -eu
group=podid-lab cluster=aks-mi vault=myk8skv

# lab: `az login` with a browser
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" -o none
az account set --subscription "$AZURE_SUBSCRIPTION_ID"
# lab: a group of its own, and eastus; here where the cluster is, which is there already
az group create --name "$group" --location westeurope -o none
az aks get-credentials --resource-group "$group" --name "$cluster" --file kubeconfig

# lab: a vault of access policies by default, which today has to be asked for
az keyvault create --name "$vault" --resource-group "$group" --enable-rbac-authorization false -o none
az keyvault secret set --vault-name "$vault" --name ExamplePassword --value "$(cat 004.ExamplePassword.txt)" -o none

# lab: .identityProfile.kubeletidentityClientId, which is nowhere
clientId=$(az aks show --name "$cluster" --resource-group "$group" --query identityProfile.kubeletidentity.clientId -o tsv)
nodeResourceGroup=$(az aks show --name "$cluster" --resource-group "$group" --query nodeResourceGroup -o tsv)
test "$nodeResourceGroup" = MC_podid-lab_aks-mi_westeurope
subId=$(az account show --query id -o tsv)
az role assignment create --role "Managed Identity Operator" --assignee "$clientId" --scope "/subscriptions/$subId" -o none
# twice in the lab, too
az role assignment create --role "Managed Identity Operator" --assignee "$clientId" --scope "/subscriptions/$subId" -o none
az role assignment create --role "Virtual Machine Contributor" --assignee "$clientId" --scope "/subscriptions/$subId" -o none

az identity create -g "$group" -n aks2kvIdentity -o none
clientId=$(az identity show --name aks2kvIdentity --resource-group "$group" --query clientId -o tsv)
principalId=$(az identity show --name aks2kvIdentity --resource-group "$group" --query principalId -o tsv)
subId=$(az account show --query id -o tsv)
# lab: the scope with a slash at its end, which az refuses
az role assignment create --role "Reader" --assignee "$principalId" --scope "/subscriptions/$subId" -o none
az keyvault set-policy -n "$vault" --secret-permissions get --spn "$clientId" -o none
az keyvault set-policy -n "$vault" --key-permissions get --spn "$clientId" -o none

tenantId=$(az keyvault show -n "$vault" --query properties.tenantId -o tsv)
id=$(az identity show --name aks2kvIdentity --resource-group "$group" --query id -o tsv)
# lab: three files, one after the other
sed -e "s|<id>|$id|; s|<clientId>|$clientId|; s|<subscription id>|$subId|; s|<tenant id>|$tenantId|" 004.lab.yaml >filled.yaml
kubectl --kubeconfig kubeconfig --context "$cluster" apply -f filled.yaml
kubectl --kubeconfig kubeconfig --context "$cluster" get secrets
