//! Execution: in parallel and in lanes, failures, panics, Ctrl-C, a state that cannot be saved.

use super::{
    kinds::{Host, Right},
    lab::{Graph, Lab, acts, graph},
    toy::Broken,
};
use crate::engine::{
    fault::Fault,
    key::Key,
    ledger::Origin,
    plan::{Act, Summary},
};

/// Returns a graph of `n` independent hosts.
fn many(n: usize, lane: impl Fn(usize) -> Option<String>) -> Graph {
    (0..n).fold(graph(), |graph, i| {
        let name = format!("h{i}");
        graph.present(Host::key(&name), &Host { lane: lane(i), ..Host::new(&name, "red") })
    })
}

#[tokio::test]
async fn ready_actions_run_in_parallel_up_to_the_limit() {
    for parallelism in [1, 3, 8] {
        let mut lab = Lab { parallelism, ..Lab::default() };
        lab.up(&many(8, |_| None)).await;
        assert_eq!(lab.land.ground().most_at_once, parallelism);
    }
    let mut lab = Lab { parallelism: 0, ..Lab::default() };
    lab.up(&many(2, |_| None)).await;
    assert_eq!(lab.land.ground().most_at_once, 1, "none at all would never end");
}

#[tokio::test]
async fn within_a_lane_one_runs_at_a_time_and_lanes_do_not_wait_for_each_other() {
    let mut lab = Lab { parallelism: 8, ..Lab::default() };
    lab.up(&many(8, |i| Some(format!("lane {}", i % 2)))).await;

    assert_eq!(lab.land.ground().most_in_a_lane, 1);
    assert_eq!(lab.land.ground().most_at_once, 2);

    lab.down().await;
    assert_eq!(lab.land.ground().most_in_a_lane, 1, "removals keep to their lanes too");
}

fn forked() -> Graph {
    graph()
        .present(Host::key("a"), &Host::new("a", "red"))
        .present(Host::key("b"), &Host::new("b", "red").on("a"))
        .present(Host::key("c"), &Host::new("c", "red").on("b"))
        .present(Host::key("x"), &Host::new("x", "red"))
        .present(Host::key("y"), &Host::new("y", "red").on("x"))
}

#[tokio::test]
async fn a_failure_stops_only_what_depends_on_it_and_the_next_run_goes_on() {
    let mut lab = Lab::default();
    lab.land.ground().broken.insert("host/a".into(), Broken::Refuses);
    let (plan, report) = lab.run(&forked()).await;
    assert_eq!(
        report.failed.iter().map(|(k, _, f)| (k.as_str(), f.to_string())).collect::<Vec<_>>(),
        [("host/a", "host/a is closed".into())]
    );
    let not: Vec<_> = report.not_started.iter().map(|(k, _, why)| (k.as_str(), why.as_str())).collect();
    assert_eq!(not, [("host/b", "host/a failed"), ("host/c", "host/b was not done")]);
    assert_eq!(lab.paths(), ["host/x", "host/y"]);
    assert_eq!(report.summary(&plan), Summary { create: 2, failed: 1, not_started: 2, ..Summary::default() });
    assert!(!report.interrupted && report.unsaved.is_none());
    let told = lab.told();
    assert!(told.contains(&"failed host/a".to_owned()) && told.contains(&"not started host/c".to_owned()), "{told:?}");

    lab.land.ground().broken.clear();
    assert_eq!(acts(&lab.up(&forked()).await), ["create host/a", "create host/b", "create host/c"]);
}

#[tokio::test]
async fn a_panic_is_a_failure_of_that_node_only() {
    let mut lab = Lab::default();
    lab.land.ground().broken.insert("host/a".into(), Broken::Panics);
    let in_a_lane = Host { lane: Some("lane".into()), ..Host::new("a", "red") };
    let next = Host { lane: Some("lane".into()), ..Host::new("b", "red") };
    let graph =
        graph().present(Host::key("a"), &in_a_lane).present(Host::key("b"), &next).present(Host::key("c"), &Host::new("c", "red").on("a"));
    let (_, report) = lab.run(&graph).await;
    let (key, act, fault) = &report.failed[0];
    assert_eq!((key, *act, report.failed.len()), (&Host::key("a"), Act::Create, 1));
    assert!(matches!(fault, Fault::Bug(_)), "{fault}");
    assert_eq!(lab.paths(), ["host/b"], "the lane is free again");
    assert_eq!(report.not_started[0].0, Host::key("c"));
    lab.land.ground().broken.clear();
    lab.up(&graph).await;
}

#[tokio::test]
async fn an_interrupt_starts_nothing_more_and_records_what_ran() {
    let mut lab = Lab { parallelism: 1, ..Lab::default() };
    lab.land.ground().broken.insert("host/a".into(), Broken::Interrupts);
    let (_, report) = lab.run(&forked()).await;
    assert!(report.interrupted);
    assert_eq!(report.done.iter().map(|(k, ..)| k.clone()).collect::<Vec<_>>(), [Host::key("a")], "what ran was finished");
    assert_eq!(report.not_started.len(), 4);
    assert!(report.not_started.iter().all(|(_, _, why)| why == "interrupted"));
    assert_eq!((lab.origin(&Host::key("a")), lab.entry(&Host::key("a")).doing), (Some(Origin::Created), None));
    assert_eq!(lab.paths(), ["host/a"]);
}

#[tokio::test]
async fn an_action_that_waits_in_a_lane_at_an_interrupt_is_not_started() {
    let mut lab = Lab { parallelism: 8, ..Lab::default() };
    lab.land.ground().broken.insert("host/h0".into(), Broken::Interrupts);
    let (_, report) = lab.run(&many(4, |_| Some("lane".into()))).await;
    assert_eq!(lab.paths(), ["host/h0"]);
    assert_eq!((report.done.len(), report.failed.len(), report.not_started.len()), (1, 0, 3));
    assert!(report.interrupted && lab.origin(&Host::key("h1")).is_none());
}

#[tokio::test]
async fn a_state_that_cannot_be_saved_ends_the_run_and_is_told() {
    for saves in 0..6 {
        let mut lab = Lab { parallelism: 2, ..Lab::default() };
        lab.land.ground().saves_left = Some(saves);
        let (_, report) = lab.run(&forked()).await;
        assert_eq!(report.unsaved.as_deref(), Some("the disk is full"), "{saves}");
        // each action is saved before and after it, so the returned ledger has everything that exists
        for path in lab.paths() {
            assert!(lab.ledger.get("shop", &Key::from(path.as_str())).is_some(), "{path} after {saves} saves");
        }
        assert!(report.failed.iter().all(|(_, _, f)| matches!(f, Fault::Unsaved(_))), "{report:?}");
        assert_eq!(report.done.len() + report.failed.len() + report.not_started.len(), 5);
        assert!(lab.paths().len() <= saves, "{saves} saves, {:?}", lab.paths());
        lab.land.ground().saves_left = None;
        lab.up(&forked()).await;
    }
}

#[tokio::test]
async fn nothing_is_written_if_the_adoptions_cannot_be_saved() {
    let mut lab = Lab::default();
    lab.land.foreign("host/x", [("colour", "red".into())]);
    lab.writes();
    lab.land.ground().saves_left = Some(0);
    let (_, report) = lab.run(&forked()).await;
    assert!(report.unsaved.is_some());
    assert_eq!((lab.writes(), report.not_started.len()), (vec![], 4));
}

#[tokio::test]
async fn every_action_is_recorded_before_and_after() {
    let mut lab = Lab { parallelism: 1, ..Lab::default() };
    lab.run(&graph().present(Host::key("a"), &Host::new("a", "red"))).await;
    let moments = lab.land.ground().moments.clone();
    let seen: Vec<_> = moments.iter().map(|m| (m.ledger.get("shop", &Host::key("a")).map(|e| e.doing), m.things.len())).collect();
    assert_eq!(seen, [(None, 0), (Some(Some(Act::Create)), 0), (Some(Some(Act::Create)), 1), (Some(None), 1)]);
}

#[tokio::test]
async fn a_run_without_anything_new_saves_nothing() {
    let mut lab = Lab::default();
    lab.up(&forked()).await;
    let saves = lab.land.ground().saves;
    let (plan, report) = lab.run(&forked()).await;
    assert_eq!((lab.land.ground().saves, plan.has_changes(), report.done.len()), (saves, false, 0));
    assert_eq!(report.summary(&plan), Summary { keep: 5, ..Summary::default() });
}

#[tokio::test]
async fn deletions_start_after_all_puts() {
    let mut lab = Lab { parallelism: 8, ..Lab::default() };
    lab.up(&many(2, |_| None)).await;
    lab.writes();
    let graph = forked().absent(Host::key("h0"), &Host::new("h0", "red")).absent(Host::key("h1"), &Host::new("h1", "red"));
    lab.run(&graph).await;
    let writes = lab.writes();
    let first = writes.iter().position(|w| w.starts_with("remove")).unwrap();
    assert!(writes[first..].iter().all(|w| w.starts_with("remove")) && first == 5, "{writes:?}");
}

#[tokio::test]
async fn a_failed_removal_is_done_by_the_next_run() {
    let mut lab = Lab::default();
    let wanted = graph().present(Host::key("a"), &Host::new("a", "red")).present(Right::key("read"), &Right::on("a", "read"));
    lab.up(&wanted).await;
    lab.land.ground().broken.insert("right/host/a~1/read".into(), Broken::Refuses);
    let (_, report) = lab.run(&lab.nothing()).await;
    assert_eq!((report.failed.len(), report.not_started.len()), (1, 1), "its parent stays too");
    lab.land.ground().broken.clear();
    lab.down().await;
    assert!(lab.ledger.is_empty() && lab.paths().is_empty());
}
