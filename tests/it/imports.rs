//! `podid import` of worlds that podid did not make: the plan of the spec is empty, `up` records without a write, `verify` proves, and `down`
//! leaves everything.

mod released;

use crate::common::{World, flexvolume, same, until};
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const VERSION: &str = "api-version=2024-11-30";

/// The inventory without what passes: ages, and the pods of a proof.
fn inventory(world: &World, context: &str) -> String {
    let mut all = world.podid(&["inventory", "--context", context, "-o", "json"]).ok().json();
    for vault in all["vaults"].as_array_mut().unwrap() {
        for secret in vault["secrets"].as_array_mut().into_iter().flatten() {
            secret.as_object_mut().unwrap().shift_remove("ageDays");
        }
    }
    format!("{all:#}")
}

/// Imports, plans, runs, proves and takes down. Returns the spec, and what `import` said of what it left out.
pub fn round_trip(world: &World, context: &str, more: &[&str]) -> (String, String) {
    let words = |own: &[&'static str]| -> Vec<&str> { [own, &["--context", context, "--state", "imported.json"]].concat() };
    let mark = world.mark();
    let import = words(&["import", "--out", "imported.yaml"]);
    let import = world.podid(&[&import[..], more].concat()).ok();
    assert!(import.stdout.contains("finds nothing to change"), "{}{}", import.stdout, import.stderr);
    let spec = world.read("imported.yaml");
    let again = words(&["import", "--out", "imported.yaml", "--force"]);
    world.podid(&[&again[..], more].concat()).ok();
    same("a second import", &spec, &world.read("imported.yaml"));
    world.podid(&words(&["plan", "-f", "imported.yaml", "--exit-code"])).ok();
    let before = inventory(world, context);
    let up = world.podid(&words(&["up", "-f", "imported.yaml", "--yes"])).ok();
    assert!(up.last_line().starts_with("nothing to do"), "{}{}", up.stdout, up.stderr);
    let writes = world.writes_since(mark);
    assert!(writes.iter().all(|write| write.contains("getByIds")), "{writes:?}");
    world.podid(&words(&["verify", "-f", "imported.yaml"])).ok().says("proved ");
    until("the inventory is as before", || (inventory(world, context) == before).then_some(()));
    let mark = world.mark();
    world.podid(&words(&["down", "-f", "imported.yaml", "--yes"])).ok();
    assert_eq!(world.writes_since(mark), Vec::<String>::new(), "`down` leaves what others made");
    (spec, import.stderr)
}

fn put(world: &World, path: &str, body: Value) -> Value {
    world.arm("PUT", path, Some(body)).ok()
}

fn identity(world: &World, name: &str) -> Value {
    put(world, &format!("{}?api-version=2023-01-31", world.identity_id(name)), json!({ "location": "westeurope" }))
}

fn assign(world: &World, scope: &str, role: &str, principal: &Value) {
    let definition = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", world.subscription());
    let name = format!("00000000-0000-4000-8000-{:012x}", world.assignments(scope).len() + scope.len() * 1000 + role.len());
    let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
    let kind = "ServicePrincipal";
    put(world, &path, json!({ "properties": { "roleDefinitionId": definition, "principalId": principal, "principalType": kind } }));
}

const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";

/// A vault with a secret, made by an app of its own: of it, the app that is imported knows nothing.
fn vault(world: &World, name: &str) {
    world.write("conn.txt", "not-a-real-secret");
    let own = ["--app", "vaults", "--state", "vaults.json", "--yes"];
    world.podid(&[&["vault", "create", "-n", name, "-g", "podid-lab", "--model", "rbac"], &own[..]].concat()).ok();
    world.podid(&[&["vault", "secret", "set", "conn", "--vault", name, "-g", "podid-lab", "--file", "conn.txt"], &own[..]].concat()).ok();
}

/// A class as the documentation of the provider has it, and a Deployment that mounts it.
fn mounted(world: &World, vault: &str, parameters: Value, pod: Value) {
    let tenant = world.arm("GET", &format!("{}?api-version=2023-07-01", world.vault_id(vault)), None).ok();
    let objects = "array:\n  - |\n    objectName: conn\n    objectType: secret\n";
    let mut all = json!({ "keyvaultName": vault, "cloudName": "", "tenantId": tenant["properties"]["tenantId"], "objects": objects });
    all.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    let class = json!({ "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
        "metadata": { "name": "web-secrets", "namespace": "shop" }, "spec": { "provider": "azure", "parameters": all } });
    let volume = json!({ "name": "s", "csi": { "driver": "secrets-store.csi.k8s.io", "readOnly": true,
        "volumeAttributes": { "secretProviderClass": "web-secrets" } } });
    let mut spec = json!({ "volumes": [volume], "containers": [{ "name": "c", "image": "nginx:1.27",
        "volumeMounts": [{ "name": "s", "mountPath": "/mnt/s" }] }] });
    spec.as_object_mut().unwrap().extend(pod["spec"].as_object().unwrap().clone());
    let mut metadata = pod["metadata"].clone();
    metadata["labels"]["app"] = json!("web");
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": { "metadata": metadata, "spec": spec } } });
    world.kubectl_apply(CONTEXT, &[class, deployment]);
    until("the app's pod runs", || {
        let found = world.kube("GET", CONTEXT, "/apis/apps/v1/namespaces/shop/deployments/web", None).ok();
        (found["status"]["readyReplicas"] == 1).then_some(())
    });
}

fn account(world: &World, client_id: &Value) {
    let annotations = json!({ "azure.workload.identity/client-id": client_id });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "web", "namespace": "shop", "annotations": annotations } });
    world.kubectl_apply(CONTEXT, &[namespace, account]);
}

fn cluster(world: &World) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}", world.group_id())
}

/// Turns the cluster's issuer and webhook on, as somebody did years ago.
fn with_workload_identity(world: &World) -> String {
    let words = [
        "cluster",
        "install",
        "workload-identity",
        "--cluster",
        CONTEXT,
        "-g",
        "podid-lab",
        "--app",
        "platform",
        "--state",
        "platform.json",
        "--yes",
    ];
    world.podid(&words).ok();
    let found = world.arm("GET", &format!("{}?api-version=2025-08-01", cluster(world)), None).ok();
    found["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().to_owned()
}

#[test]
fn a_workload_id_world_is_imported() {
    let world = World::served();
    vault(&world, "kv-import-wi");
    let issuer = with_workload_identity(&world);
    let identity = identity(&world, "web-wi");
    let path = format!("{}/federatedIdentityCredentials/by-hand?{VERSION}", world.identity_id("web-wi"));
    let subject = "system:serviceaccount:shop:web";
    put(&world, &path, json!({ "properties": { "issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"] } }));
    // the right to the vault comes from its resource group, which a spec would not do
    assign(&world, &world.group_id(), SECRETS_USER, &identity["properties"]["principalId"]);
    account(&world, &identity["properties"]["clientId"]);
    let labels = json!({ "azure.workload.identity/use": "true" });
    let pod = json!({ "metadata": { "labels": labels }, "spec": { "serviceAccountName": "web" } });
    mounted(&world, "kv-import-wi", json!({ "clientID": identity["properties"]["clientId"] }), pod);
    let (spec, _) = round_trip(&world, CONTEXT, &["-n", "shop"]);
    for part in [
        "# deployment shop/web, ServiceAccount shop/web, SecretProviderClass shop/web-secrets",
        "mode: workload-identity",
        "vaultAccess: none",
        "secretProviderClass: web-secrets",
        "- workload-identity",
    ] {
        assert!(spec.contains(part), "{part}:\n{spec}");
    }
    assert!(!spec.contains("not-a-real-secret"));
}

#[test]
fn an_identity_binding_is_imported_with_objects_of_any_name() {
    let world = World::served();
    vault(&world, "kv-import-ib");
    with_workload_identity(&world);
    let identity = identity(&world, "web-ib");
    let (id, client_id) =
        (identity["id"].as_str().unwrap().replace("resourcegroups", "resourceGroups"), &identity["properties"]["clientId"]);
    let binding = format!("{}/identityBindings/ourbinding?api-version=2026-04-01", cluster(&world));
    put(&world, &binding, json!({ "properties": { "managedIdentity": { "resourceId": id } } }));
    assign(&world, &world.vault_id("kv-import-ib"), SECRETS_USER, &identity["properties"]["principalId"]);
    account(&world, client_id);
    let rbac = "rbac.authorization.k8s.io/v1";
    let rule = json!({ "apiGroups": ["cid.wi.aks.azure.com"], "resources": ["another", client_id], "verbs": ["use-managed-identity"] });
    let subject = |name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": "shop" });
    let objects = [
        json!({ "apiVersion": rbac, "kind": "ClusterRole", "metadata": { "name": "identity-binding-user" }, "rules": [rule] }),
        json!({ "apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": { "name": "identity-binding-users" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "identity-binding-user" },
            "subjects": [subject("api"), subject("web")] }),
    ];
    for object in objects {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        world.kube("POST", CONTEXT, &format!("/apis/{rbac}/{plural}"), Some(object)).ok();
    }
    let pod = json!({ "metadata": { "labels": { "azure.workload.identity/use": "true" },
        "annotations": { "azure.workload.identity/use-identity-binding": "true" } }, "spec": { "serviceAccountName": "web" } });
    mounted(&world, "kv-import-ib", json!({ "clientID": client_id, "useAzureTokenProxy": "true" }), pod);
    let (spec, _) = round_trip(&world, CONTEXT, &["-n", "shop"]);
    for part in ["mode: identity-binding", "clusterRole: identity-binding-user", "clusterRoleBinding: identity-binding-users"] {
        assert!(spec.contains(part), "{part}:\n{spec}");
    }
}

/// A lab's cluster side, as its own commands leave it; Azure as they leave it was recorded in no state.
fn lab(spec: &str, context: &str, identity: &str, flexvolume: bool) -> World {
    let world = World::served();
    if flexvolume {
        flexvolume::install(&world);
    }
    lab_in(world, spec, context, identity)
}

/// The same in a world that has the components already.
fn lab_in(world: World, spec: &str, context: &str, identity: &str) -> World {
    world.podid(&["up", "--yes", "-f", spec, "--only", "azure", "--state", "azure.json", "--app", "somebody"]).ok();
    let text =
        std::fs::read_to_string(format!("{}/tests/labs/{}", env!("CARGO_MANIFEST_DIR"), spec.replace(".yaml", ".lab.yaml"))).unwrap();
    let found = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id(identity)), None).ok();
    let word = |name: &str| found["properties"][name].as_str().unwrap().to_owned();
    let subscription = world.subscription();
    let values = [
        ("<id>", found["id"].as_str().unwrap()),
        ("<clientId>", &word("clientId")),
        ("<tenant id>", &word("tenantId")),
        ("<subscription id>", &subscription),
    ];
    let text = values.iter().fold(text, |text, (placeholder, value)| text.replace(placeholder, value));
    let objects: Vec<Value> = text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect();
    world.kubectl_apply(context, &objects);
    until("the lab's pods run", || {
        let pods = world.all(context, "Pod").into_iter().filter(|pod| pod["metadata"]["namespace"] != "kube-system");
        let pods: Vec<Value> = pods.collect();
        (!pods.is_empty() && pods.iter().all(|pod| pod["status"]["phase"] == "Running")).then_some(())
    });
    world
}

#[test]
fn what_the_commands_of_lab_000_made_is_imported() {
    let (spec, _) = round_trip(&lab("000.yaml", "aks-sp", "claims-api-mid", true), "aks-sp", &[]);
    assert!(spec.contains("delivery: flexvolume") && spec.contains("namespaced: \"false\""), "{spec}");
}

#[test]
fn what_the_commands_of_lab_001_made_is_imported() {
    let world = lab("001.yaml", "aks-sp", "demo-mid", false);
    let (spec, said) = round_trip(&world, "aks-sp", &[]);
    assert!(spec.contains("delivery: sdk"), "{spec}");
    assert!(said.contains("only the app knows them, so the spec has all that the vault holds"), "{said}");
}

#[test]
fn what_the_commands_of_lab_004_made_is_imported() {
    let world = lab("004.yaml", "aks-mi", "aks2kvIdentity", false);
    let (spec, _) = round_trip(&world, "aks-mi", &[]);
    assert!(
        spec.contains("pod-identity installed by Helm (release kube-system/aad-pod-identity, chart aad-pod-identity-4.1.18)"),
        "{spec}"
    );
    for part in ["role: Reader", "scope: subscription", "secret: test-secret", "secretProviderClass: spc-myk8skv"] {
        assert!(spec.contains(part), "{part}:\n{spec}");
    }
}

#[test]
fn an_import_overwrites_only_with_force_and_says_what_there_is_none_of() {
    let world = World::served();
    let import = |more: &[&str]| world.podid(&[&["import", "--context", CONTEXT, "--out", "imported.yaml"], more].concat());
    import(&[]).exits(4).says("found no workload in the cluster aks-mi").says("nothing was written");
    assert!(!world.path("imported.yaml").exists());
    world.write("imported.yaml", "mine");
    import(&[]).exits(4).says("the file imported.yaml exists").says("--force");
    import(&["--force"]).exits(4);
    assert_eq!(world.read("imported.yaml"), "mine", "it is only replaced by a whole spec");
}

/// The pod identity add-on with an entry, as `az aks update --enable-pod-identity` and `az aks pod-identity add` leave them.
fn addon(world: &World, identity: &Value) {
    let feature = format!(
        "/subscriptions/{}/providers/Microsoft.Features/providers/Microsoft.ContainerService/features/EnablePodIdentityPreview",
        world.subscription()
    );
    world.arm("POST", &format!("{feature}/register?api-version=2021-07-01"), None).ok();
    until("the preview feature is registered", || {
        let found = world.arm("GET", &format!("{feature}?api-version=2021-07-01"), None).ok();
        (found["properties"]["state"] == "Registered").then_some(())
    });
    let path = format!("{}?api-version=2025-08-01", cluster(world));
    let mut found = world.arm("GET", &path, None).ok();
    let (properties, principal) = (&identity["properties"], found["identity"]["principalId"].clone());
    assign(world, identity["id"].as_str().unwrap(), "f1a07417-d97a-45cb-824c-7a7467783830", &principal);
    let entry = json!({ "name": "web-id", "namespace": "shop", "bindingSelector": "web-pods", "identity": { "resourceId": identity["id"],
        "clientId": properties["clientId"], "objectId": properties["principalId"] } });
    found["properties"]["podIdentityProfile"] = json!({ "enabled": true, "userAssignedIdentities": [entry] });
    put(world, &path, found);
    until("AKS has assigned the identity", || {
        let found = world.arm("GET", &path, None).ok();
        let entry = &found["properties"]["podIdentityProfile"]["userAssignedIdentities"][0];
        (entry["provisioningState"] == "Assigned").then_some(())
    });
}

#[test]
fn the_pod_identity_add_on_is_imported() {
    let world = World::served();
    vault(&world, "kv-import-addon");
    world.kubectl_apply(CONTEXT, &[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } })]);
    let identity = identity(&world, "web-addon");
    addon(&world, &identity);
    assign(&world, &world.vault_id("kv-import-addon"), SECRETS_USER, &identity["properties"]["principalId"]);
    let pod = json!({ "metadata": { "labels": { "aadpodidbinding": "web-pods" } }, "spec": {} });
    mounted(&world, "kv-import-addon", json!({ "usePodIdentity": "true" }), pod);
    let (spec, _) = round_trip(&world, CONTEXT, &["-n", "shop"]);
    for part in ["mode: pod-identity-addon", "selector: web-pods", "azureIdentity: web-id"] {
        assert!(spec.contains(part), "{part}:\n{spec}");
    }
}
