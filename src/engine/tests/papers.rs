//! Plans and ledgers as JSON.

use super::{
    kinds::{Host, Leaf, Right, Store},
    lab::{Graph, Lab, graph},
    toy::Broken,
};
use crate::engine::{
    ledger::{Entry, Ledger},
    plan::{FORMAT, Plan},
};
use serde_json::{Value, json};

fn wanted() -> Graph {
    graph()
        .present(Host::key("a"), &Host::new("a", "red"))
        .present(Host::key("b"), &Host::new("b", "blue").on("a"))
        .present(Right::key("read"), &Right::on("a", "read"))
        .present(Store::key("kv"), &Store { name: "kv".into() })
        .present(Leaf::key("pw"), &Leaf::of("kv", "pw", "1"))
}

fn paper(plan: &Plan) -> Value {
    serde_json::to_value(plan).unwrap()
}

#[tokio::test]
async fn a_saved_plan_equals_the_one_that_is_made_again_and_not_another() {
    let mut lab = Lab::default();
    for _ in 0..2 {
        let saved: Plan = serde_json::from_value(paper(&lab.plan(&wanted()).await)).unwrap();
        assert_eq!(saved, lab.plan(&wanted()).await);
        lab.run(&wanted()).await;
        assert_ne!(saved, lab.plan(&wanted()).await, "reality moved");
        lab.land.meddle("host/a", "colour", json!("grey"));
    }
}

#[tokio::test]
async fn a_serialized_plan_has_its_version_and_no_data_for_the_execution() {
    let mut lab = Lab::default();
    let plan = paper(&lab.plan(&wanted()).await);
    assert_eq!((plan["version"].clone(), plan["app"].clone()), (json!(FORMAT), json!("shop")));
    let first = &plan["actions"][0];
    let words: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(words, ["key", "act", "changes", "commands", "kind", "origin"]);
    assert_eq!((first["key"].clone(), first["act"].clone()), (json!("host/a"), json!("create")));
    lab.up(&wanted()).await;
    // the document does not contain what was observed either
    assert!(!paper(&lab.plan(&wanted()).await).to_string().contains("host/a~1"));
}

#[tokio::test]
async fn two_plans_of_one_graph_are_the_same_bytes() {
    let lab = Lab::default();
    assert_eq!(paper(&lab.plan(&wanted()).await).to_string(), paper(&lab.plan(&wanted()).await).to_string());
}

fn round(ledger: &Ledger) -> Ledger {
    let entries: Vec<&Entry> = ledger.entries().collect();
    let text = serde_json::to_string(&entries).unwrap();
    serde_json::from_str::<Vec<Entry>>(&text).unwrap().into_iter().collect()
}

#[tokio::test]
async fn every_ledger_that_a_run_saves_is_unchanged_after_serialization() {
    let mut lab = Lab::default();
    lab.run(&wanted()).await;
    let moved = || wanted().present(Right::key("go"), &Right::on("b", "go"));
    lab.run(&moved()).await;
    lab.land.ground().broken.insert("right/host/b~1/go".into(), Broken::Refuses);
    let away = wanted().present(Right::key("go"), &Right::on("a", "go"));
    lab.run(&away).await;
    assert_eq!(lab.entry(&Right::key("go")).left.len(), 1, "with a former place in it");
    let moments = lab.land.ground().moments.clone();
    for moment in &moments {
        assert_eq!(round(&moment.ledger), moment.ledger);
    }
    // a run that starts from a document goes on as well
    lab.ledger = round(&lab.ledger);
    lab.land.ground().broken.clear();
    lab.up(&away).await;
    assert!(!lab.paths().contains(&"right/host/b~1/go".to_owned()));
}

#[tokio::test]
async fn the_ledger_keeps_references_and_the_values_they_had() {
    let mut lab = Lab::default();
    lab.up(&wanted()).await;
    let entry = lab.entry(&Host::key("b"));
    assert_eq!(entry.spec["on"], json!([{ "$from": "host/a#id" }]));
    assert_eq!(entry.placed["on"], json!(["host/a~1"]));
    assert_eq!(entry.outputs["id"], json!("host/b~1"));
}
