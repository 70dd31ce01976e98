//! From a desired graph and a world to a plan.

use super::{
    kinds::{Gate, Host, ID, Leaf, OPEN, Right, Store},
    lab::{Lab, acts, graph},
};
use crate::engine::{
    desired::{Condition, Desired, Intent, Requester},
    fault::Fault,
    input::DependsOn,
    ledger::Origin,
    plan::Act,
};
use serde_json::json;

#[tokio::test]
async fn references_give_the_order_whatever_the_names_are() {
    let mut lab = Lab::default();
    let last = Host { after: vec![DependsOn::of(&Host::key("m"))], ..Host::new("a", "red") };
    let graph = graph()
        .present(Host::key("a"), &last)
        .present(Host::key("m"), &Host::new("m", "red").on("z"))
        .present(Host::key("z"), &Host::new("z", "red"));
    let plan = lab.up(&graph).await;
    assert_eq!(acts(&plan), ["create host/z", "create host/m", "create host/a"]);
    assert_eq!(plan.action(&Host::key("a")).unwrap().after, [Host::key("m")]);
    assert_eq!(lab.writes(), ["put host/z", "put host/m", "put host/a"]);
    assert_eq!(lab.land.get("host/m").unwrap().body["on"], json!(["host/z~1"]), "the value was put in when it was known");
}

#[tokio::test]
async fn a_resource_without_a_known_place_counts_as_absent() {
    let mut lab = Lab::default();
    let graph = graph().present(Host::key("a"), &Host::new("a", "red")).present(Right::key("read"), &Right::on("a", "read"));
    let plan = lab.up(&graph).await;
    assert_eq!(acts(&plan), ["create host/a", "create right/read"]);
    assert_eq!(lab.paths(), ["host/a", "right/host/a~1/read"]);
}

#[tokio::test]
async fn a_creation_shows_what_it_sets_and_what_is_not_known_yet() {
    let lab = Lab::default();
    let graph = graph().present(Host::key("a"), &Host::new("a", "red")).present(Host::key("b"), &Host::new("b", "blue").on("a"));
    let plan = lab.plan(&graph).await;
    let changes = &plan.action(&Host::key("b")).unwrap().changes;
    let shown: Vec<_> = changes.iter().map(|c| (c.field.as_str(), c.from.clone(), c.to.clone())).collect();
    assert_eq!(shown, [("colour", json!(null), json!("blue")), ("on", json!(null), json!(["(after host/a)"]))], "null is left out");
    assert_eq!(plan.action(&Host::key("b")).unwrap().commands, ["toy host b --colour blue"]);
}

#[tokio::test]
async fn only_the_field_that_differs_is_updated() {
    let mut lab = Lab::default();
    let graph = graph().present(Host::key("a"), &Host::new("a", "red")).present(Host::key("b"), &Host::new("b", "red").on("a"));
    lab.up(&graph).await;
    lab.land.meddle("host/b", "colour", json!("grey"));
    let plan = lab.up(&graph).await;
    assert_eq!(acts(&plan), ["update host/b"]);
    let change = &plan.action(&Host::key("b")).unwrap().changes[0];
    assert_eq!((change.field.as_str(), &change.from, &change.to), ("colour", &json!("grey"), &json!("red")));
}

#[tokio::test]
async fn a_lost_resource_is_created_again_with_those_that_refer_to_it() {
    let mut lab = Lab::default();
    let graph = graph()
        .present(Host::key("a"), &Host::new("a", "red"))
        .present(Host::key("b"), &Host::new("b", "red").on("a"))
        .present(Host::key("c"), &Host::new("c", "red"))
        .present(Right::key("read"), &Right::on("a", "read"));
    lab.up(&graph).await;
    lab.land.lose("host/a");
    let plan = lab.up(&graph).await;
    assert_eq!(acts(&plan), ["create host/a", "update host/b", "replace right/read"]);
    assert_eq!(lab.paths(), ["host/a", "host/b", "host/c", "right/host/a~2/read"]);
}

#[tokio::test]
async fn a_missing_resource_that_must_exist_is_refused_with_a_hint() {
    let lab = Lab::default();
    let graph = graph()
        .node(Gate::key("north"), &Gate { name: "north".into() }, Intent::Existing)
        .present(Host::key("a"), &Host { on: vec![ID.of(&Gate::key("north"))], ..Host::new("a", "red") });
    let plan = lab.plan(&graph).await;
    assert_eq!(plan.refused.len(), 1);
    assert_eq!(plan.refused[0].reason, "the gate north is not there");
    assert_eq!(plan.refused[0].way_out.as_deref(), Some("Build it first."));

    lab.land.foreign("gate/north", []);
    let plan = lab.plan(&graph).await;
    assert_eq!(plan.refused, []);
    assert_eq!(plan.action(&Gate::key("north")).unwrap().act, Act::Keep);
}

#[tokio::test]
async fn an_existing_resource_is_read_and_never_changed() {
    let mut lab = Lab::default();
    lab.land.foreign("host/a", [("colour", json!("grey"))]);
    let graph =
        graph().node(Host::key("a"), &Host::new("a", "red"), Intent::Existing).present(Host::key("b"), &Host::new("b", "red").on("a"));
    lab.up(&graph).await;
    assert_eq!(lab.land.get("host/a").unwrap().body["colour"], "grey");
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Existing));
    lab.down().await;
    assert_eq!(lab.paths(), ["host/a"]);
    assert!(lab.ledger.is_empty(), "{:?}", lab.ledger);
}

#[tokio::test]
async fn reading_a_resource_does_not_change_its_owner() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    let reads = graph().node(Host::key("a"), &Host::new("a", "red"), Intent::Existing);
    lab.up(&reads).await;
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Created));
}

#[tokio::test]
async fn an_optional_resource_is_read_if_it_exists() {
    let mut lab = Lab::default();
    let graph =
        graph().node(Gate::key("north"), &Gate { name: "north".into() }, Intent::Optional).present(Host::key("a"), &Host::new("a", "red"));
    let plan = lab.up(&graph).await;
    assert_eq!(plan.refused, []);
    assert!(plan.action(&Gate::key("north")).is_none());
    lab.land.foreign("gate/north", []);
    assert_eq!(lab.up(&graph).await.action(&Gate::key("north")).unwrap().act, Act::Keep);
}

#[tokio::test]
async fn an_assumed_resource_comes_from_the_ledger_and_is_not_observed() {
    let mut lab = Lab::default();
    let whole = graph().present(Host::key("a"), &Host::new("a", "red"));
    let half =
        || graph().node(Host::key("a"), &Host::new("a", "red"), Intent::Assumed).present(Host::key("b"), &Host::new("b", "red").on("a"));
    let plan = lab.plan(&half()).await;
    assert_eq!(plan.refused[0].key, Host::key("a"), "the state does not know it");

    lab.up(&whole).await;
    lab.land.lose("host/a");
    lab.up(&half()).await;
    assert_eq!(lab.land.get("host/b").unwrap().body["on"], json!(["host/a~1"]));
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Created), "the ledger's word on it stays");
}

fn store_and_leaf(right: bool) -> super::lab::Graph {
    let store = Store { name: "kv".into() };
    let on_store = Right { what: "read".into(), on: ID.of(&Store::key("kv")), level: 1 };
    let after = right.then(|| DependsOn::of(&Right::key("read")));
    let graph = graph().present(Store::key("kv"), &store);
    let graph = if right { graph.present(Right::key("read"), &on_store) } else { graph };
    graph.present(Leaf::key("pw"), &Leaf { after, ..Leaf::of("kv", "pw", "1") })
}

#[tokio::test]
async fn an_unreadable_resource_is_planned_if_the_plan_grants_the_permission() {
    let mut lab = Lab::default();
    lab.land.ground().strict = true;
    lab.up(&store_and_leaf(true)).await;
    let right = lab.paths().into_iter().find(|p| p.starts_with("right/")).unwrap();
    lab.land.lose(&right);
    let plan = lab.up(&store_and_leaf(true)).await;
    assert_eq!(acts(&plan), ["create right/read", "update leaf/pw"]);
    let action = plan.action(&Leaf::key("pw")).unwrap();
    assert!(action.unseen);
    assert_eq!(action.changes[0].from, json!(null));
    assert_eq!(action.changes[0].to, json!("1 (compared once podid may read store/kv)"));
    assert_eq!(lab.land.get("leaf/store/kv~1/pw").unwrap().id, "leaf/store/kv~1/pw~1", "it is the same leaf");
}

#[tokio::test]
async fn an_unreadable_resource_without_a_grant_in_the_plan_is_a_fault() {
    let lab = Lab::default();
    lab.land.ground().strict = true;
    lab.land.foreign("store/kv", []);
    let graph = graph()
        .node(Store::key("kv"), &Store { name: "kv".into() }, Intent::Existing)
        .present(Host::key("h"), &Host::new("h", "red"))
        .present(Leaf::key("pw"), &Leaf { after: Some(DependsOn::of(&Right::key("unknown"))), ..Leaf::of("kv", "pw", "1") });
    let fault = lab.try_plan(&graph).await.err().unwrap();
    assert!(matches!(fault, Fault::Cloud(_)), "{fault}");
}

#[tokio::test]
async fn an_unreadable_resource_that_must_exist_is_a_fault_and_not_missing() {
    let lab = Lab::default();
    lab.land.ground().strict = true;
    lab.land.foreign("store/kv", []);
    let graph = graph().node(Store::key("kv"), &Store { name: "kv".into() }, Intent::Existing).node(
        Leaf::key("pw"),
        &Leaf::of("kv", "pw", "1"),
        Intent::Existing,
    );
    let fault = lab.try_plan(&graph).await.err().unwrap();
    assert_eq!(fault.to_string(), "no right on store/kv~1");
}

#[tokio::test]
async fn all_faults_of_a_pass_are_returned_and_dependent_nodes_are_not_observed() {
    let lab = Lab::default();
    let mut graph = graph()
        .present(Host::key("a"), &Host::new("a", "red"))
        .present(Host::key("b"), &Host::new("b", "red"))
        .present(Host::key("c"), &Host::new("c", "red").on("b"));
    graph.0.nodes.get_mut(&Host::key("b")).unwrap().kind = "ghost".into();
    let faults = lab.look(&graph).await.err().unwrap();
    assert_eq!(faults.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>(), [Host::key("b")]);
}

#[tokio::test]
async fn a_circular_graph_is_reported_and_does_not_hang() {
    let lab = Lab::default();
    let graph = graph().present(Host::key("a"), &Host::new("a", "red").on("b")).present(Host::key("b"), &Host::new("b", "red").on("a"));
    assert!(matches!(lab.try_plan(&graph).await, Err(Fault::Bug(_))));
}

#[test]
fn the_same_key_with_two_meanings_is_refused() {
    let mut desired = Desired::new("shop", Requester::Spec);
    desired.add(Host::key("a"), &Host::new("a", "red"), Intent::Existing).unwrap();
    desired.add(Host::key("a"), &Host::new("a", "red"), Intent::Present).unwrap();
    assert_eq!(desired.nodes[&Host::key("a")].intent, Intent::Present, "who wants it made has the last word");
    assert!(matches!(desired.add(Host::key("a"), &Host::new("a", "blue"), Intent::Present), Err(Fault::Refused { .. })));
}

#[tokio::test]
async fn a_conditional_resource_is_created_and_deleted_with_its_condition() {
    let right = Right { what: "read".into(), on: ID.of(&Store::key("kv")), level: 1 };
    let graph = || {
        graph()
            .present(Store::key("kv"), &Store { name: "kv".into() })
            .present(Right::key("read"), &right)
            .with(&Right::key("read"), |n| n.when = Some(Condition { ours: Store::key("kv"), or: Some(OPEN.into()) }))
    };
    let mut foreign = Lab::default();
    foreign.land.foreign("store/kv", []);
    assert_eq!(acts(&foreign.up(&graph()).await), ["adopt store/kv"]);
    for (open, acted) in [(false, vec![]), (true, vec!["create right/read"])] {
        foreign.land.meddle("store/kv", OPEN, open.into());
        assert_eq!(acts(&foreign.up(&graph()).await), acted, "or what it publishes says so");
    }

    let mut ours = Lab::default();
    assert_eq!(acts(&ours.up(&graph()).await), ["create store/kv", "create right/read"]);
    // it is not ours any more: the state forgot it, and its mark was removed
    ours.ledger.forget("shop", &Store::key("kv"));
    ours.land.ground().things.get_mut("store/kv").unwrap().tag = None;
    assert_eq!(acts(&ours.up(&graph()).await), ["adopt store/kv", "delete right/read"]);
    assert_eq!(ours.paths(), ["store/kv"]);
}
