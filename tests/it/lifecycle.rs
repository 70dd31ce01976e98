//! The labs from nothing to a proof, a second time, back to nothing, by single commands, and after changes by hand.

use crate::common::{
    World,
    both::Side,
    same,
    specs::{LAB_000, LAB_001, LAB_004, context_of, vault_of},
};
use serde_json::{Value, json};

fn proves_and_a_second_run_does_nothing(side: Side, spec: &str) {
    let world = World::on(side, context_of(spec));
    let up = world.up(spec, &["--verify"]).ok();
    assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    let state = world.read(".podid/state.json");
    let export = world.export();
    let mark = world.mark();
    let again = world.up(spec, &[]).ok();
    assert!(again.last_line().starts_with("nothing to do"), "{}", again.stdout);
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.plan(spec).ok();
    same("the state after a second run", &state, &world.read(".podid/state.json"));
    same("the world after a second run", &export, &world.export());
}

both! { lab_000_is_proved_and_a_second_run_has_nothing_to_do, |side| proves_and_a_second_run_does_nothing(side, LAB_000) }

both! { lab_001_is_proved_and_a_second_run_has_nothing_to_do, |side| proves_and_a_second_run_does_nothing(side, LAB_001) }

both! { lab_004_is_proved_and_a_second_run_has_nothing_to_do, |side| proves_and_a_second_run_does_nothing(side, LAB_004) }

fn single_commands_do_the_same(side: Side, spec: &str) {
    let (whole, steps) = (World::on(side, context_of(spec)), World::on(side, context_of(spec)));
    whole.up(spec, &["--verify"]).ok();
    let bin = steps.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(crate::common::PODID, bin.join("podid")).unwrap();
    let script = spec.replace(".yaml", ".steps.sh");
    let mut command = steps.program("sh", &[&script]);
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let output = crate::common::Output::of(&["(steps)", &script], command.output().unwrap()).ok();
    assert!(output.last_line().starts_with("proved "), "{}", output.stdout);
    same("by single commands instead of `up`", &whole.export(), &steps.export());
}

both! { lab_000_by_single_commands_is_the_same_world, |side| single_commands_do_the_same(side, LAB_000) }

both! { lab_001_by_single_commands_is_the_same_world, |side| single_commands_do_the_same(side, LAB_001) }

both! { lab_004_by_single_commands_is_the_same_world, |side| single_commands_do_the_same(side, LAB_004) }

fn down_leaves_the_world_as_it_was(side: Side, spec: &str) {
    let world = World::on(side, context_of(spec));
    let before = world.export();
    world.up(spec, &["--verify"]).ok();
    world.down(spec, &["--delete-data", vault_of(spec)]).ok();
    same("after `down`", &before, &world.export());
}

both! { lab_000_down_restores_the_initial_world, |side| down_leaves_the_world_as_it_was(side, LAB_000) }

both! { lab_001_down_restores_the_initial_world, |side| down_leaves_the_world_as_it_was(side, LAB_001) }

both! { lab_004_down_restores_the_initial_world, |side| down_leaves_the_world_as_it_was(side, LAB_004) }

both! { a_plain_down_keeps_the_vault_with_its_secrets_and_says_so, |side| {
    let world = World::on(side, context_of(LAB_000));
    let before = world.export();
    world.up(LAB_000, &[]).ok();
    world.down(LAB_000, &[]).ok().says("--delete-data claims-api-kv");
    let left: Value = serde_json::from_str(&world.export()).unwrap();
    let secrets: Vec<&String> = left["secrets"].as_object().unwrap().keys().collect();
    assert_eq!(secrets, ["https://claims-api-kv.vault.azure.net/secrets/sqldbconn"]);
    let resources: Vec<&String> = left["resources"].as_object().unwrap().keys().filter(|id| id.contains("claims-api")).collect();
    assert_eq!(resources.len(), 1, "{resources:?}");
    // This run has no spec, only the state.
    world.podid(&["down", "--yes", "--delete-data", "claims-api-kv"]).ok();
    same("after the second `down`", &before, &world.export());
    assert_eq!(world.listed()["entries"], json!([]));
} }

/// Removes ids, which depend on how often a name was deleted: without them, two exports show whether the worlds are equal.
fn without_ids(export: &str) -> String {
    let mut lines: Vec<String> = export.lines().map(|line| crate::common::without_guids(line).trim_end_matches(',').to_owned()).collect();
    lines.sort();
    lines.join("\n") + "\n"
}

both! { a_deleted_vault_keeps_its_name_until_it_is_recovered, |side| {
    for spec in [LAB_000, LAB_001, LAB_004] {
        let world = World::on(side, context_of(spec));
        let before = world.export();
        world.up(spec, &[]).ok();
        let first = world.export();
        world.down(spec, &["--delete-data", vault_of(spec)]).ok();
        let mark = world.mark();
        world.up(spec, &[]).exits(4).says("--recover");
        assert_eq!(world.writes_since(mark), Vec::<String>::new());
        let up = world.up(spec, &["--recover", "--verify"]).ok();
        assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
        same("after the recovery, but for the new identity's ids", &without_ids(&first), &without_ids(&world.export()));
        world.plan(spec).ok();
        world.down(spec, &["--delete-data", vault_of(spec)]).ok();
        same("after the second `down`", &before, &world.export());
    }
} }

fn keys_and_origins(listed: &Value) -> Vec<(String, String, String)> {
    let entries = listed["entries"].as_array().unwrap();
    let word = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    entries.iter().map(|e| (word(e, "app"), word(e, "key"), word(e, "origin"))).collect()
}

both! { a_lost_state_is_rebuilt_from_the_resources, |side| {
    for spec in [LAB_000, LAB_001, LAB_004] {
        let world = World::on(side, context_of(spec));
        let before = world.export();
        world.up(spec, &[]).ok();
        let known = keys_and_origins(&world.listed());
        assert!(known.len() >= 15, "{known:?}");
        for name in ["state.json", "state.json.bak"] {
            std::fs::remove_file(world.path(&format!(".podid/{name}"))).unwrap();
        }
        assert_eq!(world.listed()["entries"], json!([]));
        let mark = world.mark();
        world.podid(&["state", "rebuild", "-f", spec]).ok();
        assert_eq!(world.writes_since(mark), Vec::<String>::new());
        assert_eq!(keys_and_origins(&world.listed()), known);
        world.plan(spec).ok();
        world.down(spec, &["--delete-data", vault_of(spec)]).ok();
        same("after `down` with a rebuilt state", &before, &world.export());
    }
} }

// A pipeline without a state file recognizes its own objects by marks and names alone.
both! { a_lost_state_does_not_stop_an_up, |side| {
    let world = World::on(side, context_of(LAB_000));
    let before = world.export();
    world.up(LAB_000, &[]).ok();
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    std::fs::remove_file(world.path(".podid/state.json.bak")).unwrap();
    let mark = world.mark();
    world.up(LAB_000, &[]).ok();
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.down(LAB_000, &["--delete-data", vault_of(LAB_000)]).ok();
    same("after `down`", &before, &world.export());
} }

both! { a_saved_plan_is_applied_exactly, |side| {
    let world = World::on(side, context_of(LAB_000));
    world.podid(&["plan", "-f", LAB_000, "--out", "plan.json"]).ok();
    let document: Value = serde_json::from_str(&world.read("plan.json")).unwrap();
    let promised = document["actions"].as_array().unwrap().iter().filter(|a| a["act"] == "create").count();
    assert_eq!(promised, 12);
    let up = world.podid(&["up", "--yes", "-f", LAB_000, "--plan", "plan.json", "-o", "json"]).ok().json();
    assert_eq!(up["summary"]["create"], 12);
    assert_eq!(up["summary"]["failed"], 0);
    world.plan(LAB_000).ok();
} }

both! { an_outdated_saved_plan_is_not_applied, |side| {
    let world = World::on(side, context_of(LAB_000));
    world.podid(&["plan", "-f", LAB_000, "--out", "plan.json"]).ok();
    let identity = format!("{}?api-version=2023-01-31", world.identity_id("claims-api-mid"));
    world.arm("PUT", &identity, Some(json!({ "location": "westeurope", "tags": {} }))).ok();
    let export = world.export();
    let mark = world.mark();
    world.podid(&["up", "--yes", "-f", LAB_000, "--plan", "plan.json"]).exits(4).says("identity/claims-api-mid");
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    same("after a plan that was not kept", &export, &world.export());
} }

both! { a_dry_run_writes_nothing_at_all, |side| {
    let world = World::on(side, context_of(LAB_000));
    let before = world.export();
    world.podid(&["up", "--dry-run", "-f", LAB_000]).ok().says("12 to create");
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "some", "--dry-run"]).ok();
    assert_eq!(world.writes_since(crate::common::log::Mark::default()), Vec::<String>::new());
    assert!(!world.path(".podid/state.json").exists(), "not even a state");
    same("after a dry run", &before, &world.export());
    world.up(LAB_000, &[]).ok();
    let (made, state) = (world.export(), world.read(".podid/state.json"));
    world.podid(&["down", "--dry-run", "--delete-data", "claims-api-kv", "-f", LAB_000]).ok();
    same("after a dry `down`", &made, &world.export());
    same("the state after a dry `down`", &state, &world.read(".podid/state.json"));
} }

both! { both_halves_one_after_the_other_equal_a_full_run, |side| {
    for spec in [LAB_000, LAB_001, LAB_004] {
        let (whole, halves) = (World::on(side, context_of(spec)), World::on(side, context_of(spec)));
        whole.up(spec, &[]).ok();
        halves.up(spec, &["--only", "kubernetes"]).exits(4);
        let mark = halves.mark();
        halves.up(spec, &["--only", "azure"]).ok();
        assert!(halves.since(mark).iter().all(|l| !l.is_cluster()), "the cluster was asked");
        let mark = halves.mark();
        halves.up(spec, &["--only", "kubernetes"]).ok();
        let azure = |l: &&crate::common::log::Line| l.is_write() && !l.is_cluster();
        assert_eq!(halves.since(mark).iter().find(azure), None, "Azure was written");
        same("by halves", &whole.export(), &halves.export());
        halves.plan(spec).ok();
    }
} }

both! { a_workload_removed_from_the_spec_is_pruned, |side| {
    let world = World::on(side, context_of(LAB_000));
    world.up(LAB_000, &[]).ok();
    let with_one = world.export();
    let spec = world.read(LAB_000);
    let more =
        "  - name: reports\n    namespace: dev-reports\n    identity:\n      name: reports-mid\n    secrets:\n      - name: sqldbconn\n";
    world.write("two.yaml", &format!("{spec}{more}"));
    world.up("two.yaml", &["--verify"]).ok().says("proved dev-reports/");
    world.plan(LAB_000).exits(3);
    world.up(LAB_000, &[]).ok();
    same("after the second workload left", &with_one, &world.export());
    world.plan(LAB_000).ok();
} }

both! { json_documents_have_the_documented_shape, |side| {
    let world = World::on(side, context_of(LAB_000));
    let act_counts = |document: &Value, act: &str| document["actions"].as_array().unwrap().iter().filter(|a| a["act"] == act).count();
    let plan = world.podid(&["plan", "-f", LAB_000, "-o", "json"]).ok().json();
    assert_eq!(plan["version"], 1);
    assert_eq!(plan["refused"], json!([]));
    assert_eq!(act_counts(&plan, "create"), 12);
    assert_eq!(plan["summary"], json!({"create":12,"update":0,"replace":0,"delete":0,"adopt":0,"keep":3,"failed":0,"not_started":0}));
    let up = world.up(LAB_000, &["-o", "json", "--verify"]).ok().json();
    assert_eq!(up["version"], 1);
    assert_eq!(up["summary"], plan["summary"]);
    let keys = |document: &Value| document["actions"].as_array().unwrap().iter().map(|a| a["key"].clone()).collect::<Vec<_>>();
    assert_eq!(keys(&up), keys(&plan));
    let again = world.podid(&["plan", "-f", LAB_000, "-o", "json"]).ok().json();
    assert_eq!(again["summary"], json!({"create":0,"update":0,"replace":0,"delete":0,"adopt":0,"keep":15,"failed":0,"not_started":0}));
    world.down(LAB_000, &["--delete-data", "claims-api-kv"]).ok();
    let refused = world.podid(&["plan", "-f", LAB_000, "-o", "json"]).exits(4).json();
    assert_eq!(refused["refused"][0]["key"], "vault/claims-api-kv");
    assert!(refused["refused"][0]["reason"].as_str().unwrap().contains("soft-deleted"));
} }

#[test]
fn an_output_of_a_resource_is_printed_raw() {
    let world = World::new();
    world.up(LAB_004, &[]).ok();
    let id = world.podid(&["output", "identity/aks2kvIdentity", "client_id"]).ok().stdout;
    let shown = world.podid(&["identity", "show", "-g", "podid-lab", "-n", "aks2kvIdentity", "-o", "json"]).ok().json();
    assert_eq!(id.trim_end(), shown["client_id"]);
    assert_eq!(id.trim_end().len(), 36);
    world.podid(&["output", "caller", "object_id"]).ok();
}
