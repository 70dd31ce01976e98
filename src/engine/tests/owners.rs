//! Ownership: resources that were created, adopted, extended, taken over, shared, or follow another one.

use super::{
    kinds::{Host, Leaf, Right, Share, Store, words},
    lab::{APP, Lab, acts, graph, graph_of, why},
};
use crate::engine::{desired::Requester, ledger::Origin, plan::Act};
use serde_json::json;

#[tokio::test]
async fn a_foreign_thing_that_is_equal_is_adopted_without_a_write_and_stays_when_the_app_goes() {
    let mut lab = Lab::default();
    lab.land.foreign("host/a", [("colour", json!("red"))]);
    let before = (lab.things(), lab.writes()).0;
    let plan = lab.up(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    assert_eq!(acts(&plan), ["adopt host/a"]);
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Adopted));
    let plan = lab.down().await;
    assert_eq!(why(&plan, &Host::key("a")), "it was there before podid: not podid's to delete");
    assert_eq!((lab.things(), lab.writes()), (before, vec![]));
    assert!(lab.ledger.is_empty());
}

#[tokio::test]
async fn a_foreign_thing_that_differs_is_refused_without_adopt() {
    let mut lab = Lab::default();
    lab.land.foreign("host/a", [("colour", json!("grey"))]);
    let graph = graph().present(Host::key("a"), &Host::new("a", "red"));
    let plan = lab.plan(&graph).await;
    assert_eq!(plan.actions, []);
    assert_eq!(plan.refused[0].reason, "host/a is there, is not podid's (app shop), and differs in colour");
    assert!(plan.refused[0].way_out.as_ref().unwrap().contains("--adopt"));

    lab.consent.adopt = true;
    assert_eq!(acts(&lab.up(&graph).await), ["update host/a"]);
    let host = lab.land.get("host/a").unwrap();
    assert_eq!((host.body["colour"].clone(), host.tag), (json!("red"), None), "it is made as wanted, and not marked as ours");
    lab.down().await;
    assert_eq!(lab.paths(), ["host/a"]);
}

#[tokio::test]
async fn a_resource_with_the_mark_of_the_app_is_ours_without_a_ledger() {
    let mut lab = Lab::default();
    let graph = graph().present(Host::key("a"), &Host::new("a", "red"));
    lab.up(&graph).await;
    lab.ledger = Default::default();
    lab.land.meddle("host/a", "colour", json!("grey"));
    assert_eq!(acts(&lab.up(&graph).await), ["update host/a"], "no consent is needed");
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Created));
    lab.down().await;
    assert_eq!(lab.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_recorded_resource_without_its_mark_is_ours_unless_others_created_it_again() {
    let wanted = || graph().present(Host::key("a"), &Host::new("a", "red"));
    let mut lab = Lab::default();
    lab.up(&wanted()).await;
    lab.land.ground().things.get_mut("host/a").unwrap().tag = None;
    assert_eq!(lab.acts(&lab.nothing()).await, ["delete host/a"]);

    lab.land.lose("host/a");
    lab.land.foreign("host/a", [("colour", json!("red"))]);
    assert_eq!(lab.acts(&lab.nothing()).await, Vec::<String>::new(), "another one, of somebody else");
    lab.up(&wanted()).await;
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Adopted));
}

#[tokio::test]
async fn marks_of_another_app_outweigh_the_state() {
    let red = || Host::new("a", "red");
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &red())).await;
    // the state was copied or edited: it has a resource that another app created, with its id
    lab.land.ground().things.get_mut("host/a").unwrap().tag = Some("bank".into());
    let plan = lab.plan(&lab.nothing()).await;
    assert_eq!(acts(&plan), Vec::<String>::new());
    let said = "it carries the marks of app bank, although the state says that podid made it for this app: not podid's to delete";
    assert_eq!(why(&plan, &Host::key("a")), said);
    // if it is wanted and equal it is only used, and the plan has a note about that
    let same = lab.plan(&graph().present(Host::key("a"), &red())).await;
    assert_eq!((acts(&same), why(&same, &Host::key("a"))), (Vec::new(), said.split(": not").next().unwrap()));
    // it is neither changed nor deleted for a replacement
    let plan = lab.plan(&graph().present(Host::key("a"), &Host::new("a", "blue"))).await;
    assert_eq!((acts(&plan), plan.refused.len()), (Vec::new(), 1), "{plan:?}");
    lab.down().await;
    assert_eq!(lab.paths(), ["host/a"]);
    assert!(lab.ledger.is_empty());
}

#[tokio::test]
async fn an_entry_of_others_is_extended_without_consent_and_only_what_was_added_goes() {
    let mut lab = Lab::default();
    let host = graph().present(Host::key("a"), &Host::new("a", "red"));
    lab.up(&host).await;
    lab.land.foreign("share/host/a~1/bob", [("words", json!(["list"]))]);
    let graph =
        graph().present(Host::key("a"), &Host::new("a", "red")).present(Share::key("bob"), &Share::on("a", "bob", &["get", "list"]));
    let plan = lab.up(&graph).await;
    assert_eq!(acts(&plan), ["update share/bob"]);
    assert_eq!(lab.origin(&Share::key("bob")), Some(Origin::Extended));
    assert_eq!(lab.entry(&Share::key("bob")).outputs["added"], json!(["get"]));

    lab.land.meddle("share/host/a~1/bob", "words", json!(["get", "list", "set"]));
    assert_eq!(acts(&lab.down().await), ["delete share/bob", "delete host/a"]);
    assert_eq!(words(&lab.land.get("share/host/a~1/bob").unwrap()), ["list", "set"]);
    assert!(lab.ledger.is_empty());
}

#[tokio::test]
async fn an_entry_that_podid_created_is_deleted_whole_unless_others_extended_it() {
    let mut lab = Lab::default();
    let graph = graph().present(Host::key("a"), &Host::new("a", "red")).present(Share::key("bob"), &Share::on("a", "bob", &["get"]));
    lab.up(&graph).await;
    assert_eq!(lab.origin(&Share::key("bob")), Some(Origin::Created));
    lab.down().await;
    assert_eq!(lab.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn an_extended_thing_that_is_kept_for_another_is_not_forgotten() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    lab.land.foreign("share/host/a~1/bob", [("words", json!(["list"]))]);
    let needs_it = Host { after: vec![crate::engine::input::DependsOn::of(&Share::key("bob"))], ..Host::new("b", "red") };
    let all = graph()
        .present(Host::key("a"), &Host::new("a", "red"))
        .present(Share::key("bob"), &Share::on("a", "bob", &["get"]))
        .present(Host::key("b"), &needs_it);
    lab.up(&all).await;
    let remove = graph_of(APP, Requester::Command).absent(Share::key("bob"), &Share::on("a", "bob", &["get"]));
    let (plan, _) = lab.run(&remove).await;
    assert_eq!(why(&plan, &Share::key("bob")), "host/b needs it");
    assert_eq!(lab.origin(&Share::key("bob")), Some(Origin::Extended));
    lab.down().await;
    assert_eq!(words(&lab.land.get("share/host/a~1/bob").unwrap()), ["list"]);
}

#[tokio::test]
async fn resources_without_marks_follow_the_owner_of_their_parent() {
    let wanted = |follows: bool| {
        let graph = graph().present(Host::key("a"), &Host::new("a", "red")).present(Right::key("read"), &Right::on("a", "read"));
        if follows { graph.with(&Right::key("read"), |n| n.follows = Some(Host::key("a"))) } else { graph }
    };
    for (follows, origin) in [(true, Origin::Created), (false, Origin::Adopted)] {
        let mut lab = Lab::default();
        lab.up(&wanted(follows)).await;
        lab.ledger = Default::default();
        lab.up(&wanted(follows)).await;
        assert_eq!(lab.origin(&Right::key("read")), Some(origin), "follows: {follows}");
    }
    let mut foreign = Lab::default();
    foreign.land.foreign("host/a", [("colour", json!("red"))]);
    foreign.land.foreign("right/host/a~1/read", [("level", json!(1))]);
    foreign.up(&wanted(true)).await;
    assert_eq!(foreign.origin(&Right::key("read")), Some(Origin::Adopted), "it follows something that is not ours");
}

#[tokio::test]
async fn a_resource_of_two_apps_is_handed_over_and_deleted_with_the_last() {
    let mut lab = Lab::default();
    let wanted = |app: &str| {
        graph_of(app, Requester::Spec).present(Host::key("a"), &Host::new("a", "red")).present(Right::key("read"), &Right::on("a", "read"))
    };
    lab.up(&wanted(APP)).await;
    assert_eq!(acts(&lab.up(&wanted("other")).await), ["adopt host/a", "adopt right/read"]);
    let things = lab.things();

    let plan = lab.down().await;
    assert_eq!(acts(&plan), ["forget right/read", "hand over host/a"]);
    assert_eq!(why(&plan, &Host::key("a")), "app other uses it too, and owns it from now on");
    assert_eq!(lab.things().len(), things.len());
    assert_eq!(lab.land.get("host/a").unwrap().tag.as_deref(), Some("other"), "its marks are the heir's");
    let origins: Vec<_> = lab.ledger.entries().map(|e| (e.app.as_str(), e.origin)).collect();
    assert_eq!(origins, [("other", Origin::Created), ("other", Origin::Created)]);

    let rest = super::lab::Graph(crate::engine::planner::all_absent("other", &lab.ledger, None, super::kinds::KINDS).unwrap());
    lab.run(&rest).await;
    assert_eq!(lab.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn only_the_app_at_the_same_place_inherits() {
    let mut lab = Lab::default();
    let hosts = || {
        graph_of("hosts", Requester::Spec).present(Host::key("a"), &Host::new("a", "red")).present(Host::key("b"), &Host::new("b", "red"))
    };
    lab.up(&hosts()).await;
    let right = |app: &str, on: &str| {
        let right = Right { on: format!("host/{on}~1").into(), ..Right::on("a", "read") };
        graph_of(app, Requester::Spec).present(Right::key("read"), &right)
    };
    lab.land.foreign("right/host/b~1/read", [("level", json!(1))]);
    // sorted by name, the app with another place comes before the one that shares the place
    lab.up(&right("elsewhere", "b")).await;
    lab.up(&right(APP, "a")).await;
    lab.up(&right("here", "a")).await;
    lab.down().await;
    let origin = |app: &str| lab.ledger.get(app, &Right::key("read")).map(|e| e.origin);
    assert_eq!((origin("elsewhere"), origin("here")), (Some(Origin::Adopted), Some(Origin::Created)));
}

#[tokio::test]
async fn an_extension_is_handed_over_with_its_record() {
    let mut lab = Lab::default();
    lab.up(&graph_of("hosts", Requester::Spec).present(Host::key("a"), &Host::new("a", "red"))).await;
    lab.land.foreign("share/host/a~1/bob", [("words", json!(["list"]))]);
    let share = |app: &str| {
        let share = Share { on: "host/a~1".to_owned().into(), ..Share::on("a", "bob", &["get"]) };
        graph_of(app, Requester::Spec).present(Share::key("bob"), &share)
    };
    lab.up(&share(APP)).await;
    lab.up(&share("other")).await;
    lab.down().await;
    let new_owner = lab.ledger.get("other", &Share::key("bob")).unwrap();
    assert_eq!((new_owner.origin, &new_owner.outputs["added"]), (Origin::Extended, &json!(["get"])));
    let rest = super::lab::Graph(crate::engine::planner::all_absent("other", &lab.ledger, None, super::kinds::KINDS).unwrap());
    lab.run(&rest).await;
    assert_eq!(words(&lab.land.get("share/host/a~1/bob").unwrap()), ["list"]);
}

#[tokio::test]
async fn a_run_touches_only_its_own_app() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    lab.up(&graph_of("other", Requester::Spec)
        .present(Store::key("kv"), &Store { name: "kv".into() })
        .present(Leaf::key("pw"), &Leaf::of("kv", "pw", "1")))
        .await;
    assert_eq!(acts(&lab.down().await), ["delete host/a"]);
    assert_eq!(lab.ledger.apps(), ["other"]);
    let plan = lab.plan(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    assert_eq!(plan.action(&Host::key("a")).unwrap().act, Act::Create);
}

#[tokio::test]
async fn a_resource_that_another_user_created_between_plan_and_put_is_adopted() {
    let mut lab = Lab { between: Some(|land| drop(land.foreign("host/a", [("colour", json!("red"))]))), ..Lab::default() };
    let (plan, report) = lab.run(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    assert_eq!((acts(&plan), report.failed.len()), (vec!["create host/a".to_owned()], 0));
    assert_eq!(lab.origin(&Host::key("a")), Some(Origin::Adopted));
    lab.down().await;
    assert_eq!(lab.paths(), ["host/a"]);
}

#[tokio::test]
async fn a_resource_that_another_app_only_reads_by_name_is_handed_over() {
    let mut lab = Lab::default();
    let store = Store { name: "kv".into() };
    let leaf = graph().present(Store::key("kv"), &store).present(Leaf::key("pw"), &Leaf::of("kv", "pw", "1"));
    lab.up(&leaf).await;
    let reader = Host { reads: vec!["PW".into()], ..Host::new("web", "red") };
    let other = || graph_of("other", Requester::Spec).present(Store::key("kv"), &store).present(Host::key("web"), &reader);
    lab.up(&other()).await;
    let plan = lab.down().await;
    assert_eq!(why(&plan, &Leaf::key("pw")), "app other uses it too, and owns it from now on");
    assert_eq!(lab.land.get("leaf/store/kv~1/pw").unwrap().tag.as_deref(), Some("other"));
    let new_owner = lab.ledger.get("other", &Leaf::key("pw")).unwrap();
    assert_eq!((new_owner.origin, new_owner.by, &new_owner.spec["value"]), (Origin::Created, Requester::Command, &json!("")));

    // the next run of that app neither changes nor prunes it
    let (plan, _) = lab.run(&other()).await;
    assert_eq!(acts(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn a_resource_that_the_app_still_reads_by_name_is_kept() {
    let mut lab = Lab::default();
    let reader = Host { reads: vec!["pw".into()], ..Host::new("web", "red") };
    let all = |leaf: bool| {
        let graph = graph().present(Store::key("kv"), &Store { name: "kv".into() }).present(Host::key("web"), &reader);
        if leaf { graph.present(Leaf::key("pw"), &Leaf::of("kv", "pw", "1")) } else { graph }
    };
    lab.up(&all(true)).await;
    let mut rest = all(false);
    crate::engine::planner::prune(&mut rest.0, &lab.ledger);
    let (plan, _) = lab.run(&rest).await;
    assert_eq!(why(&plan, &Leaf::key("pw")), "host/web needs it");
    assert!(lab.land.get("leaf/store/kv~1/pw").is_some());
}

#[tokio::test]
async fn a_resource_that_another_key_refers_to_is_not_deleted() {
    let mut lab = Lab::default();
    let host = || graph().present(Host::key("a"), &Host::new("a", "red"));
    lab.up(&host().present(Right::key("by-name"), &Right::on("a", "read"))).await;
    let mut renamed = host().present(Right::key("by-id"), &Right::on("a", "read"));
    crate::engine::planner::prune(&mut renamed.0, &lab.ledger);
    let (plan, _) = lab.run(&renamed).await;
    assert_eq!(acts(&plan), ["adopt right/by-id", "forget right/by-name"]);
    assert_eq!(why(&plan, &Right::key("by-name")), "right/by-id is the same resource and stays");
    assert_eq!(lab.paths(), ["host/a", "right/host/a~1/read"]);

    // a resource that another app has under another key is kept, too
    let mut lab = Lab::default();
    lab.up(&host()).await;
    let right = |app: &str, key: &str| {
        graph_of(app, Requester::Spec).present(Right::key(key), &Right { on: "host/a~1".to_owned().into(), ..Right::on("a", "read") })
    };
    lab.up(&right("one", "by-name")).await;
    lab.up(&right("two", "by-id")).await;
    let down = super::lab::Graph(crate::engine::planner::all_absent("one", &lab.ledger, None, super::kinds::KINDS).unwrap());
    let (plan, _) = lab.run(&down).await;
    assert_eq!(acts(&plan), ["forget right/by-name"]);
    assert_eq!(lab.paths(), ["host/a", "right/host/a~1/read"]);
}

#[tokio::test]
async fn a_respelled_key_is_the_same_node() {
    let mut lab = Lab::default();
    lab.up(&graph().present(Host::key("a"), &Host::new("a", "red")).present(Right::key("read"), &Right::on("a", "read"))).await;
    let mut respelled = graph().present(Host::key("A"), &Host::new("a", "red")).present(Right::key("Read"), &Right::on("A", "read"));
    crate::engine::planner::prune(&mut respelled.0, &lab.ledger);
    let (plan, _) = lab.run(&respelled).await;
    assert_eq!(acts(&plan), Vec::<String>::new());
    assert_eq!(lab.ledger.entries().count(), 2);
}
