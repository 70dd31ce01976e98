//! Faults of the whole cluster are reported once, and vaults are looked for outside of the cluster's subscription.

use super::{CONTEXT, MIC, SPEC, VAULT, deleted, edited, made, ready};
use crate::common::{World, doctor::errors, until};
use serde_json::{Value, json};

const OTHER: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn a_fault_of_the_cluster_is_one_finding_with_all_its_workloads() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    let workload = |name: &str, namespace: &str| {
        format!(
            "  - {{name: {name}, namespace: {namespace}, identity: {{name: shop-{name}}}, secrets: [{{name: conn}}], app: {{image: 'nginx:1.29'}}}}\n"
        )
    };
    let more = workload("api", "shop") + &workload("job", "back");
    world.write("podid.yaml", &format!("{SPEC}{more}"));
    world.podid(&["up", "--yes"]).ok();
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new());
    let all = json!(["shop/web", "shop/api", "back/job"]);
    let sorted = |list: &Value| {
        let mut names: Vec<String> = list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    edited(&world, MIC, json!({ "spec": { "replicas": 0 } }));
    let found = errors(&world, &["-A"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["code"], &found[0]["resource"]), (&json!("PODID1112"), &json!("cluster/aks-mi")));
    assert_eq!(sorted(&found[0]["workloads"]), sorted(&all));
    world.podid(&["doctor", "-A"]).ok().says("error PODID1112 cluster/aks-mi: MIC is scaled to zero").says("concerns").says("1 error,");
    // one of them is somebody's exception, and the others stay
    let document = world.podid(&["doctor", "-A", "-o", "json", "--suppress", "PODID1112=back/job"]).ok().json();
    assert_eq!(sorted(&document["findings"][0]["workloads"]), ["shop/api", "shop/web"]);
    edited(&world, MIC, json!({ "spec": { "replicas": 2 } }));
    ready(&world, MIC, "availableReplicas");
    deleted(&world, super::NMI);
    let found = errors(&world, &["-A"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["code"], sorted(&found[0]["workloads"])), (&json!("PODID1110"), sorted(&all)));
}

#[test]
fn kubenet_is_a_warning_until_nmi_is_told_that_it_may_run_there() {
    let world = made();
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2025-08-01", world.group_id());
    let mut cluster = world.arm("GET", &id, None).ok();
    cluster["properties"]["networkProfile"] = json!({ "networkPlugin": "kubenet" });
    world.arm("PUT", &id, Some(cluster)).ok();
    let findings = || world.podid(&["doctor", "-o", "json"]).ok().json()["findings"].as_array().unwrap().clone();
    let found = findings();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["code"], &found[0]["severity"]), (&json!("PODID1113"), &json!("warning")), "{found:#?}");
    let mut nmi = world.kube("GET", CONTEXT, super::NMI, None).ok();
    let arguments = &mut nmi["spec"]["template"]["spec"]["containers"][0]["args"];
    let mut told = arguments.as_array().cloned().unwrap_or_default();
    told.push(json!("--allow-network-plugin-kubenet=true"));
    *arguments = json!(told);
    world.kube("PUT", CONTEXT, super::NMI, Some(nmi)).ok();
    until("the new pods of NMI run", || findings().is_empty().then_some(()));
}

/// Answers in the place of Azure: the vault is in another subscription, and so are the role assignments at it.
fn moved(world: &World, is_listed: bool) -> String {
    let own = world.subscription();
    let id = world.vault_id(VAULT);
    let there = id.replace(&own, OTHER);
    let mut vault = world.arm("GET", &format!("{id}?api-version=2023-07-01"), None).ok();
    vault["id"] = json!(there);
    let mut grants = world.arm("GET", &format!("{id}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"), None).ok();
    for one in grants["value"].as_array_mut().unwrap() {
        let scope = one["properties"]["scope"].as_str().unwrap().replace(&own, OTHER);
        one["properties"]["scope"] = json!(scope);
    }
    let subscription =
        |id: &str| json!({ "id": format!("/subscriptions/{id}"), "subscriptionId": id, "displayName": id, "state": "Enabled" });
    let mut all = vec![subscription(&own)];
    all.extend(is_listed.then(|| subscription(OTHER)));
    let answer =
        |path: String, body: Value| json!({ "method": "GET", "host": "management.azure.com", "path": path, "status": 200, "body": body });
    world.settings(&json!({ "fail": [
        answer(format!("{there}/providers/Microsoft.Authorization/roleAssignments"), grants),
        answer(format!("{there}/providers/Microsoft.Authorization/denyAssignments"), json!({ "value": [] })),
        answer(format!("{there}?"), vault.clone()),
        answer("/subscriptions?api-version".into(), json!({ "value": all })),
        answer(format!("/subscriptions/{own}/providers/Microsoft.KeyVault/vaults?"), json!({ "value": [] })),
        answer(format!("/subscriptions/{OTHER}/providers/Microsoft.KeyVault/vaults?"), json!({ "value": [vault] })),
    ] }));
    there
}

#[test]
fn a_vault_of_another_subscription_is_found_or_podid_says_where_it_looked() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &SPEC.replace("model: access-policy", "model: rbac"));
    world.podid(&["up", "--yes"]).ok();
    // it is somebody else's: neither spec nor state knows it
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    std::fs::rename(world.path("podid.yaml"), world.path("shop.yaml")).unwrap();
    let findings = |words: &[&str]| world.podid(&[&["doctor", "-A", "-o", "json"], words].concat()).ok().json()["findings"].clone();
    let of = |code: &str, findings: &Value| findings.as_array().unwrap().iter().find(|one| one["code"] == code).cloned();
    moved(&world, true);
    let found = findings(&[]);
    assert!(of("PODID7008", &found).is_none() && of("PODID7001", &found).is_none(), "{found:#}");
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new(), "and its role assignments are read there");
    let there = moved(&world, false);
    let elsewhere = of("PODID7008", &findings(&[])).unwrap();
    let own = world.subscription();
    assert_eq!(elsewhere["title"], format!("the subscription {own} has no vault {VAULT}"));
    assert!(elsewhere["hints"].to_string().contains("--vault-id") && elsewhere["severity"] == "warning", "{elsewhere:#}");
    let named = findings(&["--vault-id", &there]);
    assert!(of("PODID7008", &named).is_none(), "{named:#}");
    // nowhere: both are named
    world.settings(&json!({ "fail": null }));
    moved(&world, true);
    edited(&world, super::CLASS, json!({ "spec": { "parameters": { "keyvaultName": "kv-nowhere-x1" } } }));
    let nowhere = of("PODID7008", &findings(&[])).unwrap();
    assert_eq!(nowhere["title"], format!("the vault kv-nowhere-x1 is in none of the subscriptions that podid may read: {own}, {OTHER}"));
    world.podid(&["doctor", "--vault-id", "kv"]).exits(2).says("Microsoft.KeyVault/vaults/NAME");
}

#[test]
fn what_doctor_prints_has_names_and_no_words_that_stand_for_them() {
    let world = made();
    super::policies(&world, &[]);
    super::secret(&world, json!({ "enabled": false }));
    world.kube("DELETE", CONTEXT, "/apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentitybindings/shop-mid-binding", None).ok();
    let document = world.podid(&["doctor", "-o", "json"]).ok().json();
    let found = document["findings"].as_array().unwrap();
    assert!(found.len() > 1, "{found:#?}");
    for finding in found {
        for command in ["podid", "look", "native"].iter().flat_map(|list| finding[*list].as_array().unwrap()) {
            let command = command.as_str().unwrap();
            let placeholder = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
            assert!(!command.split(|c: char| !c.is_ascii_alphanumeric()).any(placeholder), "{command}: {finding:#}");
        }
    }
    let text = world.podid(&["doctor"]).ok().stdout;
    assert!(!text.contains("NAMESPACE") && !text.contains("VAULT"), "{text}");
}
