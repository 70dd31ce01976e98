#!/bin/sh
# Lab 000 by az and kubectl: its own commands of what podid makes, in its order. For a world that podid adopts, and to compare with what podid makes.
# As in the lab, a value that it says to save is saved. `lab:` is what the lab has where today's Azure, az or this world want another word.
# Left out: the ingress, FlexVolume's and MIC's manifests (the sandbox plays what of them podid needs), helm.
set -eu
group=podid-lab cluster=aks-sp vault=claims-api-kv

# the lab begins in a shell that is signed in
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" -o none
subscription=$(az account show --query id -o tsv)

# C 3, C 4
az identity create -g "$group" -n claims-api-mid -o json >identity.json
of() {
  sed -n 's/^ *"'"$1"'": "\(.*\)",*$/\1/p' identity.json
}
sp=$(az aks show -g "$group" -n "$cluster" --query servicePrincipalProfile.clientId -o tsv)
# on a cluster with a managed identity this is the word msi, and the kubelet's identity is meant
test "$sp" != msi
az role assignment create --role "Managed Identity Operator" --assignee "$sp" --scope "$(of id)" -o none
# of the cluster's set-up, which comes before the lab: MIC has to change the nodes
nodes=$(az aks show -g "$group" -n "$cluster" --query nodeResourceGroup -o tsv)
az role assignment create --role "Virtual Machine Contributor" --assignee "$sp" --scope "/subscriptions/$subscription/resourceGroups/$nodes" -o none

# D 2, in the portal there; lab: a vault of access policies by default, which today has to be asked for
az keyvault create -g "$group" -n "$vault" --enable-rbac-authorization false -o none
az keyvault secret set --vault-name "$vault" -n sqldbconn --file 000.sqldbconn.txt --encoding utf-8 -o none
# D 3
az role assignment create --role Reader --assignee "$(of principalId)" \
  --scope "/subscriptions/$subscription/resourcegroups/$group/providers/Microsoft.KeyVault/vaults/$vault" -o none
az keyvault set-policy -n "$vault" --secret-permissions get --spn "$(of clientId)" -o none

# D 4 to E 2; lab: one file after the other, and a chart by Helm 2
sed -e "s|<id>|$(of id)|; s|<clientId>|$(of clientId)|; s|<subscription id>|$subscription|; s|<tenant id>|$(of tenantId)|" 000.lab.yaml >filled.yaml
kubectl --context "$cluster" apply -f filled.yaml
kubectl --context "$cluster" get azureidentity,azureidentitybinding -n dev-claims-podid
