//! A run that was killed at any moment, before or after an effect, is completed by the next one, and nothing is created twice.

use super::{
    kinds::{Host, ID, Leaf, Right, Share, Store, words},
    lab::{Graph, Lab, graph},
    toy::{Moment, Thing},
};
use crate::engine::{desired::Condition, input::DependsOn, ledger::Origin, planner::prune};
use serde_json::json;
use std::collections::BTreeMap;

/// Returns a graph with every kind, and a store that requires a right.
pub(super) fn everything(colour: &str, on: &str) -> Graph {
    let read = Right { what: "read".into(), on: ID.of(&Store::key("kv")), level: 1 };
    let leaf = Leaf { after: Some(DependsOn::of(&Right::key("read"))), ..Leaf::of("kv", "pw", colour) };
    graph()
        .present(Host::key("a"), &Host::new("a", colour))
        .present(Host::key("b"), &Host::new("b", colour).on("a"))
        .present(Right::key("enter"), &Right::on(on, "enter"))
        .present(Share::key("bob"), &Share::on(on, "bob", &["get", "list"]))
        .present(Store::key("kv"), &Store { name: "kv".into() })
        .present(Right::key("read"), &read)
        .with(&Right::key("read"), |n| n.when = Some(Condition { ours: Store::key("kv"), or: Some("marked".into()) }))
        .present(Leaf::key("pw"), &leaf)
}

/// Returns all things with their ids, which count creations: two runs with the same result have the same ids.
fn world(lab: &Lab) -> BTreeMap<String, Thing> {
    lab.things()
}

fn moments(lab: &Lab) -> Vec<Moment> {
    let moments = lab.land.ground().moments.clone();
    assert!(moments.len() > 2);
    moments
}

fn strict(moment: &Moment, parallelism: usize) -> Lab {
    let mut lab = Lab { parallelism, ..Lab::after(moment) };
    lab.land.ground().strict = true;
    lab.consent.delete_data.insert("kv".into());
    lab
}

fn fresh(parallelism: usize) -> Lab {
    strict(&Moment { ledger: Default::default(), things: BTreeMap::new(), made: BTreeMap::new() }, parallelism)
}

#[tokio::test]
async fn a_killed_first_run() {
    for parallelism in [1, 4] {
        let mut whole = fresh(parallelism);
        whole.run(&everything("red", "a")).await;
        let moments = moments(&whole);
        assert!(moments.len() >= 22, "before, after, and the effect of seven actions: {}", moments.len());
        for moment in &moments {
            let mut lab = strict(moment, parallelism);
            lab.up(&everything("red", "a")).await;
            assert_eq!(world(&lab), world(&whole));
            assert_eq!(lab.ledger, whole.ledger, "the ledger says the same in the end");
            lab.down().await;
            assert!(lab.paths().is_empty() && lab.ledger.is_empty(), "{:?} {:?}", lab.paths(), lab.ledger);
        }
    }
}

#[tokio::test]
async fn a_killed_first_run_that_is_given_up_leaves_nothing() {
    let mut whole = fresh(4);
    whole.run(&everything("red", "a")).await;
    for moment in &moments(&whole) {
        let mut lab = strict(moment, 4);
        lab.down().await;
        assert!(lab.paths().is_empty() && lab.ledger.is_empty(), "{:?}\n{:?}\nafter {moment:?}", lab.paths(), lab.ledger);
    }
}

#[tokio::test]
async fn a_killed_change() {
    let mut whole = fresh(4);
    whole.up(&everything("red", "a")).await;
    whole.run(&everything("blue", "b")).await;
    for moment in &moments(&whole) {
        let mut lab = strict(moment, 4);
        lab.up(&everything("blue", "b")).await;
        assert_eq!(world(&lab), world(&whole));
        lab.down().await;
        assert!(lab.paths().is_empty() && lab.ledger.is_empty());
    }
}

#[tokio::test]
async fn a_killed_change_that_is_taken_back_given_up_or_changed_again() {
    let mut whole = fresh(4);
    whole.up(&everything("red", "a")).await;
    whole.run(&everything("blue", "b")).await;
    for moment in &moments(&whole) {
        let mut back = strict(moment, 4);
        back.up(&everything("red", "a")).await;
        let places: Vec<_> = back.paths().into_iter().filter(|p| p.starts_with("right/host") || p.starts_with("share")).collect();
        assert_eq!(places, ["right/host/a~1/enter", "share/host/a~1/bob"]);

        let mut down = strict(moment, 4);
        down.down().await;
        assert!(down.paths().is_empty() && down.ledger.is_empty(), "{:?}\nafter {moment:?}", down.paths());

        // a run that is killed twice, in two different changes
        let third = || everything("blue", "c").present(Host::key("c"), &Host::new("c", "blue"));
        let mut again = strict(moment, 4);
        again.run(&third()).await;
        for moment in &moments(&again) {
            let mut lab = strict(moment, 4);
            lab.up(&third()).await;
            let places: Vec<_> = lab.paths().into_iter().filter(|p| p.starts_with("right/host") || p.starts_with("share")).collect();
            assert_eq!(places, ["right/host/c~1/enter", "share/host/c~1/bob"]);
            lab.down().await;
            assert!(lab.paths().is_empty());
        }
    }
}

#[tokio::test]
async fn a_killed_removal() {
    let mut whole = fresh(4);
    whole.up(&everything("red", "a")).await;
    whole.down().await;
    for moment in &moments(&whole) {
        let mut down = strict(moment, 4);
        down.down().await;
        assert!(down.paths().is_empty() && down.ledger.is_empty(), "{:?}", down.paths());

        let mut up = strict(moment, 4);
        up.up(&everything("red", "a")).await;
        up.down().await;
        assert!(up.paths().is_empty() && up.ledger.is_empty(), "{:?}", up.paths());
    }
}

#[tokio::test]
async fn a_killed_pruning() {
    let mut whole = fresh(4);
    whole.up(&everything("red", "a")).await;
    let less = |lab: &Lab| {
        let mut less = graph().present(Host::key("a"), &Host::new("a", "red"));
        prune(&mut less.0, &lab.ledger);
        less
    };
    whole.run(&less(&whole)).await;
    for moment in &moments(&whole) {
        let mut lab = strict(moment, 4);
        lab.up(&less(&lab)).await;
        assert_eq!(lab.paths(), ["host/a"]);
        assert_eq!(lab.land.get("host/a").unwrap().id, "host/a~1");
    }
}

#[tokio::test]
async fn a_killed_adoption_and_extension_never_takes_what_others_put_there() {
    let mut whole = Lab::default();
    whole.up(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    whole.land.foreign("share/host/a~1/bob", [("words", json!(["list"]))]);
    whole.land.foreign("right/host/a~1/enter", [("level", json!(1))]);
    let wanted = || {
        graph()
            .present(Host::key("a"), &Host::new("a", "red"))
            .present(Right::key("enter"), &Right::on("a", "enter"))
            .present(Share::key("bob"), &Share::on("a", "bob", &["get", "list"]))
    };
    whole.run(&wanted()).await;
    for moment in &moments(&whole) {
        for again in [false, true] {
            let mut lab = Lab::after(moment);
            if again {
                lab.up(&wanted()).await;
                assert_eq!(lab.origin(&Right::key("enter")), Some(Origin::Adopted));
                assert_eq!(lab.origin(&Share::key("bob")), Some(Origin::Extended));
            }
            lab.down().await;
            assert_eq!(lab.paths(), ["right/host/a~1/enter", "share/host/a~1/bob"]);
            assert_eq!(words(&lab.land.get("share/host/a~1/bob").unwrap()), ["list"], "again: {again}, after {moment:?}");
        }
    }
}

#[tokio::test]
async fn a_killed_recreation_of_a_lost_resource_is_recognized_as_ours() {
    let wanted = || graph().present(Host::key("a"), &Host::new("a", "red")).present(Right::key("enter"), &Right::on("a", "enter"));
    let mut whole = Lab::default();
    whole.up(&wanted()).await;
    whole.land.lose("right/host/a~1/enter");
    whole.run(&wanted()).await;
    for moment in &moments(&whole) {
        let mut lab = Lab::after(moment);
        lab.up(&wanted()).await;
        assert_eq!(lab.origin(&Right::key("enter")), Some(Origin::Created), "after {moment:?}");
        lab.down().await;
        assert_eq!(lab.paths(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_unmarked_resource_after_a_kill_is_not_ours_if_its_kind_has_marks() {
    let wanted = || graph().present(Host::key("a"), &Host::new("a", "red"));
    let mut whole = Lab::default();
    whole.run(&wanted()).await;
    let begun = moments(&whole).into_iter().find(|m| m.things.is_empty() && !m.ledger.is_empty()).unwrap();
    for again in [false, true] {
        let mut lab = Lab::after(&begun);
        lab.land.foreign("host/a", [("colour", json!("red"))]);
        if again {
            lab.up(&wanted()).await;
            assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Adopted));
        }
        lab.down().await;
        assert_eq!(lab.paths(), ["host/a"]);
    }
}
