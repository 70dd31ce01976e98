//! Each object of the labs is changed or deleted by hand: `plan` reports it, `up` repairs it with what depends on it, and writes nothing else.

use crate::common::{
    World,
    both::Side,
    same,
    specs::{CLASSES, IDENTITIES, LAB_000, LAB_004, NAMESPACES, context_of},
    until,
};
use serde_json::{Value, json};

const ROLES: &str = "/providers/Microsoft.Authorization/roleAssignments";
const ROLES_VERSION: &str = "?api-version=2022-04-01";
const VAULTS_VERSION: &str = "?api-version=2023-07-01";

struct Lab {
    world: World,
    spec: &'static str,
    context: &'static str,
    namespace: &'static str,
    identity: &'static str,
    vault: &'static str,
    secret: &'static str,
    azure_identity: &'static str,
    binding: &'static str,
    class: &'static str,
}

impl Lab {
    fn of(spec: &'static str, world: World) -> Self {
        if spec == LAB_004 {
            return Self {
                world,
                spec,
                context: "aks-mi",
                namespace: "default",
                identity: "aks2kvIdentity",
                vault: "myk8skv",
                secret: "ExamplePassword",
                azure_identity: "aks-kv-identity",
                binding: "azure-pod-identity-binding",
                class: "spc-myk8skv",
            };
        }
        Self {
            world,
            spec,
            context: "aks-sp",
            namespace: "dev-claims-podid",
            identity: "claims-api-mid",
            vault: "claims-api-kv",
            secret: "sqldbconn",
            azure_identity: "claims-api-podid",
            binding: "claims-api-podid-binding",
            class: "claims-api",
        }
    }

    /// Checks that the plan reports the change, that `up` does these writes and no others, and that nothing is left to do.
    #[track_caller]
    fn repaired(&self, what: &str, writes: &[&str]) {
        self.repaired_with(what, None, writes);
    }

    /// Like `mended`; without the flag, `up` is refused with the name of the flag, and writes nothing.
    #[track_caller]
    fn repaired_with(&self, what: &str, flag: Option<&str>, writes: &[&str]) {
        println!("{}: {what}", self.spec);
        let world = &self.world;
        world.plan(self.spec).exits(3);
        if let Some(flag) = flag {
            let mark = world.mark();
            world.up(self.spec, &[]).exits(4).says(flag);
            assert_eq!(world.writes_since(mark), Vec::<String>::new(), "{what}, refused");
        }
        let mark = world.mark();
        let flags: Vec<&str> = flag.into_iter().collect();
        let up = world.up(self.spec, &flags).ok();
        assert_eq!(world.writes_since(mark), writes, "{what}\n{}", up.stderr);
        world.plan(self.spec).ok();
    }

    fn remove_role(&self, scope: &str, role: &str) {
        let all = self.world.assignments(scope);
        let definition = if role.len() == 36 { role } else { panic!("{role}") };
        let mut gone = 0;
        for found in all.iter().filter(|a| a["properties"]["roleDefinitionId"].as_str().unwrap().ends_with(definition)) {
            let ours = found["properties"]["description"].as_str().is_some_and(|d| d.contains("managed-by=podid"));
            if ours {
                let path = format!("{scope}{ROLES}/{}{ROLES_VERSION}", found["name"].as_str().unwrap());
                self.world.arm("DELETE", &path, None).ok();
                gone += 1;
            }
        }
        assert_eq!(gone, 1, "{role} at {scope}: {all:#?}");
    }

    /// Returns the resource group of the cluster's nodes; a cluster that stands in has its own.
    fn node_group(&self) -> String {
        let path = format!(
            "{}/providers/Microsoft.ContainerService/managedClusters/{}?api-version=2024-09-01",
            self.world.group_id(),
            self.context
        );
        self.world.arm("GET", &path, None).ok()["properties"]["nodeResourceGroup"].as_str().unwrap().to_owned()
    }

    /// Changes a policy of this object id, through Azure's own API.
    fn policy(&self, how: &str, object_id: &str, permissions: &[&str]) {
        let path = format!("{}/accessPolicies/{how}{VAULTS_VERSION}", self.world.vault_id(self.vault));
        let tenant = &self.world.environment().into_iter().find(|(n, _)| n == "AZURE_TENANT_ID").unwrap().1;
        let entry = json!({ "tenantId": tenant, "objectId": object_id, "permissions": { "secrets": permissions } });
        self.world.arm("PUT", &path, Some(json!({ "properties": { "accessPolicies": [entry] } }))).ok();
    }

    fn published(&self, key: &str, field: &str) -> String {
        let app = self.spec.replace(".yaml", "");
        let app = if app == "rbac" { "lab-000".to_owned() } else { format!("lab-{app}") };
        self.world.podid(&["output", "--app", &app, key, field]).ok().stdout.trim_end().to_owned()
    }

    fn object(&self, api: &str, kind: &str, name: &str) -> String {
        format!("{api}/{}/{kind}/{name}", self.namespace)
    }

    fn patch(&self, api: &str, kind: &str, name: &str, body: Value) {
        self.world.kube("PATCH", self.context, &self.object(api, kind, name), Some(body)).ok();
    }

    fn delete(&self, api: &str, kind: &str, name: &str) {
        self.world.kube("DELETE", self.context, &self.object(api, kind, name), None).ok();
    }
}

const OPERATOR: &str = "f1a07417-d97a-45cb-824c-7a7467783830";
const CONTRIBUTOR: &str = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn kubernetes(lab: &Lab) {
    let (api, kind, name) = (IDENTITIES, "azureidentities", lab.azure_identity);
    let written = format!("PATCH {kind}/{name}");
    lab.patch(api, kind, name, json!({ "spec": { "clientID": "11111111-2222-3333-4444-555555555555" } }));
    lab.repaired_with("the AzureIdentity names another client", Some("--force-conflicts"), &[&written]);
    lab.delete(api, kind, name);
    lab.repaired("the AzureIdentity is gone", &[&written]);
    lab.patch(api, kind, name, json!({ "metadata": { "annotations": { "aadpodidentity.k8s.io/Behavior": null } } }));
    lab.repaired("the AzureIdentity is not namespaced any more", &[&written]);

    let (kind, name) = ("azureidentitybindings", lab.binding);
    let written = format!("PATCH {kind}/{name}");
    lab.patch(api, kind, name, json!({ "spec": { "selector": "another" } }));
    lab.repaired_with("the binding selects others", Some("--force-conflicts"), &[&written]);
    lab.delete(api, kind, name);
    lab.repaired("the binding is gone", &[&written]);

    let (api, kind, name) = (CLASSES, "secretproviderclasses", lab.class);
    let written = format!("PATCH {kind}/{name}");
    lab.patch(api, kind, name, json!({ "spec": { "parameters": { "keyvaultName": "another" } } }));
    lab.repaired_with("the SecretProviderClass names another vault", Some("--force-conflicts"), &[&written]);
    lab.patch(api, kind, name, json!({ "spec": { "parameters": { "objects": null } } }));
    lab.repaired("the SecretProviderClass names no objects", &[&written]);
    lab.delete(api, kind, name);
    lab.repaired("the SecretProviderClass is gone", &[&written]);
}

fn secret(lab: &Lab) {
    let path = format!("/secrets/{}", lab.secret);
    let written = format!("PUT secrets/{}", lab.secret);
    lab.world.vault("PUT", lab.vault, &path, Some(json!({ "value": "by hand", "tags": { "managed-by": "podid" } }))).ok();
    lab.repaired("the secret has another value", &[&written]);

    let current = lab.world.vault("GET", lab.vault, &path, None).ok();
    let version = current["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let tags = format!("{path}/{version}");
    lab.world.vault("PATCH", lab.vault, &tags, Some(json!({ "tags": { "colour": "blue" } }))).ok();
    lab.repaired("the secret's tags are gone", &[&format!("PATCH secrets/{}", lab.secret)]);
    let tags = lab.world.vault("GET", lab.vault, &path, None).ok()["tags"].clone();
    assert_eq!(tags["colour"], "blue", "tags of others stay");
    lab.world
        .vault(
            "PATCH",
            lab.vault,
            &format!("{path}/{version}"),
            Some(json!({ "tags": { "managed-by": "podid", "podid-app": tags["podid-app"] } })),
        )
        .ok();

    lab.world.vault("DELETE", lab.vault, &path, None).ok();
    let recovered = format!("POST {}/recover", lab.secret);
    lab.repaired_with("the secret is deleted", Some("--recover"), &[&recovered]);
}

fn roles(lab: &Lab, reader_scope: &str) {
    let identity = lab.world.identity_id(lab.identity);
    lab.remove_role(&identity, OPERATOR);
    lab.repaired("MIC may not use the identity", &[&format!("PUT roleAssignments at {}", lab.identity)]);
    let nodes = lab.node_group();
    lab.remove_role(&format!("/subscriptions/{}/resourceGroups/{nodes}", lab.world.subscription()), CONTRIBUTOR);
    lab.repaired("MIC may not change the nodes", &[&format!("PUT roleAssignments at {nodes}")]);
    lab.remove_role(reader_scope, READER);
    let last = reader_scope.rsplit('/').next().unwrap();
    lab.repaired("the identity is no Reader", &[&format!("PUT roleAssignments at {last}")]);
}

fn policies(lab: &Lab) {
    let added = format!("PUT {}/accessPolicies/add", lab.vault);
    let principal = lab.published(&format!("identity/{}", lab.identity), "principal_id");
    lab.policy("replace", &principal, &["list"]);
    lab.repaired("the grant has another permission", &[&added]);
    // A permission that somebody added by hand stays.
    lab.policy("replace", &principal, &["get"]);
    lab.world.plan(lab.spec).ok();
    lab.policy("remove", &principal, &["get"]);
    lab.repaired("the grant is gone", &[&added]);
    let caller = lab.published("caller", "object_id");
    lab.policy("remove", &caller, &["get"]);
    lab.repaired("podid's own grant is gone", &[&added]);
}

fn rights_by_role(lab: &Lab) {
    let vault = lab.world.vault_id(lab.vault);
    let written = format!("PUT roleAssignments at {}", lab.vault);
    lab.remove_role(&vault, "4633458b-17de-408a-b874-0445c86b69e6");
    lab.repaired("the identity is no Key Vault Secrets User", &[&written]);
    lab.remove_role(&vault, "b86a8fe4-44ce-4948-aee5-eccb2c155cd7");
    lab.repaired("podid is no Key Vault Secrets Officer", &[&written]);
}

fn tags(lab: &Lab) {
    let identity = format!("{}?api-version=2023-01-31", lab.world.identity_id(lab.identity));
    lab.world.arm("PATCH", &identity, Some(json!({ "tags": { "managed-by": "another" } }))).ok();
    lab.repaired("the identity's tags are gone", &[&format!("PUT userAssignedIdentities/{}", lab.identity)]);
    let vault = format!("{}{VAULTS_VERSION}", lab.world.vault_id(lab.vault));
    lab.world.arm("PATCH", &vault, Some(json!({ "tags": {} }))).ok();
    lab.repaired("the vault's tags are gone", &[&format!("PATCH vaults/{}", lab.vault)]);
}

fn lab_000_is_repaired(side: Side) {
    let lab = Lab::of(LAB_000, World::on(side, "aks-sp"));
    let world = &lab.world;
    let before = world.export();
    world.up(lab.spec, &[]).ok();
    let made = world.export();
    kubernetes(&lab);
    let namespace = format!("{NAMESPACES}/{}", lab.namespace);
    world.kube("DELETE", lab.context, &namespace, None).ok();
    until("the namespace is gone", || (world.kube("GET", lab.context, &namespace, None).status == 404).then_some(()));
    let all = [
        format!("PATCH azureidentities/{}", lab.azure_identity),
        format!("PATCH azureidentitybindings/{}", lab.binding),
        format!("PATCH namespaces/{}", lab.namespace),
        format!("PATCH secretproviderclasses/{}", lab.class),
    ];
    lab.repaired("the namespace is gone", &all.each_ref().map(String::as_str));
    roles(&lab, &world.vault_id(lab.vault));
    policies(&lab);
    secret(&lab);
    tags(&lab);
    same("after all was mended", &made, &world.export());
    world.down(lab.spec, &["--delete-data", lab.vault]).ok();
    world.collected(lab.context);
    same("after `down`", &before, &world.export());
}

fn lab_004_is_repaired(side: Side) {
    let lab = Lab::of(LAB_004, World::on(side, "aks-mi"));
    let world = &lab.world;
    let before = world.export();
    world.up(lab.spec, &[]).ok();
    let made = world.export();
    kubernetes(&lab);
    roles(&lab, &format!("/subscriptions/{}", world.subscription()));
    policies(&lab);
    secret(&lab);
    tags(&lab);
    same("after all was mended", &made, &world.export());
    world.down(lab.spec, &["--delete-data", lab.vault]).ok();
    world.collected(lab.context);
    same("after `down`", &before, &world.export());
}

both! {
    lab_000_is_mended_piece_by_piece_and_then_goes_without_a_trace, lab_000_is_repaired;
    lab_004_is_mended_piece_by_piece_and_then_goes_without_a_trace, lab_004_is_repaired
}

#[test]
fn a_vault_with_roles_is_repaired_and_deleted_completely() {
    let world = World::served();
    let spec = world.with_rbac(LAB_000);
    let lab = Lab::of(spec, world);
    let world = &lab.world;
    let before = world.export();
    let up = world.up(lab.spec, &["--verify"]).ok();
    assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    let made = world.export();
    rights_by_role(&lab);
    secret(&lab);
    same("after all was mended", &made, &world.export());
    world.down(lab.spec, &["--delete-data", lab.vault]).ok();
    world.collected(lab.context);
    same("after `down`", &before, &world.export());
}

/// What is still in the namespace counts as deleted, and is created again with it.
fn a_namespace_is_terminating(side: Side) {
    let lab = Lab::of(LAB_000, World::on(side, "aks-sp"));
    let world = &lab.world;
    world.up(lab.spec, &[]).ok();
    let made = world.export();
    // A finalizer holds it until podid has seen it.
    let path = lab.object(IDENTITIES, "azureidentities", lab.azure_identity);
    let finalizers = |list: Value| world.kube("PATCH", lab.context, &path, Some(json!({ "metadata": { "finalizers": list } })));
    finalizers(json!(["podid.test/held"])).ok();
    world.kube("DELETE", lab.context, &format!("{NAMESPACES}/{}", lab.namespace), None).ok();
    let up = world.start(&["up", "--yes", "-f", lab.spec, "--events", "events.jsonl"]);
    until("podid waits for the namespace to go", || {
        let events = std::fs::read_to_string(world.path("events.jsonl")).ok()?;
        events.lines().any(|line| line.contains("\"started\"") && line.contains("namespace/")).then_some(())
    });
    finalizers(Value::Null).ok();
    up.wait().ok();
    world.plan(lab.spec).ok();
    same("after it went and came again", &made, &world.export());
}

both! { a_terminating_namespace_is_created_again_with_its_content, a_namespace_is_terminating }

/// A new identity has new ids, so everything that refers to them is created again.
fn the_identity_is_deleted(side: Side, spec: &'static str, more: &[&str]) {
    let lab = Lab::of(spec, World::on(side, context_of(spec)));
    let world = &lab.world;
    let before = world.export();
    world.up(lab.spec, &[]).ok();
    world.arm("DELETE", &format!("{}?api-version=2023-01-31", world.identity_id(lab.identity)), None).ok();
    let mut writes = vec![
        format!("PATCH azureidentities/{}", lab.azure_identity),
        format!("PUT {}/accessPolicies/add", lab.vault),
        format!("PUT {}/accessPolicies/remove", lab.vault),
        format!("PUT roleAssignments at {}", lab.identity),
        format!("PUT userAssignedIdentities/{}", lab.identity),
    ];
    writes.extend(more.iter().map(|w| (*w).to_owned()));
    if spec == LAB_004 {
        let scope = world.subscription();
        writes.extend([format!("PUT roleAssignments at {scope}"), format!("DELETE roleAssignments at {scope}")]);
    }
    writes.sort();
    lab.repaired("the identity is gone", &writes.iter().map(String::as_str).collect::<Vec<_>>());
    world.podid(&["verify", "-f", lab.spec]).ok().says("proved ");
    world.down(lab.spec, &["--delete-data", lab.vault]).ok();
    world.collected(lab.context);
    same("after `down`", &before, &world.export());
}

both! {
    lab_000_gets_a_new_identity_with_all_references,
        |side| the_identity_is_deleted(side, LAB_000, &["DELETE roleAssignments at claims-api-kv", "PUT roleAssignments at claims-api-kv"]);
    lab_004_gets_a_new_identity_and_all_that_names_it, |side| the_identity_is_deleted(side, LAB_004, &[])
}

/// A recovered vault has its policies and secrets, so writing the policies changes nothing; assignments at a deleted resource are deleted.
#[test]
fn a_deleted_vault_is_recovered_with_its_content() {
    for (spec, more) in [(LAB_000, vec!["PUT roleAssignments at claims-api-kv"]), (LAB_004, vec![])] {
        let lab = Lab::of(spec, World::served());
        let world = &lab.world;
        let before = world.export();
        world.up(lab.spec, &[]).ok();
        let made = world.export();
        world.arm("DELETE", &format!("{}{VAULTS_VERSION}", world.vault_id(lab.vault)), None).ok();
        let vault = format!("PUT vaults/{}", lab.vault);
        let policy = format!("PUT {}/accessPolicies/add", lab.vault);
        let mut writes = more;
        writes.extend([policy.as_str(), &policy, &vault]);
        writes.sort_unstable();
        lab.repaired_with("the vault is deleted", Some("--recover"), &writes);
        same("after the vault was recovered", &made, &world.export());
        world.down(lab.spec, &["--delete-data", lab.vault]).ok();
        same("after `down`", &before, &world.export());
    }
}

/// Returns a recorded value of a resource, made wrong.
fn wrong_value(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("uri", _) => json!("https://stale.vault.azure.net/"),
        ("hosts", _) => json!(["stale.azmk8s.io"]),
        ("model", _) => json!("rbac"),
        ("id" | "node_group", Value::String(id)) => json!(format!("{id}-stale")),
        (_, Value::String(_)) => json!("00000000-0000-4000-8000-00000000057a"),
        _ => value.clone(),
    }
}

#[test]
fn a_stale_record_changes_no_plan_and_receives_no_token() {
    const KINDS: [&str; 5] = ["caller", "cluster", "group", "identity", "vault"];
    for spec in [LAB_000, LAB_004] {
        let world = World::served();
        world.up(spec, &[]).ok();
        let good = world.read(".podid/state.json");
        for wrong in KINDS {
            let mut state: Value = serde_json::from_str(&good).unwrap();
            let mut count = 0;
            for entry in state["entries"].as_array_mut().unwrap().iter_mut().filter(|e| e["kind"] == wrong) {
                for (name, value) in entry["outputs"].as_object_mut().unwrap() {
                    *value = wrong_value(name, value);
                    count += 1;
                }
            }
            assert!(count > 1, "{wrong}");
            world.write(".podid/state.json", &state.to_string());
            let mark = world.mark();
            world.plan(spec).ok();
            let asked = world.since(mark);
            assert!(asked.len() >= 17, "{spec}, {wrong}: {} requests only", asked.len());
            assert!(asked.iter().all(|l| !l.host.starts_with("stale")), "{spec}, {wrong}: {asked:?}");
        }
        // `up` records the current values.
        world.up(spec, &[]).ok().says("nothing to do");
        let outputs = |text: &str| -> Vec<Value> {
            let state: Value = serde_json::from_str(text).unwrap();
            state["entries"].as_array().unwrap().iter().map(|e| e["outputs"].clone()).collect()
        };
        assert_eq!(outputs(&world.read(".podid/state.json")), outputs(&good), "{spec}");
    }
}
