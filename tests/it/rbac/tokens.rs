//! A proof without a pod needs only the right to create tokens of the service account.

use super::{as_account, put, wait_for_right};
use crate::common::World;
use serde_json::json;

const CONTEXT: &str = "aks-mi";
const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi, components: [workload-identity]}
vault: {name: kv-shop-t1, model: rbac, secrets: [{name: conn, value: {generate: 20}}]}
workloads:
  - {name: web, namespace: shop, mode: workload-identity, identity: {name: shop-wi}, serviceAccount: {name: web}, secrets: [{name: conn}]}
";

#[test]
fn a_proof_without_a_pod_needs_only_tokens_of_the_service_account() {
    let mut world = World::served();
    as_account(&mut world, CONTEXT);
    let account = world.read("kubeconfig");
    world.write("kubeconfig", &world.read(".podid/kubeconfig"));
    world.write("podid.yaml", SPEC);
    world.up("podid.yaml", &[]).ok();
    world.write("kubeconfig", &account);
    let refused = world.podid(&["verify", "--no-pod"]).exits(1);
    assert!(refused.stderr.contains("may not create serviceaccounts/token in namespace shop"), "{}", refused.stderr);
    let rules = json!([{ "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["web"], "verbs": ["create"] }]);
    let metadata = json!({ "name": "tokens", "namespace": "shop" });
    put(&world, CONTEXT, &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules }));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tokens" },
        "subjects": [{ "kind": "ServiceAccount", "name": "podid", "namespace": "podid-ci" }],
    });
    put(&world, CONTEXT, &binding);
    wait_for_right(&world, CONTEXT, "shop", ("", "serviceaccounts/token", "web", "create"), true);
    world.podid(&["verify", "--no-pod"]).ok().says("proved shop/web");
    // and nothing else
    world.podid(&["verify"]).exits(1).says("may not create pods in namespace shop");
}
