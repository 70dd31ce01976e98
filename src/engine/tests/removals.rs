//! What is deleted, what is kept although it was to be deleted, and in which order.

use super::{
    kinds::{Gate, Host, ID, KINDS, Leaf, Right, Store},
    lab::{APP, Graph, Lab, acts, graph, graph_of, why},
};
use crate::engine::{
    desired::{Intent, Requester},
    fault::Fault,
    ledger::Origin,
    plan::Act,
    planner::{all_absent, prune, remembered},
};

fn chain() -> Graph {
    graph()
        .present(Host::key("a"), &Host::new("a", "red").on("z"))
        .present(Host::key("m"), &Host::new("m", "red").on("a"))
        .present(Host::key("z"), &Host::new("z", "red"))
        .present(Right::key("read"), &Right::on("m", "read"))
}

#[tokio::test]
async fn a_deletion_is_in_reverse_order_and_leaves_nothing() {
    let mut lab = Lab::default();
    lab.up(&chain()).await;
    lab.writes();
    let plan = lab.down().await;
    assert_eq!(acts(&plan), ["delete right/read", "delete host/m", "delete host/a", "delete host/z"]);
    assert_eq!(lab.writes(), ["remove right/host/m~1/read", "remove host/m", "remove host/a", "remove host/z"]);
    assert!(lab.ledger.is_empty() && lab.paths().is_empty());
}

#[tokio::test]
async fn a_resource_to_delete_is_found_after_its_parent_was_deleted() {
    let mut lab = Lab::default();
    lab.up(&chain()).await;
    lab.land.lose("host/m");
    let plan = lab.down().await;
    assert_eq!(acts(&plan), ["delete right/read", "forget host/m", "delete host/a", "delete host/z"]);
    assert_eq!(why(&plan, &Host::key("m")), "gone already");
    assert!(lab.ledger.is_empty() && lab.paths().is_empty());
}

#[tokio::test]
async fn needs_of_a_kept_resource_are_kept_too() {
    let mut lab = Lab::default();
    lab.up(&chain()).await;
    let hosts = graph_of(APP, Requester::Command)
        .absent(Host::key("a"), &Host::new("a", "red").on("z"))
        .absent(Host::key("m"), &Host::new("m", "red").on("a"))
        .absent(Host::key("z"), &Host::new("z", "red"));
    let (plan, _) = lab.run(&hosts).await;
    assert_eq!(acts(&plan), Vec::<String>::new());
    assert_eq!(why(&plan, &Host::key("m")), "right/read needs it");
    assert_eq!(why(&plan, &Host::key("z")), "host/a needs it");
    assert_eq!(lab.entry(&Host::key("z")).by, Requester::Spec, "to be asked to go does not make it the command's");
    let right = graph_of(APP, Requester::Command).absent(Right::key("read"), &Right::on("m", "read"));
    lab.run(&right).await;
    assert_eq!(acts(&lab.run(&hosts).await.0).len(), 3);
}

#[tokio::test]
async fn a_resource_that_a_changed_spec_no_longer_refers_to_is_deleted_in_the_same_run() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("old"), &Host::new("old", "red")).present(Host::key("b"), &Host::new("b", "red").on("old"))).await;
    let mut changed = graph().present(Host::key("new"), &Host::new("new", "red")).present(Host::key("b"), &Host::new("b", "red").on("new"));
    prune(&mut changed.0, &lab.ledger);
    assert_eq!(acts(&lab.up(&changed).await), ["create host/new", "update host/b", "delete host/old"]);
}

#[tokio::test]
async fn only_resources_that_a_spec_requested_are_pruned() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &Host::new("a", "red")).present(Host::key("b"), &Host::new("b", "red"))).await;
    lab.up(&graph_of(APP, Requester::Command).present(Host::key("c"), &Host::new("c", "red"))).await;
    let mut less = graph().present(Host::key("a"), &Host::new("a", "red"));
    prune(&mut less.0, &lab.ledger);
    assert_eq!(acts(&lab.up(&less).await), ["delete host/b"]);
    assert_eq!(lab.paths(), ["host/a", "host/c"]);
}

#[tokio::test]
async fn a_resource_with_foreign_content_is_kept_with_a_reason() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    lab.land.meddle("host/a", "guest", "a guest".into());
    let plan = lab.down().await;
    assert_eq!(why(&plan, &Host::key("a")), "it holds \"a guest\"");
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Created), "it is still ours");
    lab.land.ground().things.get_mut("host/a").unwrap().body.remove("guest");
    lab.down().await;
    assert!(lab.ledger.is_empty() && lab.paths().is_empty());
}

fn data() -> Graph {
    graph().present(Store::key("kv"), &Store { name: "kv".into() }).present(Leaf::key("pw"), &Leaf::of("kv", "pw", "1"))
}

#[tokio::test]
async fn a_holder_of_data_stays_with_its_content_unless_it_is_named() {
    let mut lab = Lab::default();
    lab.up(&data()).await;
    let plan = lab.down().await;
    assert_eq!(acts(&plan), Vec::<String>::new());
    assert_eq!(why(&plan, &Store::key("kv")), "it holds data: `--delete-data kv` deletes it");
    assert_eq!(why(&plan, &Leaf::key("pw")), "stays in store/kv");
    assert_eq!(lab.origin(&Leaf::key("pw")), Some(Origin::Created));

    lab.consent.delete_data.insert("kv".into());
    lab.writes();
    let plan = lab.down().await;
    assert_eq!(acts(&plan), ["forget leaf/pw", "delete store/kv"]);
    assert_eq!(why(&plan, &Leaf::key("pw")), "goes with store/kv");
    assert_eq!(lab.writes(), ["remove store/kv"]);
    assert!(lab.ledger.is_empty() && lab.paths().is_empty());
}

#[tokio::test]
async fn content_in_a_foreign_holder_is_deleted_only_with_consent() {
    for consent in ["pw", "PW", "kv"] {
        let mut lab = Lab::default();
        lab.land.foreign("store/kv", []);
        lab.up(&data()).await;
        let plan = lab.down().await;
        assert_eq!(acts(&plan), Vec::<String>::new());
        assert_eq!(why(&plan, &Leaf::key("pw")), "it is data: `--delete-data pw` deletes it");
        assert_eq!(lab.origin(&Leaf::key("pw")), Some(Origin::Created), "it is still podid's");
        lab.consent.delete_data.insert(consent.into());
        assert_eq!(acts(&lab.down().await), ["delete leaf/pw"], "{consent}");
        assert_eq!(lab.paths(), ["store/kv"]);
    }
}

#[tokio::test]
async fn content_that_a_spec_no_longer_has_is_kept_without_consent() {
    let mut lab = Lab::default();
    lab.up(&data()).await;
    let mut less = graph().present(Store::key("kv"), &Store { name: "kv".into() });
    prune(&mut less.0, &lab.ledger);
    let plan = lab.up(&less).await;
    assert_eq!((acts(&plan), why(&plan, &Leaf::key("pw"))), (Vec::new(), "it is data: `--delete-data pw` deletes it"));
    lab.consent.delete_data.insert("other".into());
    assert_eq!(acts(&lab.up(&less).await), Vec::<String>::new(), "other data");
    lab.consent.delete_data.insert("pw".into());
    assert_eq!(acts(&lab.up(&less).await), ["delete leaf/pw"]);
}

#[tokio::test]
async fn content_that_a_command_names_is_deleted_alone() {
    let mut lab = Lab::default();
    lab.up(&data()).await;
    let one = graph_of(APP, Requester::Command)
        .node(Store::key("kv"), &Store { name: "kv".into() }, Intent::Existing)
        .absent(Leaf::key("pw"), &Leaf::of("kv", "pw", "1"));
    lab.consent.named.insert(Leaf::key("pw"));
    assert_eq!(acts(&lab.run(&one).await.0), ["delete leaf/pw"]);
    assert_eq!(lab.origin(&Store::key("kv")), Some(Origin::Created));
}

#[tokio::test]
async fn an_unreadable_resource_is_not_taken_for_deleted() {
    let mut kept = Lab::default();
    kept.up(&data()).await;
    kept.land.ground().strict = true;
    let plan = kept.down().await;
    assert_eq!(why(&plan, &Leaf::key("pw")), "stays in store/kv");
    assert_eq!(kept.origin(&Leaf::key("pw")), Some(Origin::Created));
    kept.consent.delete_data.insert("kv".into());
    assert_eq!(acts(&kept.down().await), ["forget leaf/pw", "delete store/kv"]);

    let mut lab = Lab::default();
    lab.land.foreign("store/kv", []);
    lab.up(&data()).await;
    lab.land.ground().strict = true;
    assert!(matches!(lab.try_plan(&lab.nothing()).await, Err(Fault::Cloud(_))), "nothing would take the leaf along");
}

#[tokio::test]
async fn without_a_ledger_the_spec_and_the_marks_say_what_is_to_go() {
    let mut lab = Lab::default();
    lab.land.foreign("gate/north", []);
    let wanted = || {
        chain()
            .node(Gate::key("north"), &Gate { name: "north".into() }, Intent::Existing)
            .present(Host::key("g"), &Host { on: vec![ID.of(&Gate::key("north"))], ..Host::new("g", "red") })
            .with(&Right::key("read"), |n| n.follows = Some(Host::key("m")))
    };
    lab.up(&wanted()).await;
    lab.ledger = Default::default();
    let absent = Graph(all_absent(APP, &lab.ledger, Some(wanted().0), KINDS).unwrap());
    let (plan, report) = lab.run(&absent).await;
    assert_eq!(report.failed.len(), 0);
    assert_eq!(plan.action(&Gate::key("north")).map(|a| a.act), Some(Act::Keep), "read, as others are found by it");
    assert_eq!(lab.paths(), ["gate/north"]);
}

#[tokio::test]
async fn the_graph_of_the_ledger_is_as_it_was_wanted() {
    let mut lab = Lab::default();
    lab.land.foreign("gate/north", []);
    lab.up(&chain().node(Gate::key("north"), &Gate { name: "north".into() }, Intent::Existing)).await;
    let graph = Graph(remembered(APP, &lab.ledger));
    assert_eq!(graph.0.nodes[&Gate::key("north")].intent, Intent::Existing);
    assert_eq!(lab.acts(&graph).await, Vec::<String>::new());
    lab.land.lose("host/m");
    assert_eq!(lab.acts(&graph).await, ["create host/m", "replace right/read"]);
}
