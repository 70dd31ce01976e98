//! `--dry-run=server`: the cluster checks every write and stores none, Azure is only planned, and no state is saved.

use crate::common::{
    Output, World,
    both::Side,
    log::Line,
    same,
    specs::{CLASSES, LAB_000, LAB_004},
};
use serde_json::json;

both! {
    the_cluster_is_asked_and_nothing_is_written,
    a_missing_namespace_is_reported_and_planned,
    every_changing_command_can_be_rehearsed,
    a_conflict_is_refused_as_in_a_real_run,
}

/// Checks that all writes have dryRun=All and that nothing differs afterwards; returns the requests to the cluster.
fn dry_run(world: &World, words: &[&str], code: i32) -> (Output, Vec<String>) {
    let (export, mark) = (world.export(), world.mark());
    let state = std::fs::read(world.path(".podid/state.json")).ok();
    let output = world.podid(&[words, &["--dry-run=server"]].concat()).exits(code);
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    same("after a dry run", &export, &world.export());
    assert_eq!(state, std::fs::read(world.path(".podid/state.json")).ok(), "the state");
    let tried = |l: &&Line| l.by == "client" && l.method != "GET" && l.host.ends_with(".azmk8s.io");
    let mut asked: Vec<String> = world.since(mark).iter().filter(tried).map(Line::short).collect();
    asked.sort();
    (output, asked)
}

fn the_cluster_is_asked_and_nothing_is_written(side: Side) {
    let world = World::on(side, "aks-mi");
    let (output, asked) = dry_run(&world, &["up", "-f", LAB_004], 0);
    // The namespace exists; the ids of the identity and the vault's tenant do not yet.
    assert_eq!(asked, ["PATCH azureidentitybindings/azure-pod-identity-binding"]);
    let output = output.says("created azureidentitybinding/aks-mi/default/azure-pod-identity-binding (server dry run)");
    output.says("Azure has no dry run").says("waiting for outputs of identity/aks2kvIdentity").says("nothing was changed");
    world.up(LAB_004, &["--only", "azure"]).ok();
    let (output, asked) = dry_run(&world, &["up", "-f", LAB_004], 0);
    assert_eq!(
        asked,
        [
            "PATCH azureidentities/aks-kv-identity",
            "PATCH azureidentitybindings/azure-pod-identity-binding",
            "PATCH secretproviderclasses/spc-myk8skv",
        ]
    );
    output.says("server dry run: 3 accepted; nothing was changed");
    world.up(LAB_004, &[]).ok();
    let (_, asked) = dry_run(&world, &["down", "-f", LAB_004], 0);
    assert_eq!(asked.iter().filter(|a| a.starts_with("DELETE ")).count(), 3, "{asked:?}");
    let (_, asked) = dry_run(&world, &["verify", "-f", LAB_004], 0);
    assert_eq!(asked, ["POST default/pods"]);
}

fn a_missing_namespace_is_reported_and_planned(side: Side) {
    let world = World::on(side, "aks-mi");
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shop-mid", "--yes"]).ok();
    let bind = ["bind", "-n", "shop", "--identity", "shop-mid", "-g", "podid-lab", "--context", "aks-mi"];
    let (output, asked) = dry_run(&world, &bind, 0);
    // RBAC still answers.
    assert_eq!(asked, ["PATCH azureidentities/shop-mid", "PATCH azureidentitybindings/shop-mid-binding", "PATCH namespaces/shop"]);
    let output = output.says("created namespace/aks-mi/shop (server dry run)");
    output.says("create azureidentity/aks-mi/shop/shop-mid, create azureidentitybinding/aks-mi/shop/shop-mid-binding: the namespace shop does not exist yet");
    world.podid(&[&bind[..], &["--yes"]].concat()).ok();
    let (output, asked) = dry_run(&world, &["unbind", "-n", "shop"], 0);
    assert_eq!(asked, ["DELETE azureidentities/shop-mid", "DELETE azureidentitybindings/shop-mid-binding", "DELETE namespaces/shop"]);
    output.says("server dry run: 3 accepted");
}

fn every_changing_command_can_be_rehearsed(side: Side) {
    let world = World::on(side, "aks-sp");
    world.up(LAB_000, &[]).ok();
    let app = ["--app", "lab-000", "-g", "podid-lab"];
    // Nothing mounts this one.
    let spare = ["vault", "secret", "set", "spare", "--vault", "claims-api-kv", "--generate", "--yes"];
    world.podid(&[&spare[..], &app].concat()).ok();
    for words in [
        &["identity", "create", "-n", "other-mid"][..],
        &["role", "assign", "Reader", "--to", "identity/claims-api-mid", "--scope", "subscription"],
        &["vault", "create", "-n", "kv-other"],
        &["vault", "secret", "set", "other", "--vault", "claims-api-kv", "--generate"],
        &["vault", "secret", "delete", "spare", "--vault", "claims-api-kv"],
        &["vault", "grant", "--vault", "claims-api-kv", "--to", "identity/claims-api-mid", "--secrets", "get,list"],
    ] {
        let (output, asked) = dry_run(&world, &[words, &app].concat(), 0);
        assert_eq!(asked, Vec::<String>::new(), "{words:?}");
        output.says("Azure has no dry run");
    }
    let mount = ["mount", "apply", "-n", "dev-claims-podid", "--name", "more", "--vault", "claims-api-kv", "--secret", "sqldbconn"];
    let (output, asked) = dry_run(&world, &[&mount[..], &app, &["--context", "aks-sp"]].concat(), 0);
    assert_eq!(asked, ["PATCH secretproviderclasses/more"]);
    output.says("created secretproviderclass/aks-sp/dev-claims-podid/more (server dry run)");
    let words = ["mount", "delete", "-n", "dev-claims-podid", "--name", "claims-api", "--vault", "claims-api-kv", "--context", "aks-sp"];
    let (_, asked) = dry_run(&world, &[&words[..], &app].concat(), 0);
    assert_eq!(asked, ["DELETE secretproviderclasses/claims-api"]);
    world.podid(&["state", "forget", "identity/claims-api-mid", "--app", "lab-000", "--dry-run"]).ok().says("nothing was changed");
    world.plan(LAB_000).ok();
}

/// Returns stderr from the error on.
fn error_text(output: &Output) -> String {
    output.stderr[output.stderr.find("error:").unwrap_or_else(|| panic!("{}", output.stderr))..].to_owned()
}

#[test]
fn a_refusal_reads_like_that_of_a_real_run() {
    let forbidden = "azureidentitybindings.aadpodidentity.k8s.io \"azure-pod-identity-binding\" is forbidden: User \"dev\" cannot patch resource \"azureidentitybindings\" in API group \"aadpodidentity.k8s.io\" in the namespace \"default\"";
    let denied = "admission webhook \"validation.gatekeeper.sh\" denied the request: [names] the selector is not of the team";
    for (status, reason, message) in [(403, "Forbidden", forbidden), (400, "BadRequest", denied)] {
        let world = World::on(Side::Sandbox, "aks-mi");
        world.up(LAB_004, &["--only", "azure"]).ok();
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": status, "message": message,
        });
        world.settings(&json!({ "fail": [{ "method": "PATCH", "path": "/azureidentitybindings/", "status": status, "body": body }] }));
        let (output, _) = dry_run(&world, &["up", "-f", LAB_004], 1);
        assert!(output.stdout.contains("2 accepted, 1 not accepted"), "{}", output.stdout);
        let document = world.podid(&["up", "-f", LAB_004, "--dry-run=server", "-o", "json"]).exits(1).json();
        assert_eq!(document["dry_run"], "server");
        let result = |name: &str| {
            let actions = document["actions"].as_array().unwrap();
            actions.iter().find(|a| a["key"].as_str().unwrap().starts_with(name)).unwrap()["result"].clone()
        };
        assert_eq!((result("azureidentitybinding/"), result("azureidentity/")), (json!("failed"), json!("accepted")));
        let real = world.podid(&["up", "-f", LAB_004, "--yes", "--quiet"]).exits(1);
        assert_eq!(error_text(&output), error_text(&real));
    }
}

fn a_conflict_is_refused_as_in_a_real_run(side: Side) {
    let world = World::on(side, "aks-mi");
    world.up(LAB_004, &[]).ok();
    let theirs = json!({ "spec": { "parameters": { "keyvaultName": "theirs" } } });
    let path = format!("{CLASSES}/default/secretproviderclasses/spc-myk8skv?fieldManager=helm");
    world.kube("PATCH", "aks-mi", &path, Some(theirs)).ok();
    let (output, _) = dry_run(&world, &["up", "-f", LAB_004], 4);
    output.says(".spec.parameters.keyvaultName is owned by helm").says("--force-conflicts");
    let (output, asked) = dry_run(&world, &["up", "-f", LAB_004, "--force-conflicts"], 0);
    output.says("updated secretproviderclass/aks-mi/default/spc-myk8skv (server dry run)");
    assert!(asked.contains(&"PATCH secretproviderclasses/spc-myk8skv".to_owned()), "{asked:?}");
}

#[test]
fn a_plain_dry_run_only_plans_and_accepts_the_values_of_kubectl() {
    let world = World::on(Side::Sandbox, "aks-mi");
    for how in ["--dry-run", "--dry-run=plan", "--dry-run=client"] {
        let mark = world.mark();
        world.podid(&["up", "-f", LAB_004, how]).ok().says("11 to create");
        let tried = |l: &Line| l.host.ends_with(".azmk8s.io") && l.method != "GET";
        assert!(!world.since(mark).iter().any(tried), "{how}");
    }
    for (words, code, told) in [
        (&["up", "--dry-run", "server"][..], 2, "--dry-run=server"),
        (&["up", "--dry-run=servre"], 2, "--dry-run=server"),
        (&["up", "-f", LAB_004, "--dry-run=none", "--only", "kubernetes"], 4, "is not in the state"),
    ] {
        world.podid(words).exits(code).says(told);
    }
    let mut by_variable = World::on(Side::Sandbox, "aks-mi");
    by_variable.env.push(("PODID_DRY_RUN".into(), "server".into()));
    by_variable.podid(&["up", "-f", LAB_004, "--yes"]).ok().says("server dry run:");
}
