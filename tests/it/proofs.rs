//! Proofs that fail: each link of the chain is broken behind podid's back, and the proof names it within seconds, with commands that repair it.

mod hostile;

use crate::common::{Output, World, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONTEXT: &str = "aks-mi";
const VAULT: &str = "kv-shop-proofs";
const BASE: &str = "/apis/aadpodidentity.k8s.io/v1/namespaces/shop";
const CLASS: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/web";
const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-proofs, model: access-policy, secrets: [{name: conn, value: {file: conn.txt}}]}
workloads:
  - {name: web, namespace: shop, identity: {name: shop-mid}, secrets: [{name: conn, alias: conn.txt}]}
";

/// Returns a served world in which everything is created and proved.
fn made() -> World {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web");
    world
}

/// Runs a proof with the default time limit of 5 minutes, which must not be needed.
#[track_caller]
fn fails(world: &World, words: &[&str]) -> Output {
    let begun = Instant::now();
    let output = world.podid(&[&["verify"], words].concat()).exits(1);
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}: {}", begun.elapsed(), output.stderr);
    assert!(!output.stderr.contains("not-a-real-secret") && !output.stdout.contains("not-a-real-secret"));
    output
}

/// Changes an object, as somebody with kubectl would.
fn edited(world: &World, path: &str, patch: Value) {
    world.kube("PATCH", CONTEXT, path, Some(patch)).ok();
}

fn role_of_cluster(world: &World, role: &str) -> Value {
    let found = world.arm(
        "GET",
        &format!("/subscriptions/{}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", world.subscription()),
        None,
    );
    let all = found.ok()["value"].take();
    all.as_array().unwrap().iter().find(|a| a["properties"]["roleDefinitionId"].as_str().unwrap().ends_with(role)).unwrap().clone()
}

/// Deletes a role assignment, and makes MIC need it again: the identity leaves the nodes with the last pod.
fn without_role(world: &World, role: &str) -> String {
    let assignment = role_of_cluster(world, role);
    world.arm("DELETE", &format!("{}?api-version=2022-04-01", assignment["id"].as_str().unwrap()), None).ok();
    assignment["properties"]["scope"].as_str().unwrap().to_owned()
}

/// Runs the command in backquotes of a hint.
fn run_hint(world: &World, output: &Output, starts: &str) -> Output {
    let commands: Vec<&str> = output.stderr.split('`').skip(1).step_by(2).filter(|c| c.starts_with(starts)).collect();
    let command = commands.first().unwrap_or_else(|| panic!("no hint {starts:?} in {}", output.stderr));
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    world.podid(&[&words[..], &["--yes"]].concat())
}

/// A change in the cluster is reported with both values, and the hint undoes it.
#[test]
fn a_changed_object_is_named_with_both_values() {
    let world = made();
    let cases: [(&str, Value, &[&str]); 6] = [
        (
            CLASS,
            json!({ "spec": { "parameters": { "usePodIdentity": "false" } } }),
            &["usePodIdentity is \"false\" instead of \"true\"", "shop/web"],
        ),
        (
            CLASS,
            json!({ "spec": { "parameters": { "keyvaultName": "kv-nowhere-x1" } } }),
            &["keyvaultName is \"kv-nowhere-x1\" instead of \"kv-shop-proofs\""],
        ),
        (
            CLASS,
            json!({ "spec": { "parameters": { "objects": "array:\n  - |\n    objectName: other\n    objectType: secret\n" } } }),
            &["spec.parameters.objects is", "objectName: other"],
        ),
        (
            &format!("{BASE}/azureidentities/shop-mid"),
            json!({ "spec": { "resourceID": "/subscriptions/x/shop-mid" } }),
            &["the AzureIdentity shop/shop-mid differs", "spec.resourceID is \"/subscriptions/x/shop-mid\" instead of"],
        ),
        (
            &format!("{BASE}/azureidentities/shop-mid"),
            json!({ "spec": { "clientID": "00000000-0000-0000-0000-000000000001" } }),
            &["spec.clientID is \"00000000-0000-0000-0000-000000000001\" instead of"],
        ),
        (
            &format!("{BASE}/azureidentitybindings/shop-mid-binding"),
            json!({ "spec": { "selector": "other" } }),
            &["the AzureIdentityBinding shop/shop-mid-binding differs", "spec.selector is \"other\" instead of \"shop-mid\""],
        ),
    ];
    for (path, patch, said) in cases {
        edited(&world, path, patch);
        let output = fails(&world, &[]);
        for words in said {
            assert!(output.stderr.contains(words), "{words:?} in {}", output.stderr);
        }
        let up = run_hint(&world, &output, "podid up");
        assert_eq!(up.code, Some(0), "the hint of\n{}\n{}", output.stderr, up.stderr);
        world.podid(&["verify"]).ok().says("proved shop/web");
    }
}

#[test]
fn a_deleted_object_is_named_and_created_again_by_the_hint() {
    let world = made();
    let binding = format!("{BASE}/azureidentitybindings/shop-mid-binding");
    let identity = format!("{BASE}/azureidentities/shop-mid");
    for (path, said) in [
        (CLASS, "the SecretProviderClass shop/web does not exist"),
        (&binding, "the AzureIdentityBinding shop/shop-mid-binding does not exist"),
        (&identity, "the AzureIdentity shop/shop-mid does not exist"),
        ("/api/v1/namespaces/shop", "the namespace shop does not exist"),
    ] {
        world.kube("DELETE", CONTEXT, path, None).ok();
        until("it is gone", || (world.kube("GET", CONTEXT, path, None).status == 404).then_some(()));
        let output = fails(&world, &[]);
        assert!(output.stderr.contains(said), "{said:?} in {}", output.stderr);
        run_hint(&world, &output, "podid up").ok();
        world.podid(&["verify"]).ok();
    }
}

#[test]
fn a_missing_role_is_named_with_its_scope() {
    let world = made();
    for (role, name, at) in [
        ("f1a07417-d97a-45cb-824c-7a7467783830", "Managed Identity Operator", "userassignedidentities/shop-mid"),
        ("9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "Virtual Machine Contributor", "resourcegroups/"),
    ] {
        without_role(&world, role);
        let output = fails(&world, &[]);
        let said = output.stderr.to_ascii_lowercase();
        assert!(said.contains(&format!("the role {} of the cluster aks-mi", name.to_ascii_lowercase())), "{}", output.stderr);
        assert!(said.contains(at) && said.contains("is not assigned"), "{}", output.stderr);
        assert!(output.stderr.lines().all(|line| line.len() < 500), "{}", output.stderr);
        run_hint(&world, &output, "podid up").ok();
        world.podid(&["verify"]).ok();
    }
}

#[test]
fn a_deleted_identity_and_a_recreated_one_are_distinguished() {
    let world = made();
    let id = format!("{}?api-version=2023-01-31", world.identity_id("shop-mid"));
    world.arm("DELETE", &id, None).ok();
    let output = fails(&world, &[]);
    assert!(output.stderr.contains("the managed identity shop-mid does not exist"), "{}", output.stderr);
    world.arm("PUT", &id, Some(json!({ "location": "westeurope" }))).ok();
    let output = fails(&world, &["-o", "json"]);
    assert!(output.stderr.contains("the managed identity shop-mid was deleted and made again"), "{}", output.stderr);
    let proof = &output.json()["proofs"][0];
    assert_eq!((&proof["link"], &proof["proved"]), (&json!("identity"), &json!(false)));
    assert!(proof["reason"].as_str().unwrap().contains("made again"), "{proof:#}");
    assert!(proof["hints"][0].as_str().unwrap().contains("`podid up`"), "{proof:#}");
    run_hint(&world, &output, "podid up").ok();
    world.podid(&["verify"]).ok();
}

#[test]
fn a_missing_vault_and_a_missing_secret_are_named() {
    let world = made();
    let secret = |method: &str, body: Option<Value>| world.vault(method, VAULT, "/secrets/conn", body);
    secret("PATCH", Some(json!({ "attributes": { "enabled": false } }))).ok();
    let output = fails(&world, &[]);
    assert!(output.stderr.contains("the secret conn is disabled in the vault kv-shop-proofs"), "{}", output.stderr);
    assert!(output.stderr.contains("`az keyvault secret set-attributes --vault-name kv-shop-proofs --name conn --enabled true`"));
    secret("PATCH", Some(json!({ "attributes": { "enabled": true } }))).ok();
    secret("DELETE", None).ok();
    until("the secret is gone", || (secret("GET", None).status == 404).then_some(()));
    let output = fails(&world, &[]);
    assert!(output.stderr.contains("the secret conn was deleted from the vault kv-shop-proofs"), "{}", output.stderr);
    world.arm("DELETE", &format!("{}?api-version=2023-07-01", world.vault_id(VAULT)), None).ok();
    let output = fails(&world, &[]);
    assert!(output.stderr.contains("kv-shop-proofs is soft-deleted"), "{}", output.stderr);
    assert!(output.stderr.contains("`podid up --recover`"), "{}", output.stderr);
}

#[test]
fn errors_of_the_provider_are_decoded_without_access_to_azure() {
    let world = made();
    // podid's own login may not read Azure, and the driver's vault refuses it.
    world.settings(&json!({ "fail": [{ "host": "management.azure.com", "status": 403, "body": { "error": { "code": "AuthorizationFailed", "message": "no" } } }] }));
    world.kube("DELETE", CONTEXT, &format!("{BASE}/azureidentitybindings/shop-mid-binding"), None).ok();
    let output = fails(&world, &[]);
    assert!(output.stderr.contains("AzureIdentityBinding shop/shop-mid-binding does not exist"), "{}", output.stderr);
}

/// Kubelet repeats that the Secret is missing; the driver gave the reason once.
#[test]
fn a_driver_without_the_right_to_write_secrets_is_named() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    let sync = "{name: conn, alias: conn.txt, sync: {secret: web, key: CONN}, env: CONN}";
    world.write("podid.yaml", &SPEC.replace("{name: conn, alias: conn.txt}", sync));
    world.podid(&["up", "--yes"]).ok();
    let message = "secrets is forbidden: User \"system:serviceaccount:kube-system:secrets-store-csi-driver\" cannot create resource \"secrets\" in API group \"\" in the namespace \"shop\"";
    let status =
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": message });
    world.settings(
        &json!({ "fail": [{ "by": "csi", "method": "POST", "path": "/namespaces/shop/secrets", "status": 403, "body": status }] }),
    );
    let output = fails(&world, &["-o", "json"]);
    assert!(output.stderr.contains("the CSI driver may not write Kubernetes Secrets"), "{}", output.stderr);
    assert!(output.stderr.contains("syncSecret.enabled=true"), "{}", output.stderr);
    assert_eq!(output.json()["proofs"][0]["link"], "sync");
    world.settings(&json!({ "fail": null }));
    world.podid(&["verify"]).ok();
}

/// podid does not wait for what cannot heal by itself, however long the time limit is.
#[test]
fn a_stopped_nmi_is_named_once_a_restart_would_have_helped() {
    let mut world = World::new();
    world.serve_with(&["--without", "nmi"]);
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", SPEC);
    world.podid(&["up", "--yes"]).ok();
    let output = fails(&world, &["-o", "json"]);
    assert!(output.stderr.contains("NMI does not answer on the pod's node"), "{}", output.stderr);
    assert_eq!(output.json()["proofs"][0]["link"], "token");
}

#[test]
fn three_proofs_of_one_workload_at_once_all_succeed() {
    let world = made();
    let runs: Vec<_> = (0..3).map(|_| world.start(&["verify"])).collect();
    for run in runs {
        run.wait().ok().says("proved shop/web");
    }
    let pods = world.kube("GET", CONTEXT, "/api/v1/namespaces/shop/pods", None).ok();
    assert_eq!(pods["items"], json!([]));
}

#[test]
fn a_proof_shows_what_it_waits_for() {
    let world = made();
    world.settings(&json!({ "fail": [{ "by": "csi", "host": "kv-shop-proofs.vault.azure.net", "status": 429, "body": { "error": { "code": "TooManyRequests", "message": "Too Many Requests" } } }] }));
    let output = world.podid(&["verify", "--timeout", "6s"]).exits(1);
    assert!(output.stderr.contains("waiting until the driver has mounted the secrets ("), "{}", output.stderr);
    assert!(output.stderr.contains("up to 6 s): the vault limits the rate of requests"), "{}", output.stderr);
    world.settings(&json!({ "fail": null }));
    world.podid(&["verify"]).ok();
}

const TWO: &str = "  - {name: api, namespace: shop, identity: {name: api-mid}, selector: shop-mid, secrets: [{name: conn}]}\n";

#[test]
fn two_workloads_with_one_selector_and_different_identities_are_refused() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &format!("{SPEC}{TWO}"));
    for command in [&["plan"][..], &["up", "--yes"]] {
        world
            .podid(command)
            .exits(4)
            .says("would get two identities, api-mid and shop-mid")
            .says("Give each workload a `selector` of its own");
    }
    // The same identity is possible, and warned of once.
    world.write("podid.yaml", &format!("{SPEC}{}", TWO.replace("api-mid", "shop-mid")));
    let up = world.podid(&["up", "--yes", "--verify"]).ok();
    assert!(up.stderr.matches("! warning").count() == 1 && up.stderr.contains("share"), "{}", up.stderr);
}

#[test]
fn a_foreign_binding_with_the_same_selector_is_reported() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    // Single commands use a spec in the folder.
    world.write("shop.yaml", SPEC);
    for name in ["aaa-mid", "zzz-mid"] {
        let bind = [
            "bind",
            "--namespace",
            "shop",
            "--identity",
            name,
            "--context",
            CONTEXT,
            "--selector",
            "shop-mid",
            "-g",
            "podid-lab",
            "--app",
            "other",
            "--yes",
        ];
        world.podid(&["identity", "create", "-g", "podid-lab", "-n", name, "--app", "other", "--yes"]).ok();
        world.podid(&bind).ok();
        let said = format!("the binding shop/{name}-binding has the selector shop-mid too");
        world.podid(&["plan", "-f", "shop.yaml"]).ok().says(&said);
        let up = world.podid(&["up", "-f", "shop.yaml", "--yes", "--quiet", "--verify"]).says(&said);
        // Which of them NMI uses is chance.
        if up.code != Some(0) {
            let named = format!("refused the token of the identity {name}");
            assert!(up.stderr.contains(&named) && up.stderr.contains("not of shop-mid"), "{}", up.stderr);
        }
        assert!(world.podid(&["status", "-f", "shop.yaml"]).ok().stdout.contains(&said));
        world
            .podid(&[
                "unbind",
                "--namespace",
                "shop",
                "--identity",
                name,
                "--context",
                CONTEXT,
                "-g",
                "podid-lab",
                "--app",
                "other",
                "--yes",
            ])
            .ok();
    }
    let up = world.podid(&["up", "-f", "shop.yaml", "--yes", "--verify"]).ok();
    assert!(!up.stderr.contains("warning"), "{}", up.stderr);
}

#[test]
fn a_nonexistent_secret_is_reported_before_it_is_mounted() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &SPEC.replace("secrets: [{name: conn, alias: conn.txt}]", "secrets: [{name: con}]"));
    let said = "the vault kv-shop-proofs has no secret con";
    for command in [&["plan"][..], &["up", "--yes", "-q"], &["plan"], &["up", "--yes", "-q"], &["status"]] {
        let output = world.podid(command).ok().says(said).says("Did you mean `conn`?");
        assert_eq!(output.stdout.contains(said), command[0] != "up", "a plan is the answer, a run's warning is none");
    }
    let status = world.podid(&["status", "-o", "json"]).ok().json();
    assert_eq!(status["warnings"].as_array().map(Vec::len), Some(1), "{status:#}");
    let apply = [
        "mount",
        "apply",
        "-n",
        "shop",
        "--name",
        "more",
        "--vault",
        VAULT,
        "--secret",
        "cnn",
        "--context",
        CONTEXT,
        "-g",
        "podid-lab",
        "--yes",
    ];
    world.podid(&apply).ok().says("has no secret cnn").says("Did you mean `conn`?");
    world.podid(&["verify", "--app", "shop", "--name", "web"]).exits(1).says(said);
}

#[test]
fn the_output_is_first_the_changes_then_the_proof_then_the_error() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &SPEC.replace("secrets: [{name: conn, alias: conn.txt}]", "secrets: [{name: typo}]"));
    let mut command = std::process::Command::new("sh");
    let line = format!("exec '{}' up --yes --quiet --verify 2>&1", crate::common::PODID);
    command.args(["-c", &line]).current_dir(world.dir()).env_clear().env("HOME", world.dir());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(world.env.iter().map(|(n, v)| (n, v)));
    let log = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words:?} is not in\n{log}"));
    assert!(at("done: ") < at("shop/web by shop-mid") && at("shop/web by shop-mid") < at("error: could not prove"), "{log}");
    assert!(log[at("error: could not prove")..].contains("hint: Set it by "), "{log}");
    let output = world.podid(&["up", "--yes", "--quiet", "--verify", "-o", "json"]).exits(1);
    assert_eq!(output.json()["proofs"][0]["link"], "secret", "one document with the proof's outcome");
}
