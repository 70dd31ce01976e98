//! Properties of any graph: the plan is in order, after its execution nothing is left to do, and a deletion leaves what was foreign.

use super::{
    kinds::{Host, Right},
    lab::{Graph, Lab, graph},
};
use crate::engine::{input::DependsOn, planner::prune};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

/// A host that refers to earlier ones by value and by order. It may have a right on it, and may have existed before podid.
#[derive(Clone, Debug)]
struct Wanted {
    on: BTreeSet<usize>,
    after: BTreeSet<usize>,
    right: bool,
    foreign: bool,
    blue: bool,
}

const NAMES: [&str; 7] = ["g", "b", "f", "a", "e", "c", "d"];

fn a_graph() -> impl Strategy<Value = Vec<Wanted>> {
    let node = |i: usize| {
        let earlier = || prop::collection::btree_set(0..i.max(1), 0..=i.min(2));
        (earlier(), earlier(), any::<bool>(), prop::bool::weighted(0.2), any::<bool>()).prop_map(
            move |(on, after, right, foreign, blue)| {
                let before = |set: BTreeSet<usize>| set.into_iter().filter(|j| *j < i).collect::<BTreeSet<_>>();
                Wanted { on: before(on), after: before(after), right, foreign, blue }
            },
        )
    };
    (1..NAMES.len()).prop_flat_map(move |n| (0..n).map(node).collect::<Vec<_>>())
}

fn made(wanted: &[Wanted]) -> Graph {
    wanted.iter().enumerate().fold(graph(), |graph, (i, w)| {
        let name = NAMES[i];
        // a foreign host that is equal has no references
        let host =
            w.on.iter().filter(|_| !w.foreign).fold(Host::new(name, if w.blue { "blue" } else { "red" }), |host, j| host.on(NAMES[*j]));
        let after = w.after.iter().map(|j| DependsOn::of(&Host::key(NAMES[*j]))).collect();
        let graph = graph.present(Host::key(name), &Host { after, ..host });
        if w.right { graph.present(Right::key(name), &Right::on(name, name)) } else { graph }
    })
}

fn lab_for(wanted: &[Wanted], parallelism: usize) -> Lab {
    let lab = Lab { parallelism, ..Lab::default() };
    for (w, name) in wanted.iter().zip(NAMES).filter(|(w, _)| w.foreign) {
        lab.land.foreign(&format!("host/{name}"), [("colour", json!(if w.blue { "blue" } else { "red" }))]);
    }
    lab
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Checks that every action comes after its dependencies, and depends on every change in what it needs.
fn in_order(lab: &Lab, graph: &Graph, removal: bool) -> Result<(), TestCaseError> {
    let plan = block(lab.plan(graph));
    let at = |key: &crate::engine::key::Key| plan.actions.iter().position(|a| a.key == *key);
    for (i, action) in plan.actions.iter().enumerate() {
        for before in &action.after {
            prop_assert!(at(before).is_some_and(|b| b < i), "{} before {}", before, action.key);
        }
        for need in graph.0.nodes[&action.key].needs() {
            let other = at(&need).expect("all is in the plan");
            prop_assert_eq!(other < i, !removal, "{} needs {}", action.key, need);
            if !removal && plan.actions[other].act.changes() {
                prop_assert!(action.after.contains(&need));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn up_then_nothing_to_do_then_down_then_nothing_but_what_was_there(wanted in a_graph(), parallelism in 1usize..5) {
        let mut lab = lab_for(&wanted, parallelism);
        let foreign = lab.things();
        in_order(&lab, &made(&wanted), false)?;
        block(lab.up(&made(&wanted)));
        in_order(&lab, &lab.nothing(), true)?;
        block(lab.down());
        prop_assert_eq!(lab.things(), foreign);
        prop_assert!(lab.ledger.is_empty());
    }

    #[test]
    fn a_second_graph_gives_the_same_result_as_without_the_first(first in a_graph(), second in a_graph()) {
        // a host that is foreign must be so in both graphs
        let first: Vec<Wanted> = first.into_iter().map(|w| Wanted { foreign: false, ..w }).collect();
        let second: Vec<Wanted> = second.into_iter().map(|w| Wanted { foreign: false, ..w }).collect();
        let mut lab = lab_for(&[], 4);
        block(lab.up(&made(&first)));
        let mut next = made(&second);
        prune(&mut next.0, &lab.ledger);
        block(lab.up(&next));
        let mut alone = lab_for(&[], 4);
        block(alone.up(&made(&second)));
        prop_assert_eq!(lab.paths(), alone.paths());
        prop_assert_eq!(lab.ledger.entries().count(), alone.ledger.entries().count());
        block(lab.down());
        prop_assert_eq!(lab.paths(), Vec::<String>::new());
    }

    #[test]
    fn a_run_that_is_killed_anywhere_ends_like_an_unbroken_one(wanted in a_graph(), parallelism in 1usize..5, at in any::<prop::sample::Index>()) {
        let mut whole = lab_for(&wanted, parallelism);
        block(whole.run(&made(&wanted)));
        let moments = whole.land.ground().moments.clone();
        let mut lab = Lab::after(at.get(&moments));
        block(lab.up(&made(&wanted)));
        prop_assert_eq!(lab.things(), whole.things());
        prop_assert_eq!(&lab.ledger, &whole.ledger);
    }
}
