//! Things that do not exist, and names that are taken.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::json;

#[test]
fn without_a_resource_group_the_user_has_to_choose() {
    assert_snapshot!(Lab::new().fails("identity create -g nowhere -n shop-mid --yes"), @r#"
    exit 4
    app default:
      + create  identity/shop-mid
                  resourceGroup: nowhere
                  location: (after group/nowhere)
      ! refused group/nowhere
                  the resource group nowhere does not exist in subscription [ID]
                  Create it (`podid group create -n nowhere -l LOCATION`), or name another one with `-g`.

    plan: 1 to create, 0 to update, 0 to delete, 0 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn an_unknown_cluster_is_named() {
    let lab = Lab::with_app();
    lab.write("app.yaml", &lab.read("app.yaml").replace("name: aks-mi", "name: aks-none\n  context: aks-mi"));
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 4
    app shop:
      + create  namespace/aks-none/shop
      + create  role/virtual-machine-contributor/cluster/aks-none/cluster/aks-none/nodes
                  role: Virtual Machine Contributor
                  scope: (after cluster/aks-none)
                  principal: (after cluster/aks-none)
      + create  identity/shop-mid
                  resourceGroup: podid-lab
                  location: westeurope
      + create  vault/kv-shop-errors
                  resourceGroup: podid-lab
                  location: westeurope
                  model: rbac
      + create  azureidentity/aks-none/shop/shop-mid
                  resourceID: (after identity/shop-mid)
                  clientID: (after identity/shop-mid)
      + create  grant/kv-shop-errors/caller (for podid's own login, which has no right to the secrets of a vault that it makes; `down` takes it away)
                  access: Key Vault Secrets Officer, or policy `delete, get, list, recover, set`
                  principal: [ID]
      + create  grant/kv-shop-errors/shop-mid
                  access: Key Vault Secrets User, or policy `get`
                  principal: (after identity/shop-mid)
      + create  role/managed-identity-operator/cluster/aks-none/identity/shop-mid
                  role: Managed Identity Operator
                  scope: (after identity/shop-mid)
                  principal: (after cluster/aks-none)
      + create  secretproviderclass/aks-none/shop/shop
                  vault: kv-shop-errors
                  objects: conn
      + create  azureidentitybinding/aks-none/shop/shop-mid-binding
                  azureIdentity: shop-mid
                  selector: shop-mid
      + create  secret/kv-shop-errors/conn
                  value: from file conn.txt
      ! refused cluster/aks-none
                  the cluster aks-none does not exist in resource group podid-lab
                  Name the managed cluster with `--cluster NAME` (or its full id), or `cluster:` in the spec; `az aks list -o table` shows them. To create it, use `podid cluster create`, or `cluster.create` in the spec.

    plan: 11 to create, 0 to update, 0 to delete, 2 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn an_unknown_identity_is_named_with_the_command_that_creates_it() {
    assert_snapshot!(Lab::new().fails("bind --namespace shop --identity nobody --context aks-mi --yes"), @r#"
    exit 4
    app default:
      + create  namespace/aks-mi/shop
      + create  role/managed-identity-operator/cluster/aks-mi/identity/nobody
                  role: Managed Identity Operator
                  scope: (after identity/nobody)
                  principal: [ID]
      + create  role/virtual-machine-contributor/cluster/aks-mi/cluster/aks-mi/nodes
                  role: Virtual Machine Contributor
                  scope: /subscriptions/[ID]/resourceGroups/MC_podid-lab_aks-mi_westeurope
                  principal: [ID]
      + create  azureidentity/aks-mi/shop/nobody
                  resourceID: (after identity/nobody)
                  clientID: (after identity/nobody)
      + create  azureidentitybinding/aks-mi/shop/nobody-binding
                  azureIdentity: nobody
                  selector: nobody
      ! refused identity/nobody
                  the identity nobody does not exist in resource group podid-lab
                  Create it: `podid identity create -g podid-lab -n nobody`.

    plan: 5 to create, 0 to update, 0 to delete, 1 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn a_missing_identity_names_the_flag() {
    assert_snapshot!(Lab::new().fails("bind --namespace shop --context aks-mi --yes"), @r#"
    exit 4
    error: no identity given, and the state has none
    hint: Name it with `--identity NAME`.
    "#);
}

#[test]
fn an_unknown_vault_is_named_with_the_command_that_creates_it() {
    assert_snapshot!(Lab::new().fails("vault secret set conn --vault kv-nowhere --generate --yes"), @r#"
    exit 4
    app default:
      + create  secret/kv-nowhere/conn
                  value: 32 characters, made by podid
      ! refused vault/kv-nowhere
                  the vault kv-nowhere does not exist in resource group podid-lab
                  Create it: `podid vault create -g podid-lab -n kv-nowhere`.

    plan: 1 to create, 0 to update, 0 to delete, 1 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn showing_a_missing_resource_is_refused() {
    let lab = Lab::new();
    assert_snapshot!(lab.fails("identity show -n nobody"), @r#"
    exit 4
    error: the identity nobody does not exist in resource group podid-lab
    hint: `podid identity list` shows those of the subscription.
    "#);
    assert_snapshot!(lab.fails("vault show -n kv-nowhere"), @r#"
    exit 4
    error: the vault kv-nowhere does not exist in resource group podid-lab
    hint: `podid vault list` shows those of the subscription.
    "#);
}

#[test]
fn an_unknown_role_is_refused() {
    let lab = Lab::new();
    lab.done("identity create -n shop-mid --yes");
    assert_snapshot!(lab.fails("role assign Readr --to identity/shop-mid --scope group/podid-lab --yes"), @r#"
    exit 4
    error: role/readr/identity/shop-mid/group/podid-lab: there is no role "Readr" at /subscriptions/[ID]/resourceGroups/podid-lab
    hint: Name a built-in role (`az role definition list --query "[].roleName"`), a custom role of that scope, or a role's GUID.
    "#);
}

#[test]
fn a_vault_name_of_another_tenant_is_taken() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-taken --yes");
    lab.edit_world(|world| world["azure"]["vaults"]["kv-shop-taken"]["group"] = json!("MC_podid-lab_aks-mi_westeurope"));
    assert_snapshot!(lab.fails("vault create -n kv-shop-taken --yes --state other.json"), @r#"
    exit 4
    error: could not create vault/kv-shop-taken: the vault name kv-shop-taken is taken: vault names are unique in all of Azure, and a soft-deleted vault keeps its name
    hint: Choose another name; or, if it is your own soft-deleted one, `--recover` (`az keyvault list-deleted` shows those you can see).
    not started: to create grant/kv-shop-taken/caller: vault/kv-shop-taken failed
    "#);
}

#[test]
fn a_soft_deleted_vault_keeps_its_name_and_the_hint_is_recover() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-gone --yes");
    lab.done("down --yes --delete-data kv-shop-gone");
    assert_snapshot!(lab.fails("vault create -n kv-shop-gone --yes"), @r#"
    exit 4
    app default:
      + create  grant/kv-shop-gone/caller (for podid's own login, which has no right to the secrets of a vault that it makes; `down` takes it away)
                  access: Key Vault Secrets Officer, or policy `delete, get, list, recover, set`
                  principal: [ID]
      ! refused vault/kv-shop-gone
                  the vault kv-shop-gone is soft-deleted (to be purged [DATE]): its name is taken
                  Bring it back with its secrets by `--recover`, or purge it: `az keyvault purge -n kv-shop-gone`.

    plan: 1 to create, 0 to update, 0 to delete, 2 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn a_soft_deleted_secret_keeps_its_name_and_the_hint_is_recover() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-gone --yes");
    lab.done("vault secret set conn --vault kv-shop-gone --generate --yes");
    lab.done("vault secret delete conn --vault kv-shop-gone --yes");
    assert_snapshot!(lab.fails("vault secret set conn --vault kv-shop-gone --generate --yes"), @r#"
    exit 4
    app default:
      ! refused secret/kv-shop-gone/conn
                  the secret conn is soft-deleted in vault/kv-shop-gone: its name is taken
                  Bring it back by `--recover`, or purge it: `az keyvault secret purge --vault-name kv-shop-gone -n conn`.

    plan: 0 to create, 0 to update, 0 to delete, 3 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn more_than_one_identity_is_ambiguous_and_the_candidates_are_listed() {
    let lab = Lab::new();
    lab.done("identity create -n shop-mid --yes");
    lab.done("identity create -n till-mid --yes");
    assert_snapshot!(lab.fails("bind --namespace shop --context aks-mi --yes"), @r#"
    exit 4
    error: it is not clear which identity is meant: shop-mid (podid-lab), till-mid (podid-lab)
    hint: Say which one by `--identity NAME`.
    "#);
}

#[test]
fn an_unknown_state_key_is_reported_with_the_nearest_key() {
    let lab = Lab::new();
    lab.done("identity create -n shop-mid --yes");
    assert_snapshot!(lab.fails("output identity/shop-mit client_id"), @r#"
    exit 4
    error: the state has no entry identity/shop-mit
    hint: Did you mean `identity/shop-mid`?
    hint: List the entries: `podid state list`.
    "#);
    assert_snapshot!(lab.fails("output identity/shop-mid clientid"), @r#"
    exit 4
    error: identity/shop-mid published no clientid
      because it published client_id, id, location, principal_id, tenant_id
    "#);
}
