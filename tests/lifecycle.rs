//! The labs from nothing to a proof, again, back to nothing, by single commands, and after a hand has been at them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends")]

mod common;

use common::{
    World, same,
    specs::{LAB_000, LAB_004, vault_of},
};

fn proves_and_is_quiet_the_second_time(spec: &str) {
    let world = World::new();
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

#[test]
fn lab_000_is_proved_and_a_second_run_has_nothing_to_do() {
    proves_and_is_quiet_the_second_time(LAB_000);
}

#[test]
fn lab_004_is_proved_and_a_second_run_has_nothing_to_do() {
    proves_and_is_quiet_the_second_time(LAB_004);
}

fn single_commands_do_the_same(spec: &str) {
    let (whole, steps) = (World::new(), World::new());
    whole.up(spec, &["--verify"]).ok();
    let bin = steps.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(common::PODID, bin.join("podid")).unwrap();
    let script = spec.replace(".yaml", ".steps.sh");
    let mut command = steps.program("sh", &[&script]);
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let output = common::Output::of(&["(steps)", &script], command.output().unwrap()).ok();
    assert!(output.last_line().starts_with("proved "), "{}", output.stdout);
    same("by single commands instead of `up`", &whole.export(), &steps.export());
}

#[test]
fn lab_000_by_single_commands_is_the_same_world() {
    single_commands_do_the_same(LAB_000);
}

#[test]
fn lab_004_by_single_commands_is_the_same_world() {
    single_commands_do_the_same(LAB_004);
}

fn down_leaves_the_world_as_it_was(spec: &str) {
    let world = World::new();
    let before = world.export();
    world.up(spec, &["--verify"]).ok();
    world.down(spec, &["--delete-data", vault_of(spec)]).ok();
    same("after `down`", &before, &world.export());
}

#[test]
fn lab_000_down_leaves_the_world_as_it_was() {
    down_leaves_the_world_as_it_was(LAB_000);
}

#[test]
fn lab_004_down_leaves_the_world_as_it_was() {
    down_leaves_the_world_as_it_was(LAB_004);
}
