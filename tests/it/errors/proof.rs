//! Proofs that fail: nothing to prove, and each broken link with the command that repairs it.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::{Value, json};

#[test]
fn nothing_to_prove_is_an_error() {
    assert_snapshot!(Lab::new().fails("verify"), @r#"
    exit 4
    error: there is nothing to prove: no workload mounts a secret
    hint: Apply a mount first: `podid mount apply`, or `secrets:` of a workload in the spec.
    "#);
    assert_snapshot!(Lab::made().fails("verify --namespace nowhere"), @r#"
    exit 4
    error: there is nothing to prove: podid knows of no mount in namespace nowhere
    hint: `podid state list` shows what podid knows; `podid mount apply` makes a mount.
    "#);
}

fn delete_grant(world: &mut Value) {
    let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
    // Key Vault Secrets User
    assignments.retain(|_, a| a["role"] != "4633458b-17de-408a-b874-0445c86b69e6");
}

fn delete_binding(world: &mut Value) {
    let objects = world["clusters"]["aks-mi"]["objects"].as_object_mut().unwrap();
    assert!(objects.remove("azureidentitybindings.aadpodidentity.k8s.io/shop/shop-mid-binding").is_some());
}

#[test]
fn a_missing_grant_breaks_the_proof_at_the_vault() {
    let lab = Lab::made();
    lab.edit_world(delete_grant);
    assert_snapshot!(lab.fails("verify -f app.yaml"), @r#"
    exit 1
    error: could not prove shop/shop: the right of the identity shop-mid to read the secrets of the vault kv-shop-errors is missing: it may not get secrets
      because the pod did not get its secrets within [TIME]
      because the identity shop-mid may not read the secrets of the vault kv-shop-errors
    hint: Write it again: `podid up -f app.yaml`.
    "#);
}

#[test]
fn a_missing_binding_breaks_the_proof_before_azure() {
    let lab = Lab::made();
    lab.edit_world(delete_binding);
    assert_snapshot!(lab.fails("verify"), @r#"
    exit 1
    error: could not prove shop/shop: the AzureIdentityBinding shop/shop-mid-binding does not exist
      because the pod did not get its secrets within [TIME]
      because no AzureIdentityBinding in namespace shop has the selector shop-mid
    hint: Write it again: `podid bind --namespace shop --identity shop-mid --selector shop-mid --cluster aks-mi --context aks-mi --app shop`.
    "#);
    lab.done("bind --namespace shop --identity shop-mid --selector shop-mid --cluster aks-mi --context aks-mi --app shop --yes");
    lab.done("verify");
    lab.done("plan -f app.yaml --exit-code");
}

/// Events are kept for an hour.
#[test]
fn events_of_an_earlier_proof_do_not_explain_a_later_one() {
    let lab = Lab::made();
    lab.edit_world(delete_grant);
    assert!(lab.fails("verify --timeout 10s").contains("may not get secrets"));
    lab.edit_world(delete_binding);
    assert!(lab.fails("verify --timeout 10s").contains("no AzureIdentityBinding in namespace shop has the selector shop-mid"));
}

/// This is the state after a proof whose status was not collected yet.
#[test]
fn a_mount_of_another_pod_proves_nothing() {
    let lab = Lab::made();
    lab.edit_world(|world| {
        delete_binding(world);
        let objects = world["clusters"]["aks-mi"]["objects"].as_object_mut().unwrap();
        let owner =
            json!({ "apiVersion": "v1", "kind": "Namespace", "name": "shop", "uid": objects["namespaces//shop"]["metadata"]["uid"] });
        let name = "podid-verify-shop-shop-shop";
        let status = json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClassPodStatus",
            "metadata": {
                "name": name, "namespace": "shop", "uid": "5b4f3a1e-0000-4000-8000-000000000000", "resourceVersion": "1", "generation": 1,
                "creationTimestamp": "2026-11-01T00:00:00Z", "ownerReferences": [owner],
            },
            "status": {
                "podName": "podid-verify-shop", "secretProviderClassName": "shop", "mounted": true,
                "objects": [{ "id": "secret/conn", "version": "00000000000000000000000000000000" }],
            },
        });
        objects.insert(format!("secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io/shop/{name}"), status);
    });
    assert!(lab.fails("verify --timeout 10s").contains("no AzureIdentityBinding in namespace shop has the selector shop-mid"));
}

#[test]
fn a_cluster_without_its_roles_breaks_the_proof_at_the_nodes() {
    let lab = Lab::made();
    lab.edit_world(|world| {
        let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
        // Virtual Machine Contributor
        assignments.retain(|_, a| a["role"] != "9980e02c-c2be-4d73-94e8-173b1dc7cf3c");
    });
    assert_snapshot!(lab.fails("verify --timeout 10s"), @r#"
    exit 1
    error: could not prove shop/shop: the role Virtual Machine Contributor of the cluster aks-mi (principal [ID]) at /subscriptions/[ID]/resourceGroups/MC_podid-lab_aks-mi_westeurope is not assigned, so MIC cannot put the identity on the nodes
      because the pod did not get its secrets within [TIME]
      because MIC has not put the identity on the node (its AzureAssignedIdentity is Created, not Assigned)
    hint: Write it again: `podid bind --namespace shop --identity shop-mid --selector shop-mid --cluster aks-mi --context aks-mi --app shop`.
    "#);
}
