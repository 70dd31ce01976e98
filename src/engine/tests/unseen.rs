//! Resources that could not be read for the plan are read again before they are written, and are kept if they belong to another owner.

use super::{
    kinds::{ID, Leaf, Right, Store},
    lab::{Graph, Lab, graph},
};
use crate::engine::{execute::Report, fault::Fault, input::DependsOn, ledger::Origin, plan::Act};
use serde_json::json;

const PATH: &str = "leaf/store/kv~1/pw";

/// Returns a graph with a leaf in a store, and the right to the store.
fn store_and_leaf() -> Graph {
    let right = Right { what: "read".into(), on: ID.of(&Store::key("kv")), level: 1 };
    let leaf = Leaf { after: Some(DependsOn::of(&Right::key("read"))), ..Leaf::of("kv", "pw", "1") };
    graph().present(Store::key("kv"), &Store { name: "kv".into() }).present(Right::key("read"), &right).present(Leaf::key("pw"), &leaf)
}

/// Makes a world with a store that the caller may not read.
fn lab() -> Lab {
    let lab = Lab::default();
    lab.land.ground().strict = true;
    lab.land.foreign("store/kv", []);
    lab
}

fn refusal(report: &Report) -> &str {
    match report.failed.as_slice() {
        [(key, _, Fault::Refused { reason, .. })] if *key == Leaf::key("pw") => reason,
        other => panic!("{other:?}"),
    }
}

fn did(report: &Report) -> Option<Act> {
    report.done.iter().find(|(key, ..)| *key == Leaf::key("pw")).map(|(_, act, _)| *act)
}

#[tokio::test]
async fn a_foreign_resource_that_differs_is_refused_once_it_can_be_read() {
    let mut lab = lab();
    let theirs = lab.land.foreign(PATH, [("value", json!("theirs"))]);
    let (plan, report) = lab.run(&store_and_leaf()).await;
    assert!(plan.action(&Leaf::key("pw")).unwrap().unseen);
    assert_eq!(refusal(&report), "leaf/pw is there, is not podid's (app shop), and differs in value");
    assert_eq!(lab.land.get(PATH), Some(theirs));
    assert_eq!(lab.origin(&Leaf::key("pw")), None, "it is not recorded as ours");
    assert_eq!(lab.origin(&Right::key("read")), Some(Origin::Created));
    assert_eq!(lab.plan(&store_and_leaf()).await.refused.len(), 1, "the next plan sees it");
}

#[tokio::test]
async fn a_resource_that_was_taken_over_with_consent_is_kept_when_the_app_is_deleted() {
    let mut lab = lab();
    lab.land.foreign(PATH, [("value", json!("theirs"))]);
    lab.consent.adopt = true;
    let (_, report) = lab.run(&store_and_leaf()).await;
    assert_eq!(did(&report), Some(Act::Update));
    assert_eq!(lab.land.get(PATH).unwrap().body["value"], "1");
    assert_eq!(lab.origin(&Leaf::key("pw")), Some(Origin::Adopted));
    lab.down().await;
    assert!(lab.land.get(PATH).is_some());
}

#[tokio::test]
async fn an_equal_resource_is_adopted_and_not_written() {
    let mut lab = lab();
    let theirs = lab.land.foreign(PATH, [("value", json!("1"))]);
    let (plan, report) = lab.run(&store_and_leaf()).await;
    assert_eq!(did(&report), Some(Act::Adopt));
    assert_eq!(report.summary(&plan).adopt, 2, "the store too");
    assert_eq!(lab.land.get(PATH), Some(theirs));
    assert_eq!(lab.origin(&Leaf::key("pw")), Some(Origin::Adopted));
    assert!(!lab.plan(&store_and_leaf()).await.has_changes());
}

#[tokio::test]
async fn an_absent_resource_is_created() {
    let mut lab = lab();
    let (_, report) = lab.run(&store_and_leaf()).await;
    assert_eq!(did(&report), Some(Act::Create));
    assert_eq!(lab.origin(&Leaf::key("pw")), Some(Origin::Created));
    lab.consent.delete_data.insert("kv".into());
    lab.down().await;
    assert_eq!(lab.land.get(PATH), None);
}

#[tokio::test]
async fn a_resource_of_ours_is_updated() {
    let mut lab = Lab::default();
    lab.land.ground().strict = true;
    lab.up(&store_and_leaf()).await;
    lab.land.meddle(PATH, "value", json!("2"));
    lab.land.lose("right/store/kv~1/read");
    let (plan, report) = lab.run(&store_and_leaf()).await;
    assert!(plan.action(&Leaf::key("pw")).unwrap().unseen);
    assert_eq!(did(&report), Some(Act::Update));
    assert_eq!(lab.land.get(PATH).unwrap().body["value"], "1");
    assert_eq!(lab.origin(&Leaf::key("pw")), Some(Origin::Created));
}

#[tokio::test]
async fn a_resource_that_the_plan_took_for_absent_is_not_overwritten_either() {
    let mut lab = Lab::default();
    lab.land.foreign("store/kv", []);
    lab.between = Some(|land| drop(land.foreign(PATH, [("value", json!("theirs"))])));
    let (plan, report) = lab.run(&store_and_leaf()).await;
    assert_eq!(plan.action(&Leaf::key("pw")).unwrap().act, Act::Create);
    refusal(&report);
    assert_eq!(lab.land.get(PATH).unwrap().body["value"], "theirs");
    assert_eq!(lab.origin(&Leaf::key("pw")), None);
}
