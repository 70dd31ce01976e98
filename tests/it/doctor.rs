//! `podid doctor`: single faults are planted behind podid's back, it names exactly that link, and the command that it prints mends it. Sound
//! chains have no error. workload_id.rs asks it at each of its own faults.

mod access;
pub mod delivered;
mod real;
mod sides;
mod whole;

use crate::common::{
    World,
    doctor::{errors, misses, run_fix},
    until,
};
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const VAULT: &str = "kv-shop-doctor";
pub const BASE: &str = "/apis/aadpodidentity.k8s.io/v1/namespaces/shop";
const CLASS: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/web";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
pub const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-doctor, model: access-policy, secrets: [{name: conn, value: {file: conn.txt}}]}
workloads:
  - {name: web, namespace: shop, identity: {name: shop-mid}, secrets: [{name: conn, alias: conn.txt}], app: {image: 'nginx:1.29'}}
";

pub fn made() -> World {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    world
}

pub fn edited(world: &World, path: &str, patch: Value) {
    world.kube("PATCH", CONTEXT, path, Some(patch)).ok();
}

fn deleted(world: &World, path: &str) {
    world.kube("DELETE", CONTEXT, path, None).ok();
    until("it is gone", || (world.kube("GET", CONTEXT, path, None).status == 404).then_some(()));
}

fn role(world: &World, role: &str) {
    let all = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", world.subscription());
    let found = world.arm("GET", &all, None).ok();
    let is = |one: &&Value| one["properties"]["roleDefinitionId"].as_str().unwrap().ends_with(role);
    let id = found["value"].as_array().unwrap().iter().find(is).unwrap()["id"].as_str().unwrap().to_owned();
    world.arm("DELETE", &format!("{id}?api-version=2022-04-01"), None).ok();
}

fn secret(world: &World, attributes: Value) {
    world.vault("PATCH", VAULT, "/secrets/conn", Some(json!({ "attributes": attributes }))).ok();
}

fn policies(world: &World, permissions: &[&str]) {
    let vault = format!("{}?api-version=2023-07-01", world.vault_id(VAULT));
    let mut found = world.arm("GET", &vault, None).ok();
    let principal =
        world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id("shop-mid")), None).ok()["properties"]["principalId"]
            .clone();
    let all = found["properties"]["accessPolicies"].as_array_mut().unwrap();
    all.retain_mut(|one| {
        if one["objectId"] != principal {
            return true;
        }
        one["permissions"]["secrets"] = json!(permissions);
        !permissions.is_empty()
    });
    world.arm("PUT", &vault, Some(found)).ok();
}

/// Makes the identity's policy one that Key Vault does not count.
fn foreign_policy(world: &World, field: &str) {
    let vault = format!("{}?api-version=2023-07-01", world.vault_id(VAULT));
    let mut found = world.arm("GET", &vault, None).ok();
    let principal = world.arm("GET", &identity(world), None).ok()["properties"]["principalId"].clone();
    let tenant = found["properties"]["tenantId"].clone();
    let counts = |one: &&mut Value| one["objectId"] == principal && one["tenantId"] == tenant && one["applicationId"].is_null();
    let own = found["properties"]["accessPolicies"].as_array_mut().unwrap().iter_mut().find(counts);
    own.unwrap()[field] = json!("00000000-0000-4000-8000-00000000c0de");
    world.arm("PUT", &vault, Some(found)).ok();
}

fn identity(world: &World) -> String {
    format!("{}?api-version=2023-01-31", world.identity_id("shop-mid"))
}

pub struct Fault {
    pub name: &'static str,
    pub plant: fn(&World),
    link: &'static str,
    code: &'static str,
    says: &'static str,
    /// Undoes what no command of podid does.
    pub mend: Option<fn(&World)>,
}

fn fault(name: &'static str, link: &'static str, code: &'static str, says: &'static str, plant: fn(&World)) -> Fault {
    Fault { name, plant, link, code, says, mend: None }
}

pub fn faults() -> Vec<Fault> {
    vec![
        fault("class of another mode", "class", "PODID8010", "usePodIdentity", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "usePodIdentity": "false" } } }));
        }),
        fault("class of another vault", "class", "PODID8010", "keyvaultName", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "keyvaultName": "kv-nowhere-x1" } } }));
        }),
        fault("class without objects", "class", "PODID8013", "objects", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "objects": null } } }));
        }),
        fault("class deleted", "class", "PODID8012", "does not exist", |w| deleted(w, CLASS)),
        fault("binding deleted", "binding", "PODID3003", "AzureIdentityBinding", |w| {
            deleted(w, &format!("{BASE}/azureidentitybindings/shop-mid-binding"))
        }),
        fault("binding of another selector", "binding", "PODID3003", "selector", |w| {
            edited(w, &format!("{BASE}/azureidentitybindings/shop-mid-binding"), json!({ "spec": { "selector": "other" } }));
        }),
        fault("binding of another AzureIdentity", "binding", "PODID3003", "azureIdentity", |w| {
            edited(w, &format!("{BASE}/azureidentitybindings/shop-mid-binding"), json!({ "spec": { "azureIdentity": "other" } }));
        }),
        fault("AzureIdentity deleted", "azure-identity", "PODID3001", "AzureIdentity", |w| {
            deleted(w, &format!("{BASE}/azureidentities/shop-mid"))
        }),
        fault("AzureIdentity of another client id", "azure-identity", "PODID3001", "clientID", |w| {
            edited(
                w,
                &format!("{BASE}/azureidentities/shop-mid"),
                json!({ "spec": { "clientID": "00000000-0000-0000-0000-000000000001" } }),
            );
        }),
        fault("AzureIdentity of no identity", "azure-identity", "PODID3001", "resourceID", |w| {
            edited(w, &format!("{BASE}/azureidentities/shop-mid"), json!({ "spec": { "resourceID": "/subscriptions/x/shop-mid" } }));
        }),
        fault("operator role missing", "role", "PODID5010", "Managed Identity Operator", |w| {
            role(w, "f1a07417-d97a-45cb-824c-7a7467783830")
        }),
        fault("contributor role missing", "role", "PODID5010", "Virtual Machine Contributor", |w| {
            role(w, "9980e02c-c2be-4d73-94e8-173b1dc7cf3c")
        }),
        fault("identity deleted", "identity", "PODID5001", "does not exist", |w| {
            w.arm("DELETE", &identity(w), None).ok();
        }),
        fault("identity deleted and made again", "identity", "PODID5002", "made again", |w| {
            w.arm("DELETE", &identity(w), None).ok();
            w.arm("PUT", &identity(w), Some(json!({ "location": "westeurope" }))).ok();
        }),
        fault("policy missing", "grant", "PODID6001", "is missing", |w| policies(w, &[])),
        fault("policy of another tenant", "grant", "PODID6001", "is for the tenant 00000000-0000-4000-8000-00000000c0de", |w| {
            foreign_policy(w, "tenantId");
        }),
        fault("policy for an application", "grant", "PODID6001", "through the application 00000000-0000-4000-8000-00000000c0de", |w| {
            foreign_policy(w, "applicationId");
        }),
        fault("policy without get", "grant", "PODID6001", "lacks the permission `get`", |w| policies(w, &["list"])),
        Fault {
            mend: Some(|w| secret(w, json!({ "enabled": true }))),
            ..fault("secret disabled", "secret", "PODID8002", "is disabled", |w| secret(w, json!({ "enabled": false })))
        },
        fault("secret missing", "secret", "PODID8001", "was deleted", |w| {
            w.vault("DELETE", VAULT, "/secrets/conn", None).ok();
            until("the secret is gone", || (w.vault("GET", VAULT, "/secrets/conn", None).status == 404).then_some(()));
        }),
        fault("label missing in the template", "pod", "PODID2003", "has no label aadpodidbinding", |w| {
            edited(w, DEPLOYMENT, json!({ "spec": { "template": { "metadata": { "labels": { "aadpodidbinding": null } } } } }));
        }),
        fault("another label in the template", "pod", "PODID2003", "has the label aadpodidbinding", |w| {
            edited(w, DEPLOYMENT, json!({ "spec": { "template": { "metadata": { "labels": { "aadpodidbinding": "other" } } } } }));
        }),
        Fault {
            mend: Some(|w| {
                edited(w, MIC, json!({ "spec": { "replicas": 2 } }));
                ready(w, MIC, "availableReplicas");
            }),
            ..fault("MIC scaled to zero", "assignment", "PODID1112", "scaled to zero", |w| {
                edited(w, MIC, json!({ "spec": { "replicas": 0 } }));
                until("MIC is gone", || {
                    (w.kube("GET", CONTEXT, MIC, None).ok()["status"]["availableReplicas"].as_u64().unwrap_or_default() == 0).then_some(())
                });
            })
        },
        Fault {
            mend: Some(|w| {
                edited(w, NMI, json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": null } } } } }));
                ready(w, NMI, "numberReady");
            }),
            ..fault("NMI on no node", "token", "PODID1110", "NMI is meant for no node", |w| {
                edited(w, NMI, json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": "ssd" } } } } }));
                until("NMI is gone", || {
                    (w.kube("GET", CONTEXT, NMI, None).ok()["status"]["numberReady"].as_u64().unwrap_or_default() == 0).then_some(())
                });
            })
        },
        Fault {
            mend: Some(|w| {
                w.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/pods", None).ok();
                back_on_scale_set(w);
            }),
            ..fault("identity lost from the scale set", "token", "PODID4003", "has lost the identity", |w| {
                let id = w.identity_id("shop-mid");
                let lost = json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": { id: null } } });
                w.arm("PATCH", &format!("{}?api-version=2024-07-01", scale_set(w)["id"].as_str().unwrap()), Some(lost)).ok();
            })
        },
    ]
}

fn scale_set(world: &World) -> Value {
    let nodes = format!("/subscriptions/{}/resourceGroups/MC_podid-lab_aks-mi_westeurope", world.subscription());
    let sets = format!("{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01");
    world.arm("GET", &sets, None).ok()["value"][0].clone()
}

pub fn back_on_scale_set(world: &World) {
    until("the identity is back", || {
        let all = scale_set(world)["identity"]["userAssignedIdentities"].as_object().cloned().unwrap_or_default();
        all.keys().any(|id| id.to_lowercase().ends_with("/shop-mid")).then_some(())
    });
}

pub const NMI: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/aad-pod-identity-nmi";
pub const MIC: &str = "/apis/apps/v1/namespaces/kube-system/deployments/aad-pod-identity-mic";

pub fn ready(world: &World, path: &str, field: &str) {
    until("it is ready", || (world.kube("GET", CONTEXT, path, None).ok()["status"][field].as_u64().unwrap_or_default() > 0).then_some(()));
}

/// After a fault is mended, the pods are as new ones.
pub fn settle(world: &World) {
    has_one_of_each(world, &["replicas", "readyReplicas", "updatedReplicas"]);
}

fn has_one_of_each(world: &World, counts: &[&str]) {
    until("the app's pods are those of its template", || {
        let found = world.kube("GET", CONTEXT, DEPLOYMENT, None).ok();
        let is_seen = found["status"]["observedGeneration"].as_u64() >= found["metadata"]["generation"].as_u64();
        (is_seen && counts.iter().all(|count| found["status"][count] == 1)).then_some(())
    });
}

#[test]
fn each_fault_of_pod_identity_is_named_and_mended_by_the_command_that_is_printed() {
    let world = made();
    each(&world, faults(), settle);
}

/// Plants each fault alone, and runs the command that is printed, as it is printed.
fn each(world: &World, faults: Vec<Fault>, settle: fn(&World)) {
    assert_eq!(errors(world, &[]), Vec::<Value>::new(), "a sound chain");
    let (mut wrong, all) = (Vec::new(), faults.len());
    for Fault { name, plant, link, code, says, mend } in faults {
        plant(world);
        let miss = misses(world, link, says);
        let found = errors(world, &[]);
        let first = found.first().cloned().unwrap_or_default();
        if let Some(miss) = miss {
            wrong.push(format!("{name}: {miss}"));
        } else if first["code"] != code {
            wrong.push(format!("{name}: wanted {code}\n{first:#}"));
        }
        // what podid prints mends; `mend` does what components do by themselves then, or what is nobody's command
        match (run_fix(world, &first), mend) {
            (Some(fixed), _) if fixed.code != Some(0) => {
                wrong.push(format!("{name}: the command of the finding\n{fixed:?}\n{first:#}"));
                world.podid(&["up", "--yes", "--adopt", "--force-conflicts", "--recover"]);
            }
            (_, Some(mend)) => mend(world),
            (Some(_), None) => {}
            (None, None) => wrong.push(format!("{name}: no command is printed\n{first:#}")),
        }
        settle(world);
        let left = errors(world, &[]);
        if !left.is_empty() {
            wrong.push(format!("{name}: it is not mended\n{}", serde_json::to_string_pretty(&left).unwrap()));
            world.podid(&["up", "--yes", "--adopt", "--force-conflicts", "--recover"]);
        }
    }
    assert!(wrong.is_empty(), "{} of {all}:\n{}", wrong.len(), wrong.join("\n\n"));
}

fn addon(world: &World, change: fn(&mut Value)) {
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2025-08-01", world.group_id());
    let mut cluster = world.arm("GET", &id, None).ok();
    change(&mut cluster["properties"]["podIdentityProfile"]);
    world.arm("PUT", &id, Some(cluster)).ok();
}

pub fn with_addon() -> World {
    // a lab's cluster has a NMI of its own, which would answer beside that of the add-on
    let mut world = World::new();
    world.serve_with(&["--bare"]);
    world.write(
        "podid.yaml",
        &SPEC
            .replace("namespace: shop,", "namespace: shop, mode: pod-identity-addon,")
            .replace(", app: {image: 'nginx:1.29'}", "")
            .replace("cluster: {name: aks-mi}", "cluster: {name: aks-mi, components: [csi]}"),
    );
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    world
}

pub fn of_addon() -> Vec<Fault> {
    vec![
        fault("entry deleted", "pod-identity", "PODID3009", "entry", |w| addon(w, |profile| profile["userAssignedIdentities"] = json!([]))),
        fault("add-on off", "addon", "PODID1141", "is off", |w| {
            addon(w, |profile| *profile = json!({ "enabled": false }));
        }),
        fault("operator role missing", "role", "PODID5010", "Managed Identity Operator", |w| {
            role(w, "f1a07417-d97a-45cb-824c-7a7467783830")
        }),
        fault("policy missing", "grant", "PODID6001", "is missing", |w| policies(w, &[])),
    ]
}

#[test]
fn each_fault_of_the_add_on_is_named_and_mended_by_the_command_that_is_printed() {
    each(&with_addon(), of_addon(), |_| {});
}

fn template(world: &World, change: fn(&mut Value)) {
    let mut found = world.kube("GET", CONTEXT, DEPLOYMENT, None).ok();
    change(&mut found["spec"]["template"]);
    world.kube("PUT", CONTEXT, DEPLOYMENT, Some(found)).ok();
    // the pod of a wrong template never becomes ready, and the old one stays
    has_one_of_each(world, &["readyReplicas", "updatedReplicas"]);
}

const WEBHOOK: &str = "/apis/apps/v1/namespaces/kube-system/deployments/azure-wi-webhook-controller-manager";

/// What a proof's pod does not show: the app's own template, and pods that cannot be made.
#[test]
fn each_fault_of_an_apps_own_pods_is_named_with_workload_id() {
    let world = World::served();
    let spec = SPEC.replace("namespace: shop,", "namespace: shop, mode: workload-identity, serviceAccount: {name: web},");
    world.write("podid.yaml", &spec.replace("cluster: {name: aks-mi}", "cluster: {name: aks-mi, components: [workload-identity]}"));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    let own_id = |world: &World| drop(world.podid(&["up", "--yes", "--force-conflicts"]).ok());
    let faults = vec![
        fault("label missing", "pod", "PODID2003", "has no label azure.workload.identity/use", |w| {
            template(w, |template| drop(template["metadata"]["labels"].as_object_mut().unwrap().remove("azure.workload.identity/use")));
        }),
        fault("another service account", "pod", "PODID2003", "runs as the service account default", |w| {
            template(w, |template| {
                template["spec"]["serviceAccountName"] = json!("default");
                template["spec"]["serviceAccount"] = json!("default");
            });
        }),
        Fault {
            mend: Some(|w| template(w, |template| template["spec"]["containers"][0]["env"] = json!([]))),
            ..fault("client id of old", "mutation", "PODID2006", "names another identity", |w| {
                let old = json!([{ "name": "AZURE_CLIENT_ID", "value": "00000000-1111-2222-3333-444444444444" }]);
                template(w, |template| template["spec"]["containers"][0]["env"] = json!([]));
                let mut found = w.kube("GET", CONTEXT, DEPLOYMENT, None).ok();
                found["spec"]["template"]["spec"]["containers"][0]["env"] = old;
                w.kube("PUT", CONTEXT, DEPLOYMENT, Some(found)).ok();
                settle(w);
            })
        },
        Fault {
            mend: Some(|w| {
                edited(w, WEBHOOK, json!({ "spec": { "replicas": 2 } }));
                ready(w, WEBHOOK, "readyReplicas");
            }),
            ..fault("webhook without pods", "webhook", "PODID1102", "no pod of the webhook", |w| {
                edited(w, WEBHOOK, json!({ "spec": { "replicas": 0 } }));
                until("the webhook is gone", || {
                    let found = w.kube("GET", CONTEXT, WEBHOOK, None).ok();
                    (found["status"]["readyReplicas"].as_u64().unwrap_or_default() == 0).then_some(())
                });
                // a new pod is refused
                w.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/pods", None).ok();
            })
        },
    ];
    each(&world, faults, settle);
    own_id(&world);
    // the label of the former mode is a warning
    template(&world, |template| template["metadata"]["labels"]["aadpodidbinding"] = json!("old"));
    let warned = world.podid(&["doctor", "-o", "json"]).ok().json();
    let former = warned["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "PODID2011");
    assert!(former.is_some_and(|finding| finding["severity"] == "warning"), "{warned:#}");
}

/// The same workload without any state: it is found in the cluster, and its chain is read off the objects.
#[test]
fn a_workload_that_nobody_told_podid_of_is_examined_too() {
    let world = made();
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    std::fs::rename(world.path("podid.yaml"), world.path("shop.yaml")).unwrap();
    let all = ["-A"];
    assert_eq!(errors(&world, &all), Vec::<Value>::new(), "a sound chain");
    let named = |words: &[&str], link: &str, says: &str| {
        let found = errors(&world, words);
        let first = found.first().unwrap_or_else(|| panic!("{link}: nothing is found"));
        assert_eq!((&first["link"], &first["resource"]), (&json!(link), &json!("deployment/shop/web")), "{found:#?}");
        assert!(first["title"].as_str().unwrap().contains(says), "{first:#}");
        assert_eq!(found.len(), 1, "{found:#?}");
    };
    let binding = format!("{BASE}/azureidentitybindings/shop-mid-binding");
    edited(&world, &binding, json!({ "spec": { "selector": "other" } }));
    named(&["deployment/web", "-n", "shop"], "binding", "has the selector shop-mid");
    edited(&world, &binding, json!({ "spec": { "selector": "shop-mid" } }));
    edited(&world, &format!("{BASE}/azureidentities/shop-mid"), json!({ "spec": { "resourceID": "" } }));
    named(&["web"], "azure-identity", "has no resourceID");
    let id = world.identity_id("shop-mid");
    edited(&world, &format!("{BASE}/azureidentities/shop-mid"), json!({ "spec": { "resourceID": id } }));
    policies(&world, &["list"]);
    named(&["-n", "shop"], "grant", "may not read the secrets");
    policies(&world, &["get"]);
    secret(&world, json!({ "enabled": false }));
    named(&all, "secret", "is disabled");
    secret(&world, json!({ "enabled": true }));
    assert_eq!(errors(&world, &all), Vec::<Value>::new());
    world.podid(&["doctor"]).ok().says(" of aks-mi examined");
    let unknown = world.podid(&["doctor", "deployment/nobody"]).exits(4);
    assert!(unknown.stderr.contains("there is no workload deployment/nobody"), "{}", unknown.stderr);
}

/// What reads by a role of a resource group, or with one more binding, is sound.
#[test]
fn odd_chains_that_work_have_no_error() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &SPEC.replace("model: access-policy", "model: rbac").replace(VAULT, "kv-shop-odd"));
    world.podid(&["up", "--yes"]).ok();
    // the grant is replaced by one of the group
    let vault = world.vault_id("kv-shop-odd");
    let principal = world.arm("GET", &identity(&world), None).ok()["properties"]["principalId"].clone();
    for one in world.assignments(&vault).into_iter().filter(|one| one["properties"]["principalId"] == principal) {
        world.arm("DELETE", &format!("{}?api-version=2022-04-01", one["id"].as_str().unwrap()), None).ok();
    }
    assert_eq!(misses(&world, "grant", "is missing"), None);
    let role = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6",
        world.subscription()
    );
    let assign = |condition: Value| {
        let name = "11111111-2222-3333-4444-000000000001";
        let at = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01", world.group_id());
        let mut properties = json!({ "roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal" });
        if condition.is_string() {
            properties["condition"] = condition;
            properties["conditionVersion"] = json!("2.0");
        }
        world.arm("DELETE", &at, None);
        world.arm("PUT", &at, Some(json!({ "properties": properties }))).ok();
    };
    assign(Value::Null);
    assert_eq!(errors(&world, &[]), Vec::<Value>::new(), "an inherited role");
    let warned = world.podid(&["doctor", "-o", "json"]).ok().json();
    let finding = warned["findings"].as_array().unwrap().iter().find(|finding| finding["link"] == "grant").unwrap().clone();
    assert!(finding["severity"] == "warning" && finding["causes"].to_string().contains("Key Vault Secrets User at"), "{finding:#}");
    // a second binding of the same identity
    world.bind_by_hand(CONTEXT, "extra", &world.identity_id("shop-mid"));
    assert_eq!(errors(&world, &[]), Vec::<Value>::new(), "a binding more");
    // the secret has expired, which Key Vault does not mind
    world.vault("PATCH", "kv-shop-odd", "/secrets/conn", Some(json!({ "attributes": { "exp": 1_600_000_000 } }))).ok();
    let warned = world.podid(&["doctor", "-o", "json"]).ok().json();
    assert!(warned["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "PODID8003"), "{warned:#}");
}

#[test]
fn findings_have_formats_for_programs_an_exit_code_and_exceptions_with_a_reason() {
    let world = made();
    let count = |words: &[&str]| world.podid(&[&["doctor"], words].concat());
    count(&["--exit-code"]).ok().says("0 errors");
    secret(&world, json!({ "enabled": false }));
    count(&[]).ok().says("error PODID8002 shop/web: the secret conn is disabled").says("podid explain PODID8002");
    count(&["--exit-code"]).exits(3);
    let sarif = count(&["-o", "sarif", "--exit-code"]).exits(3).json();
    assert_eq!((&sarif["version"], &sarif["runs"][0]["results"][0]["ruleId"]), (&json!("2.1.0"), &json!("PODID8002")));
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "podid.yaml");
    let junit = count(&["-o", "junit"]).ok().stdout;
    assert!(junit.starts_with("<?xml") && junit.contains("<failure type=\"PODID8002\""), "{junit}");
    count(&["--exit-code", "--suppress", "PODID8002"]).ok().says("1 suppressed");
    count(&["--exit-code", "--suppress", "PODID8002=shop/other"]).exits(3).says("nothing was found that the suppression");
    let unknown = count(&["--suppress", "PODID8012x"]).exits(2);
    assert!(unknown.stderr.contains("there is no code PODID8012x"), "{}", unknown.stderr);
    world.write("podid.yaml", &format!("{SPEC}suppress:\n  - {{code: PODID8002, resource: shop/web, reason: rotated tonight}}\n"));
    count(&["--exit-code"]).ok().says("rotated tonight");
    world.write("podid.yaml", &format!("{SPEC}suppress:\n  - {{code: PODID8888, reason: none}}\n"));
    let refused = count(&[]).exits(2);
    assert!(refused.stderr.contains("there is no code PODID8888") && refused.stderr.contains("podid.yaml:"), "{}", refused.stderr);
    world.podid(&["plan", "-o", "sarif"]).exits(2).says("`-o sarif` is a format of `podid doctor` and `podid lint`");
}

#[test]
fn a_pasted_text_is_explained_offline() {
    let world = World::new();
    world.podid(&["explain", "podid6001"]).ok().says("podid vault grant --vault VAULT");
    world.podid(&["explain", "AADSTS700213:", "No", "matching", "record"]).ok().says("PODID3022");
    world.podid(&["explain"]).ok().says("PODID1101");
    let unknown = world.podid(&["explain", "what", "is", "it"]).exits(1);
    assert!(unknown.stderr.contains("hint: Paste the text of the event"), "{}", unknown.stderr);
    let unknown = world.podid(&["explain", "PODID1109"]).exits(2);
    assert!(unknown.stderr.contains("there is no code PODID1109"), "{}", unknown.stderr);
    assert!(!world.path(".podid").exists(), "nothing is opened");
}

#[test]
fn lint_names_what_works_and_should_not_stay() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    let second = "  - {name: micro, namespace: default, identity: {name: shop-mid}, secrets: [{name: conn}], app: {image: 'nginx:1.29'}}\n";
    world.write("podid.yaml", &format!("{SPEC}{second}"));
    world.podid(&["up", "--yes"]).ok();
    let codes = |words: &[&str]| -> Vec<String> {
        let mark = world.mark();
        let document = world.podid(&[&["lint", "-o", "json"], words].concat()).ok().json();
        assert_eq!(world.writes_since(mark), Vec::<String>::new());
        let mut codes: Vec<String> =
            document["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect();
        codes.sort();
        codes.dedup();
        codes
    };
    let of_spec = ["PODID9001", "PODID9003", "PODID9004", "PODID9007", "PODID9011", "PODID9012", "PODID9013"];
    assert_eq!(codes(&["--offline"]), of_spec);
    let both = codes(&[]);
    for code in of_spec.iter().chain(&["PODID9009", "PODID9014"]) {
        assert!(both.contains(&(*code).to_owned()), "{code}: {both:?}");
    }
    world.podid(&["lint", "--offline", "--exit-code"]).ok();
    world.podid(&["lint", "--offline", "--exit-code=warning"]).exits(3).says("8 warnings");
    std::fs::remove_file(world.path("podid.yaml")).unwrap();
    let cluster = codes(&[]);
    assert!(cluster.contains(&"PODID9001".to_owned()) && cluster.contains(&"PODID9007".to_owned()), "{cluster:?}");
}
