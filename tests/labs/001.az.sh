#!/bin/sh
# Lab 001 by az and kubectl: its own commands of what podid makes, in its order. For a world that podid adopts.
# As in the lab, a value that it says to remember is remembered. `lab:` is what the lab has where today's Azure, az or this world want another word.
# Left out: MIC's and NMI's manifests (the sandbox plays them), docker and the registry.
set -eu
group=podid-lab cluster=aks-sp vault=demo-settings-kv

# the lab begins in a shell that is signed in
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" -o none
subscription=$(az account show --query id -o tsv)

az identity create -g "$group" -n demo-mid -o json >identity.json
of() {
  sed -n 's/^ *"'"$1"'": "\(.*\)",*$/\1/p' identity.json
}
az role assignment create --role Reader --assignee "$(of principalId)" --scope "/subscriptions/$subscription/resourcegroups/$group" -o none

client=$(az aks show -n "$cluster" -g "$group" --query servicePrincipalProfile.clientId -o tsv)
# lab: objectId; the directory's new API calls it id
sp=$(az ad sp show --id "$client" --query id -o tsv)
az role assignment create --role "Managed Identity Operator" --assignee "$sp" --scope "$(of id)" -o none
# of the cluster's set-up, which comes before the lab: MIC has to change the nodes
nodes=$(az aks show -g "$group" -n "$cluster" --query nodeResourceGroup -o tsv)
az role assignment create --role "Virtual Machine Contributor" --assignee "$sp" --scope "/subscriptions/$subscription/resourceGroups/$nodes" -o none

# lab: a vault of access policies by default, which today has to be asked for
az keyvault create -n "$vault" -g "$group" --sku standard --enable-rbac-authorization false -o none
# lab: `get, list`; az wants its lists without commas
az keyvault set-policy -n "$vault" --object-id "$(of principalId)" \
  --secret-permissions get list --key-permissions get list --certificate-permissions get list -o none
az keyvault secret set --vault-name "$vault" --name Settings--ValueOne --value DemoValueOne -o none
az keyvault secret set --vault-name "$vault" --name Settings--ValueTwo --value DemoValueTwo -o none

# lab: one file after the other, with `create`, which cannot be run twice
sed -e "s|<id>|$(of id)|; s|<clientId>|$(of clientId)|" 001.lab.yaml >filled.yaml
kubectl --context "$cluster" apply -f filled.yaml
