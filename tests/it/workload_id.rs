//! Workload ID in proofs: each link is broken behind podid's back, `verify` names it and not what follows from it, and the command of its hint
//! makes the pods read again.

use crate::common::{Output, World, doctor};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONTEXT: &str = "aks-mi";
const ACCOUNT: &str = "/api/v1/namespaces/shop/serviceaccounts/web";
const CLASS: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/web";
const DRIVER: &str = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io";
pub const WEBHOOK: &str = "/apis/apps/v1/namespaces/kube-system/deployments/azure-wi-webhook-controller-manager";
const VERSION: &str = "api-version=2024-11-30";
const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi, components: [workload-identity]}
vault: {name: kv-shop-wi, model: rbac, secrets: [{name: conn, value: {file: conn.txt}}]}
workloads:
  - name: web
    namespace: shop
    mode: workload-identity
    identity: {name: shop-wi}
    serviceAccount: {name: web}
    secrets: [{name: conn}]
";

fn spec_of(delivery: &str) -> String {
    SPEC.replace("    secrets: [{name: conn}]", &format!("    delivery: {delivery}\n    secrets: [{{name: conn}}]"))
}

/// Returns a served world in which the app is made and proved.
pub fn made(delivery: &str) -> World {
    let world = World::served();
    world.write("podid.yaml", &spec_of(delivery));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web");
    world
}

/// The address of the app's federated credential, and its document.
fn credential(world: &World) -> (String, Value) {
    let all = format!("{}/federatedIdentityCredentials", world.identity_id("shop-wi"));
    let listed = world.arm("GET", &format!("{all}?{VERSION}"), None).ok();
    let one = listed["value"][0].clone();
    (format!("{all}/{}?{VERSION}", one["name"].as_str().unwrap()), one)
}

/// Replaces a field of the federated credential.
fn credential_with(world: &World, field: &str, value: Value) {
    let (at, mut one) = credential(world);
    one["properties"][field] = value;
    world.arm("PUT", &at, Some(json!({ "properties": one["properties"] }))).ok();
}

fn edited(world: &World, path: &str, patch: Value) {
    world.kube("PATCH", CONTEXT, path, Some(patch)).ok();
}

fn annotated(world: &World, value: Value) {
    edited(world, ACCOUNT, json!({ "metadata": { "annotations": { "azure.workload.identity/client-id": value } } }));
}

pub struct Case {
    pub name: &'static str,
    pub breaks: fn(&World),
    /// The link that a proof names.
    link: &'static str,
    /// A part of what it says.
    says: &'static str,
    /// Undoes what `podid up` does not.
    mends: fn(&World),
}

fn case(name: &'static str, link: &'static str, says: &'static str, breaks: fn(&World)) -> Case {
    Case { name, breaks, link, says, mends: |_| {} }
}

/// What breaks both deliveries.
pub fn of_both() -> Vec<Case> {
    of_token().into_iter().chain(of_read()).collect()
}

/// What keeps the token of the service account from becoming one of the identity.
fn of_token() -> Vec<Case> {
    vec![
        case("annotation missing", "service-account", "no annotation azure.workload.identity/client-id", |w| annotated(w, Value::Null)),
        case("annotation not a GUID", "service-account", "is not a client id", |w| annotated(w, json!("shop-wi"))),
        case("annotation of another identity", "service-account", "names another identity", |w| {
            annotated(w, json!("00000000-1111-2222-3333-444444444444"));
        }),
        case("service account missing", "service-account", "service account", |w| {
            w.kube("DELETE", CONTEXT, ACCOUNT, None).ok();
        }),
        case("credential deleted", "federation", "federated credential", |w| {
            let (at, _) = credential(w);
            w.arm("DELETE", &at, None).ok();
        }),
        case("issuer without its slash", "federation", "issuer", |w| {
            let issuer = credential(w).1["properties"]["issuer"].as_str().unwrap().trim_end_matches('/').to_owned();
            credential_with(w, "issuer", json!(issuer));
        }),
        case("subject in another case", "federation", "subject", |w| {
            credential_with(w, "subject", json!("system:serviceaccount:shop:Web"));
        }),
        case("subject of another namespace", "federation", "subject", |w| {
            credential_with(w, "subject", json!("system:serviceaccount:store:web"));
        }),
        case("another audience", "federation", "audience", |w| credential_with(w, "audiences", json!(["api://other"]))),
        case("identity deleted and made again", "identity", "was deleted and made again", |w| {
            let id = w.identity_id("shop-wi");
            w.arm("DELETE", &format!("{id}?{VERSION}"), None).ok();
            w.arm("PUT", &format!("{id}?{VERSION}"), Some(json!({ "location": "westeurope" }))).ok();
        }),
    ]
}

/// What keeps the identity from the vault, or the pod from its token.
fn of_read() -> Vec<Case> {
    vec![
        case("grant missing", "grant", "right", |w| {
            let vault = w.vault_id("kv-shop-wi");
            for assignment in w.assignments(&vault) {
                let role = assignment["properties"]["roleDefinitionId"].as_str().unwrap();
                if role.ends_with("4633458b-17de-408a-b874-0445c86b69e6") {
                    w.arm("DELETE", &format!("{}?api-version=2022-04-01", assignment["id"].as_str().unwrap()), None).ok();
                }
            }
        }),
        Case {
            mends: |w| vault_in(w, None),
            ..case("vault of another tenant", "vault", "another tenant", |w| vault_in(w, Some("00000000-1111-2222-3333-444444444444")))
        },
        case("webhook absent", "webhook", "does not run", |w| set_webhook(w, false)),
        Case {
            mends: |w| edited(w, WEBHOOK, json!({ "spec": { "replicas": 2 } })),
            ..case("webhook without pods", "webhook", "webhook", |w| {
                edited(w, WEBHOOK, json!({ "spec": { "replicas": 0 } }));
                wait_for_no_pods(w);
            })
        },
    ]
}

/// What breaks only the way of the CSI driver.
fn of_csi() -> Vec<Case> {
    vec![
        case("clientID missing in the class", "class", "clientID", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "clientID": null } } }));
        }),
        case("another tenant in the class", "class", "tenantID", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "tenantID": "00000000-1111-2222-3333-444444444444" } } }));
        }),
        case("node identity in the class", "class", "useVMManagedIdentity", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "useVMManagedIdentity": "true", "clientID": null } } }));
        }),
        Case {
            mends: |w| tokens(w, json!([{ "audience": "api://AzureADTokenExchange" }])),
            ..case("tokenRequests missing", "driver-tokens", "tokenRequests", |w| tokens(w, json!([])))
        },
    ]
}

/// Moves the vault to another tenant; None: back to that of the identities.
pub fn vault_in(world: &World, tenant: Option<&str>) {
    let at = format!("{}?api-version=2023-07-01", world.vault_id("kv-shop-wi"));
    let identity = world.arm("GET", &format!("{}?{VERSION}", world.identity_id("shop-wi")), None).ok();
    let tenant = tenant.map_or_else(|| identity["properties"]["tenantId"].clone(), |tenant| json!(tenant));
    world.arm("PATCH", &at, Some(json!({ "properties": { "tenantId": tenant } }))).ok();
}

fn tokens(world: &World, requests: Value) {
    edited(world, DRIVER, json!({ "spec": { "tokenRequests": requests } }));
}

fn set_webhook(world: &World, enabled: bool) {
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2025-10-01", world.group_id());
    let mut cluster = world.arm("GET", &id, None).ok();
    cluster["properties"]["securityProfile"] = json!({ "workloadIdentity": { "enabled": enabled } });
    world.arm("PUT", &id, Some(cluster)).ok();
    crate::common::until("the webhook follows the setting", || {
        (world.kube("GET", CONTEXT, WEBHOOK, None).status == if enabled { 200 } else { 404 }).then_some(())
    });
}

fn wait_for_no_pods(world: &World) {
    crate::common::until("the webhook has no pod", || {
        let deployment = world.kube("GET", CONTEXT, WEBHOOK, None).ok();
        deployment["status"]["readyReplicas"].as_u64().unwrap_or_default().eq(&0).then_some(())
    });
}

fn proof(output: &Output) -> Value {
    output.json()["proofs"][0].clone()
}

fn names_each(delivery: &str, cases: Vec<Case>) {
    let world = made(delivery);
    let mut wrong = Vec::new();
    for Case { name, breaks, link, says, mends } in cases {
        breaks(&world);
        wrong.extend(doctor::misses(&world, link, says).map(|miss| format!("{name}: {miss}")));
        let finding = doctor::errors(&world, &[]).into_iter().next().unwrap_or_default();
        let begun = Instant::now();
        let failed = world.podid(&["verify", "-o", "json"]);
        let took = begun.elapsed();
        let text = format!("{}{}", failed.stdout, failed.stderr);
        assert!(!text.contains("not-a-real-secret"));
        if failed.code != Some(1) {
            wrong.push(format!("{name}: exit {:?}\n{text}", failed.code));
        } else {
            let proof = proof(&failed);
            let reason = format!("{} {}", proof["reason"].as_str().unwrap_or_default(), proof["causes"]);
            if proof["link"] != link || !reason.contains(says) || took > Duration::from_secs(45) {
                wrong.push(format!("{name}: wanted {link} and {says:?}, in {took:?}\n{proof:#}"));
            }
        }
        // what is printed mends by itself
        match doctor::run_fix(&world, &finding) {
            Some(fixed) if fixed.code != Some(0) => wrong.push(format!("{name}: the command of the finding\n{fixed:?}\n{finding:#}")),
            Some(_) => {
                let left = doctor::errors(&world, &[]);
                if !left.is_empty() {
                    wrong.push(format!("{name}: the command of the finding does not mend it\n{finding:#}\n{}", json!(left)));
                }
            }
            None => {}
        }
        mends(&world);
        let up = world.podid(&["up", "--yes", "--adopt", "--force-conflicts", "--verify"]);
        if up.code != Some(0) {
            wrong.push(format!("{name}: the next run\n{}{}", up.stdout, up.stderr));
            break;
        }
    }
    assert!(wrong.is_empty(), "{delivery}:\n{}", wrong.join("\n\n"));
}

#[test]
fn a_token_that_is_not_exchanged_is_named_where_the_driver_mounts() {
    names_each("csi", of_token());
}

#[test]
fn a_token_that_is_not_exchanged_is_named_where_the_app_reads() {
    names_each("sdk", of_token());
}

#[test]
fn a_vault_that_is_not_read_is_named_where_the_driver_mounts() {
    names_each("csi", of_read().into_iter().chain(of_csi()).collect());
}

#[test]
fn a_vault_that_is_not_read_is_named_where_the_app_reads() {
    names_each("sdk", of_read());
}

#[test]
fn a_proof_without_a_pod_shows_each_hop_and_no_token() {
    let world = made("csi");
    let proved = world.podid(&["verify", "--no-pod"]).ok();
    for words in ["assertion system:serviceaccount:shop:web", "exchange  client id ", "read      conn version ", "proved shop/web"] {
        assert!(proved.stdout.contains(words), "{words}: {}", proved.stdout);
    }
    let text = format!("{}{}", proved.stdout, proved.stderr);
    assert!(!text.contains("eyJ") && !text.contains("not-a-real-secret"), "{text}");
    // it does not see what is only in pods
    tokens(&world, json!([]));
    world.podid(&["verify", "--no-pod"]).ok();
    credential_with(&world, "subject", json!("system:serviceaccount:shop:Web"));
    let failed = world.podid(&["verify", "--no-pod", "-o", "json"]).exits(1);
    assert_eq!(proof(&failed)["link"], "federation", "{}", failed.stdout);
}

#[test]
fn a_mode_that_gives_tokens_only_to_pods_refuses_a_proof_without_one() {
    let world = World::served();
    let spec = SPEC.replace("    mode: workload-identity\n", "").replace("    serviceAccount: {name: web}\n", "");
    world.write("podid.yaml", &spec);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    let refused = world.podid(&["verify", "--no-pod"]).exits(4);
    assert!(refused.stderr.contains("the mode pod-identity gives tokens to pods only"), "{}", refused.stderr);
}

#[test]
fn the_twenty_first_credential_is_refused_before_anything_is_written() {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["identity", "create", "-n", "shop-wi", "-g", "podid-lab", "--yes"]).ok();
    for n in 0..20 {
        let at = format!("{}/federatedIdentityCredentials/other{n}?{VERSION}", world.identity_id("shop-wi"));
        let properties = json!({ "issuer": "https://other.example.com/", "subject": format!("s{n}"), "audiences": ["a"] });
        world.arm("PUT", &at, Some(json!({ "properties": properties }))).ok();
    }
    let refused = world.podid(&["up", "--yes"]).exits(4);
    assert!(refused.stderr.contains("would have 21 federated credentials, and Azure allows 20"), "{}", refused.stderr);
    assert!(refused.stderr.contains("identity-binding"), "{}", refused.stderr);
}

#[test]
fn a_credential_of_somebody_else_for_the_same_pods_is_adopted_and_stays() {
    let world = made("csi");
    let (at, one) = credential(&world);
    world.podid(&["down", "--yes"]).ok();
    world.podid(&["identity", "create", "-n", "shop-wi", "-g", "podid-lab", "--app", "other", "--yes"]).ok();
    let by_hand = at.replace(one["name"].as_str().unwrap(), "by-hand");
    world.arm("PUT", &by_hand, Some(json!({ "properties": one["properties"] }))).ok();
    let up = world.podid(&["up", "--yes", "--verify"]).ok();
    assert!(up.stderr.contains("adopt") || up.stdout.contains("adopt"), "{}{}", up.stdout, up.stderr);
    world.podid(&["down", "--yes"]).ok();
    assert_eq!(world.arm("GET", &by_hand, None).status, 200);
}

/// An account that a chart made keeps everything of the chart's, and podid gives back only its own annotation.
#[test]
fn an_account_of_somebody_else_keeps_what_is_theirs() {
    let world = World::served();
    world.write("podid.yaml", &SPEC.replace("serviceAccount: {name: web}", "serviceAccount: {name: web, create: false}"));
    world.write("conn.txt", "not-a-real-secret");
    let refused = world.podid(&["up", "--yes"]);
    assert_ne!(refused.code, Some(0), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("the service account web does not exist in the namespace shop"), "{}", refused.stderr);
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    let _ = world.kube("POST", CONTEXT, "/api/v1/namespaces", Some(namespace));
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "web", "namespace": "shop", "labels": { "chart": "shop-1.0" }, "annotations": { "team": "a" } },
        "imagePullSecrets": [{ "name": "pull" }],
    });
    world.kube("POST", CONTEXT, "/api/v1/namespaces/shop/serviceaccounts", Some(account)).ok();
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web");
    let account = world.kube("GET", CONTEXT, ACCOUNT, None).ok();
    assert!(account["metadata"]["annotations"]["azure.workload.identity/client-id"].is_string(), "{account:#}");
    world.podid(&["down", "--yes", "--delete-data", "kv-shop-wi"]).ok();
    let account = world.kube("GET", CONTEXT, ACCOUNT, None).ok();
    assert_eq!(account["metadata"]["annotations"], json!({ "team": "a" }), "{account:#}");
    assert_eq!(account["metadata"]["labels"], json!({ "chart": "shop-1.0" }));
    assert_eq!(account["imagePullSecrets"], json!([{ "name": "pull" }]));
}

/// A cluster that Azure Resource Manager does not know: its issuer is in the spec, and nothing is asked of the managed cluster.
#[test]
fn a_cluster_outside_of_azure_is_bound_by_the_issuer_in_the_spec() {
    let world = World::served();
    set_webhook(&world, true);
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2025-10-01", world.group_id());
    let issuer = world.arm("GET", &id, None).ok()["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().to_owned();
    let outside = |issuer: &str| {
        let cluster = format!("cluster: {{name: edge, context: {CONTEXT}, issuer: {issuer}}}");
        SPEC.replace("cluster: {name: aks-mi, components: [workload-identity]}", &cluster)
    };
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &outside(issuer.trim_end_matches('/')));
    let refused = world.podid(&["up", "--yes"]).exits(4);
    assert!(refused.stderr.contains(&format!("Write `issuer: {issuer}`")), "{}", refused.stderr);
    world.write("podid.yaml", &outside("https://10.0.0.1/"));
    let refused = world.podid(&["up", "--yes"]).exits(2);
    assert!(refused.stderr.contains("Entra cannot read the keys of the issuer at 10.0.0.1"), "{}", refused.stderr);
    world.write("podid.yaml", &outside(&issuer));
    let mark = world.mark();
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web");
    let asked = world.since(mark).into_iter().filter(|line| line.short().contains("managedClusters")).count();
    assert_eq!(asked, 0, "the managed cluster is not asked for");
    world.podid(&["plan"]).ok().says("nothing to do");
    world.podid(&["verify", "--no-pod"]).ok();
    world.podid(&["down", "--yes"]).ok();
    let other = outside(&issuer).replace("    mode: workload-identity\n", "").replace("    serviceAccount: {name: web}\n", "");
    world.write("podid.yaml", &other);
    let refused = world.podid(&["up", "--yes"]).exits(4);
    assert!(refused.stderr.contains("the cluster edge has an `issuer` in the spec, so it is not one of AKS"), "{}", refused.stderr);
}

/// One app in two clusters: each has a credential of its own, and the one that goes leaves the other's.
#[test]
fn two_clusters_of_one_app_have_a_credential_each() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    let blue = SPEC.replace("kind: App", "kind: App # blue");
    let green = SPEC.replace("aks-mi", "aks-sp");
    world.write("blue.yaml", &blue);
    world.write("green.yaml", &green);
    world.podid(&["up", "--yes", "-f", "blue.yaml", "--verify", "--state", "blue.json"]).ok();
    world.podid(&["up", "--yes", "-f", "green.yaml", "--verify", "--state", "green.json"]).ok();
    let listed = || {
        let all = format!("{}/federatedIdentityCredentials?{VERSION}", world.identity_id("shop-wi"));
        let answer = world.arm("GET", &all, None);
        if answer.status == 200 { answer.ok()["value"].as_array().unwrap().len() } else { 0 }
    };
    assert_eq!(listed(), 2);
    world
        .podid(&[
            "unbind",
            "--mode",
            "workload-identity",
            "-n",
            "shop",
            "--identity",
            "shop-wi",
            "--service-account",
            "web",
            "--cluster",
            "aks-sp",
            "--yes",
            "--state",
            "green.json",
            "--app",
            "shop",
        ])
        .ok();
    assert_eq!(listed(), 1);
    world.podid(&["verify", "-f", "blue.yaml", "--state", "blue.json"]).ok();
}

/// Each link of an identity binding is named when it is broken.
#[test]
fn a_broken_link_of_an_identity_binding_is_named() {
    let world = World::served();
    world.write("podid.yaml", &SPEC.replace("mode: workload-identity", "mode: identity-binding"));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web");
    let refused = world.podid(&["verify", "--no-pod"]).exits(4);
    assert!(refused.stderr.contains("gives tokens to pods only"), "{}", refused.stderr);
    let binding = format!(
        "{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}/identityBindings?api-version=2026-04-01",
        world.group_id()
    );
    let name = world.arm("GET", &binding, None).ok()["value"][0]["name"].as_str().unwrap().to_owned();
    let one = binding.replace("identityBindings?", &format!("identityBindings/{name}?"));
    const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/podid-use-mi-shop-web";
    const BOUND: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/podid-use-mi-shop-web";
    type Breaks<'a> = Box<dyn Fn() + 'a>;
    let cases: [(&str, &str, Breaks<'_>); 4] = [
        ("binding deleted", "identity-binding", Box::new(|| drop(world.arm("DELETE", &one, None)))),
        ("right deleted", "use-right", Box::new(|| drop(world.kube("DELETE", CONTEXT, BOUND, None).ok()))),
        (
            "right to another identity",
            "use-right",
            Box::new(|| {
                let rules = json!([{ "apiGroups": ["cid.wi.aks.azure.com"], "resources": ["other"], "verbs": ["use-managed-identity"] }]);
                edited(&world, ROLE, json!({ "rules": rules }));
            }),
        ),
        ("annotation missing", "service-account", Box::new(|| annotated(&world, Value::Null))),
    ];
    for (name, link, breaks) in &cases {
        breaks();
        assert_eq!(doctor::misses(&world, link, ""), None, "{name}");
        let finding = doctor::errors(&world, &[]).into_iter().next().unwrap_or_default();
        let failed = world.podid(&["verify", "-o", "json"]).exits(1);
        assert_eq!(proof(&failed)["link"], *link, "{name}: {}", failed.stdout);
        doctor::run_fix(&world, &finding).unwrap_or_else(|| panic!("{name}: {finding:#}")).ok();
        assert_eq!(doctor::errors(&world, &[]), Vec::<Value>::new(), "{name}");
        world.podid(&["verify"]).ok().says("proved shop/web");
    }
    // the identity goes with the app here, and with it the credential that AKS made
    let down = world.podid(&["down", "--yes"]).ok();
    assert!(!down.stderr.contains("aks-identity-binding"), "{}", down.stderr);
    assert_eq!(world.arm("GET", &binding, None).ok()["value"], json!([]));
    world.podid(&["identity", "create", "-n", "shop-wi", "-g", "podid-lab", "--app", "other", "--yes"]).ok();
    world.podid(&["up", "--yes", "--verify"]).ok();
    let down = world.podid(&["down", "--yes"]).ok();
    assert!(down.stderr.contains("AKS leaves its federated credential aks-identity-binding on the identity shop-wi"), "{}", down.stderr);
    world.podid(&["identity", "federation", "remove", "shop-wi", "--name", "aks-identity-binding", "--adopt", "--yes"]).ok();
}

/// A binding has no tags: its name says whose it is, and a lost state is no reason to leave it.
#[test]
fn an_identity_binding_is_podids_after_a_lost_state_and_somebody_elses_stays() {
    let world = World::served();
    world.write("podid.yaml", &SPEC.replace("mode: workload-identity", "mode: identity-binding"));
    world.write("conn.txt", "not-a-real-secret");
    let bindings = |name: &str| {
        let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}", world.group_id());
        format!("{cluster}/identityBindings{name}?api-version=2026-04-01")
    };
    let listed = || world.arm("GET", &bindings(""), None).ok()["value"].as_array().unwrap().clone();
    world.podid(&["up", "--yes", "--state", "first.json"]).ok();
    assert!(listed()[0]["name"].as_str().unwrap().starts_with("podid"), "{:?}", listed());
    world.podid(&["state", "rebuild", "--state", "second.json"]).ok();
    world.podid(&["plan", "--exit-code", "--state", "second.json"]).ok();
    world.podid(&["down", "--yes", "--state", "second.json"]).ok();
    assert_eq!(listed(), Vec::<Value>::new());
    // one that leads to the identity is used under whatever name, and stays
    world.podid(&["identity", "create", "-n", "shop-wi", "-g", "podid-lab", "--app", "other", "--state", "other.json", "--yes"]).ok();
    let id = world.identity_id("shop-wi").replace("resourcegroups", "resourceGroups");
    let body = json!({ "properties": { "managedIdentity": { "resourceId": id } } });
    world.arm("PUT", &bindings("/byhand"), Some(body)).ok();
    world.podid(&["up", "--yes", "--verify", "--state", "third.json"]).ok().says("proved shop/web");
    assert_eq!(listed().len(), 1);
    world.podid(&["state", "rebuild", "--state", "fourth.json"]).ok();
    world.podid(&["down", "--yes", "--state", "fourth.json"]).ok();
    assert_eq!(listed()[0]["name"], "byhand");
}

/// An existing Deployment gets label, service account and volume, its pods are proved, and it gets back to what it was.
#[test]
fn an_existing_deployment_is_wired_and_its_old_pods_are_warned_of() {
    const PATH: &str = "/apis/apps/v1/namespaces/shop/deployments/front";
    let world = made("csi");
    let labels = json!({ "app": "front" });
    let template = json!({
        "metadata": { "labels": labels },
        "spec": { "serviceAccountName": "web", "containers": [{ "name": "app", "image": "nginx:1.29" }] },
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "front", "namespace": "shop" },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": template },
    });
    world.apply(CONTEXT, &format!("{PATH}?fieldManager=team"), &deployment).ok();
    crate::common::until("its pod runs", || (world.kube("GET", CONTEXT, PATH, None).ok()["status"]["readyReplicas"] == 1).then_some(()));
    let warned = world.podid(&["verify"]).ok();
    assert!(
        warned.stdout.contains("has no label azure.workload.identity/use: \"true\", so the webhook did not look at it"),
        "{}",
        warned.stdout
    );
    world.podid(&["app", "wire", "deployment/front", "-n", "shop", "--yes"]).ok();
    let wired = world.kube("GET", CONTEXT, PATH, None).ok();
    assert_eq!(wired["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"], "true", "{wired:#}");
    crate::common::until("its new pod runs", || {
        let found = world.kube("GET", CONTEXT, PATH, None).ok();
        (found["status"]["readyReplicas"] == 1 && found["status"]["updatedReplicas"] == 1 && found["status"]["replicas"] == 1).then_some(())
    });
    let clean = world.podid(&["verify"]).ok();
    assert!(!clean.stdout.contains("warning"), "{}", clean.stdout);
    world.podid(&["app", "unwire", "deployment/front", "-n", "shop", "--yes"]).ok();
    let back = world.kube("GET", CONTEXT, PATH, None).ok();
    assert_eq!(back["spec"]["template"]["metadata"]["labels"], labels);
    assert_eq!(back["spec"]["template"]["spec"]["serviceAccountName"], "web", "it was the team's");
}

#[test]
fn a_lost_state_is_found_again_by_its_marks() {
    let world = made("csi");
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    world.podid(&["state", "rebuild"]).ok();
    let keys = world.podid(&["state", "list"]).ok().stdout;
    for key in
        ["federation/shop-wi/serviceaccount/aks-mi/shop/web", "serviceaccount/aks-mi/shop/web", "secretproviderclass/aks-mi/shop/web"]
    {
        assert!(keys.contains(key), "{key}: {keys}");
    }
    world.podid(&["verify", "-n", "shop"]).ok().says("proved shop/web");
}

#[test]
fn a_lost_state_of_an_identity_binding_is_found_again_and_so_are_credentials_of_pipelines() {
    let world = World::served();
    world.write("podid.yaml", &SPEC.replace("mode: workload-identity", "mode: identity-binding"));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    for to in ["github/acme/shop:ref:main", "issuer=https://gitlab.example.com,subject=project_path:acme/shop"] {
        world.podid(&["identity", "federate", "shop-wi", "-g", "podid-lab", "--to", to, "--app", "shop", "--yes"]).ok();
    }
    let keys = || {
        let listed = world.podid(&["state", "list"]).ok().stdout;
        let words = listed.split_whitespace().filter(|word| word.contains('/') && !word.starts_with('/'));
        words.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let before = keys();
    // without a spec, only marks tell what there is
    std::fs::rename(world.path("podid.yaml"), world.path("later.yaml")).unwrap();
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    world.podid(&["state", "rebuild"]).ok();
    let after = keys();
    // nothing in a cluster says who turned a setting of it on
    let is_setting = |key: &&String| ["feature/", "installation/", "component/"].iter().any(|kind| key.starts_with(kind));
    let lost: Vec<&String> = before.difference(&after).filter(|key| !is_setting(key)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "{after:#?}");
    world.podid(&["verify", "-n", "shop"]).ok().says("proved shop/web");
}

#[test]
fn a_missing_webhook_is_refused_before_anything_is_written() {
    let world = World::served();
    world.write("podid.yaml", &SPEC.replace(", components: [workload-identity]", ""));
    world.write("conn.txt", "not-a-real-secret");
    for mode in ["workload-identity", "identity-binding"] {
        world.write("podid.yaml", &world.read("podid.yaml").replace("mode: workload-identity", &format!("mode: {mode}")));
        let mark = world.mark();
        let refused = world.podid(&["up", "--yes"]).exits(4);
        assert!(refused.stderr.contains("the webhook of Workload ID does not run in the cluster aks-mi"), "{}", refused.stderr);
        assert!(refused.stderr.contains("`podid cluster install workload-identity --cluster aks-mi`"), "{}", refused.stderr);
        assert_eq!(world.writes_since(mark), Vec::<String>::new());
    }
}

fn deployment(name: &str, template: Value) -> Value {
    let mut template = template;
    template["metadata"]["labels"]["app"] = json!(name);
    let container = json!({ "name": "app", "image": "mcr.microsoft.com/oss/kubernetes/pause:3.9" });
    if template["spec"]["containers"].is_null() {
        template["spec"]["containers"] = json!([container]);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "shop" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } }, "template": template },
    })
}

/// The proof's own pod reads its secrets, and the workload's pods do not: each of them is named with what it lacks.
#[test]
fn what_the_workloads_own_pods_lack_is_told_beside_a_sound_proof() {
    let world = made("csi");
    let labels = json!({ "azure.workload.identity/use": "true" });
    let pause = "mcr.microsoft.com/oss/kubernetes/pause:3.9";
    let env = json!([{ "name": "AZURE_CLIENT_ID", "value": "00000000-1111-2222-3333-444444444444" }]);
    let both = json!({ "azure.workload.identity/use": "true", "aadpodidbinding": "web" });
    type Fault = (&'static str, Value, &'static str);
    let faults: [Fault; 4] = [
        ("no-label", json!({ "metadata": {}, "spec": { "serviceAccountName": "web" } }), "label azure.workload.identity/use"),
        (
            "own-env",
            json!({ "metadata": { "labels": labels }, "spec": { "serviceAccountName": "web",
                "containers": [{ "name": "app", "image": pause, "env": env }] } }),
            "AZURE_CLIENT_ID",
        ),
        (
            "former",
            json!({ "metadata": { "labels": both }, "spec": { "serviceAccountName": "web" } }),
            "still has the label aadpodidbinding",
        ),
        ("before", json!({ "metadata": { "labels": labels }, "spec": { "serviceAccountName": "web" } }), "webhook"),
    ];
    for (name, template, says) in faults {
        // a pod that was made while the webhook was away
        let is_older = name == "before";
        if is_older {
            set_webhook(&world, false);
        }
        world.kube("POST", CONTEXT, "/apis/apps/v1/namespaces/shop/deployments", Some(deployment(name, template))).ok();
        crate::common::until("the pod runs", || {
            let pods = world.kube("GET", CONTEXT, &format!("/api/v1/namespaces/shop/pods?labelSelector=app={name}"), None).ok();
            (pods["items"][0]["status"]["phase"] == "Running").then_some(())
        });
        if is_older {
            set_webhook(&world, true);
            world.podid(&["up", "--yes"]).ok();
        }
        let proved = proof(&world.podid(&["verify", "-o", "json"]).ok());
        let warnings = proved["warnings"].to_string();
        assert!(warnings.contains(&format!("{name}-")) && warnings.contains(says), "{name}: {proved:#}");
        world.kube("DELETE", CONTEXT, &format!("/apis/apps/v1/namespaces/shop/deployments/{name}"), None).ok();
        crate::common::until("the pod is deleted", || {
            let pods = world.kube("GET", CONTEXT, &format!("/api/v1/namespaces/shop/pods?labelSelector=app={name}"), None).ok();
            (pods["items"] == json!([])).then_some(())
        });
    }
    let proved = proof(&world.podid(&["verify", "-o", "json"]).ok());
    assert!(proved["warnings"].is_null(), "{proved:#}");
}

/// Entra remembers the refusal of a request that came too early: after a credential was written, the first request waits.
#[test]
fn the_first_token_request_waits_for_a_new_credential() {
    let world = World::served().without_the_flag();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    let begun = Instant::now();
    let proved = world.podid(&["verify", "--no-pod"]).ok();
    assert!(proved.stderr.contains("until all of Entra knows the new federated credential"), "{}", proved.stderr);
    assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    // what podid did not just write is known
    std::thread::sleep(Duration::from_secs(15).saturating_sub(begun.elapsed()));
    let again = world.podid(&["verify", "--no-pod"]).ok();
    assert!(!again.stderr.contains("until all of Entra"), "{}", again.stderr);
}
