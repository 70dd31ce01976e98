//! Resources whose place changes: a new one is created, then the old one is deleted, whatever happened in between.

use super::{
    kinds::{Host, Right, Share, words},
    lab::{APP, Graph, Lab, acts, graph, graph_of},
    toy::Broken,
};
use crate::engine::{desired::Requester, ledger::Origin, plan::Act};
use serde_json::json;

fn on(host: &str) -> Graph {
    hosts().present(Right::key("read"), &Right::on(host, "read"))
}

fn hosts() -> Graph {
    ["a", "b", "c"].iter().fold(graph(), |graph, name| graph.present(Host::key(name), &Host::new(name, "red")))
}

fn rights(lab: &Lab) -> Vec<String> {
    lab.paths().into_iter().filter(|p| p.starts_with("right/")).collect()
}

#[tokio::test]
async fn a_moved_resource_is_created_before_the_old_one_is_deleted() {
    let mut lab = Lab::default();
    lab.up(&on("a")).await;
    lab.writes();
    assert_eq!(acts(&lab.up(&on("b")).await), ["replace right/read"]);
    assert_eq!(lab.writes(), ["put right/host/b~1/read", "remove right/host/a~1/read"]);
    let entry = lab.entry(&Right::key("read"));
    assert_eq!((entry.origin, entry.doing, entry.left.len()), (Origin::Created, None, 0));
}

#[tokio::test]
async fn a_former_place_that_was_only_adopted_is_not_deleted() {
    let mut lab = Lab::default();
    lab.up(&hosts()).await;
    lab.land.foreign("right/host/a~1/read", [("level", json!(1))]);
    assert_eq!(acts(&lab.up(&on("a")).await), ["adopt right/read"]);
    assert_eq!(acts(&lab.up(&on("b")).await), ["create right/read"]);
    assert_eq!(rights(&lab), ["right/host/a~1/read", "right/host/b~1/read"]);
}

#[tokio::test]
async fn a_move_does_not_take_over_a_foreign_resource_at_the_new_place() {
    let mut lab = Lab::default();
    lab.up(&on("a")).await;
    lab.land.foreign("right/host/b~1/read", [("level", json!(1))]);
    lab.writes();
    let plan = lab.up(&on("b")).await;
    assert_eq!(acts(&plan), ["replace right/read"]);
    assert_eq!(lab.writes(), ["remove right/host/a~1/read"], "the foreign one is equal: nothing to put");
    assert_eq!(lab.origin(&Right::key("read")), Some(Origin::Adopted));
    lab.down().await;
    assert_eq!(rights(&lab), ["right/host/b~1/read"]);

    let mut differs = Lab::default();
    differs.up(&on("a")).await;
    differs.land.foreign("right/host/b~1/read", [("level", json!(7))]);
    assert_eq!(differs.plan(&on("b")).await.refused.len(), 1);
}

#[tokio::test]
async fn a_move_is_counted_by_itself_and_says_what_is_deleted() {
    let mut lab = Lab::default();
    lab.up(&on("a")).await;
    let plan = lab.plan(&on("b")).await;
    let action = plan.action(&Right::key("read")).unwrap();
    assert_eq!((action.act, action.why.as_deref()), (Act::Replace, Some("the old one is deleted: right/host/a~1/read~1")));
    let summary = plan.summary();
    assert_eq!((summary.replace, summary.update, summary.create, summary.delete), (1, 0, 0, 0));
}

#[tokio::test]
async fn a_former_place_that_another_app_shares_is_handed_over() {
    let mut lab = Lab::default();
    lab.up(&on("a")).await;
    let other = Right { on: "host/a~1".to_owned().into(), ..Right::on("a", "read") };
    lab.up(&graph_of("other", Requester::Spec).present(Right::key("read"), &other)).await;
    assert_eq!(acts(&lab.up(&on("b")).await), ["create right/read"]);
    assert_eq!(rights(&lab), ["right/host/a~1/read", "right/host/b~1/read"]);
    assert_eq!(lab.ledger.get("other", &Right::key("read")).unwrap().origin, Origin::Created);
}

#[tokio::test]
async fn a_moved_extension_removes_only_its_own_additions() {
    let mut lab = Lab::default();
    lab.up(&hosts()).await;
    lab.land.foreign("share/host/a~1/bob", [("words", json!(["list"]))]);
    let share = |host: &str| hosts().present(Share::key("bob"), &Share::on(host, "bob", &["get", "list"]));
    lab.up(&share("a")).await;
    lab.up(&share("b")).await;
    assert_eq!(words(&lab.land.get("share/host/a~1/bob").unwrap()), ["list"]);
    assert_eq!(lab.entry(&Share::key("bob")).outputs["added"], json!(["get", "list"]));
    lab.down().await;
    assert_eq!(lab.paths(), ["share/host/a~1/bob"]);
}

#[tokio::test]
async fn a_move_that_was_killed_between_creation_and_deletion_is_finished_by_the_next_run() {
    let mut lab = Lab::default();
    lab.up(&on("a")).await;
    lab.land.ground().broken.insert("right/host/a~1/read".into(), Broken::Refuses);
    lab.run(&on("b")).await;
    let entry = lab.entry(&Right::key("read"));
    assert_eq!((entry.doing, entry.left.len(), rights(&lab).len()), (Some(Act::Replace), 1, 2));
    lab.land.ground().broken.clear();
    lab.writes();
    assert_eq!(acts(&lab.up(&on("b")).await), ["replace right/read"]);
    assert_eq!(lab.writes(), ["remove right/host/a~1/read"], "the new one is not put again");
    assert_eq!(rights(&lab), ["right/host/b~1/read"]);
}

#[tokio::test]
async fn an_interrupted_move_leaves_nothing_behind_after_a_deletion_or_another_move() {
    let cut = async || {
        let mut lab = Lab::default();
        lab.up(&on("a")).await;
        lab.land.ground().broken.insert("right/host/a~1/read".into(), Broken::Refuses);
        lab.run(&on("b")).await;
        lab.land.ground().broken.clear();
        lab
    };
    let mut down = cut().await;
    down.down().await;
    assert_eq!((down.paths(), down.ledger.is_empty()), (vec![], true));

    let mut gone = cut().await;
    gone.land.lose("right/host/b~1/read");
    gone.down().await;
    assert_eq!((gone.paths(), gone.ledger.is_empty()), (vec![], true));

    let mut on_to_c = cut().await;
    on_to_c.up(&on("c")).await;
    assert_eq!(rights(&on_to_c), ["right/host/c~1/read"]);

    let mut back = cut().await;
    back.up(&on("a")).await;
    assert_eq!(rights(&back), ["right/host/a~1/read"]);
    assert_eq!(back.origin(&Right::key("read")), Some(Origin::Created));
    back.down().await;
    assert_eq!(back.paths(), Vec::<String>::new());

    let mut kept = cut().await;
    let removal = graph_of(APP, Requester::Command).absent(Right::key("read"), &Right::on("b", "read"));
    kept.run(&removal).await;
    assert_eq!(rights(&kept), Vec::<String>::new());
}

#[tokio::test]
async fn a_resource_that_others_created_again_at_the_former_place_is_kept() {
    let mut lab = Lab::default();
    lab.up(&on("a")).await;
    lab.land.lose("right/host/a~1/read");
    lab.land.foreign("right/host/a~1/read", [("level", json!(1))]);
    assert_eq!(acts(&lab.up(&on("b")).await), ["create right/read"]);
    assert_eq!(rights(&lab), ["right/host/a~1/read", "right/host/b~1/read"]);
}
