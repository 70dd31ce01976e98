//! How many requests a lab costs, fresh and again: held, so that no change makes podid talk more without somebody seeing it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends")]

mod common;

use common::{
    World,
    log::Line,
    specs::{LAB_000, LAB_004},
};
use std::collections::{BTreeMap, BTreeSet};

fn whose(host: &str) -> &'static str {
    match host {
        "login.microsoftonline.com" => "entra",
        "management.azure.com" => "arm",
        "graph.microsoft.com" => "graph",
        _ if host.ends_with(".vault.azure.net") => "vault",
        _ if host.ends_with(".azmk8s.io") => "cluster",
        _ => panic!("a request to {host}"),
    }
}

fn counted(lines: &[Line]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let dry = if line.path.contains("dryRun=All") { " (dry run)" } else { "" };
        *counts.entry(format!("{} {}{dry}", whose(&line.host), line.method)).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

#[track_caller]
fn are(lines: &[Line], expected: &[(&str, usize)]) {
    let counts = counted(lines);
    let shown: Vec<(&str, usize)> = counts.iter().map(|(what, n)| (what.as_str(), *n)).collect();
    let all: Vec<String> = lines.iter().map(|l| format!("{} {} {}{} {}", l.conn, l.method, l.host, l.path, l.status)).collect();
    assert_eq!(shown, expected, "\n{}", all.join("\n"));
}

#[track_caller]
fn nothing_is_asked_twice(lines: &[Line]) {
    let mut seen = BTreeSet::new();
    for line in lines.iter().filter(|l| !l.is_token()) {
        assert!(seen.insert((&line.method, &line.host, &line.path)), "twice: {} {}{}", line.method, line.host, line.path);
    }
}

/// One token an audience, one connection an Azure host, no more connections to an API server than are allowed.
#[track_caller]
fn are_frugal(lines: &[Line], parallelism: usize) {
    let audiences: BTreeSet<&str> = lines.iter().map(|l| whose(&l.host)).filter(|h| !["entra", "cluster"].contains(h)).collect();
    assert_eq!(lines.iter().filter(|l| l.is_token()).count(), audiences.len(), "tokens for {audiences:?}");
    let mut connections: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for line in lines {
        connections.entry(&line.host).or_default().insert(line.conn);
    }
    for (host, used) in connections {
        let most = if whose(host) == "cluster" { parallelism } else { 1 };
        assert!(used.len() <= most, "{} connections to {host}", used.len());
    }
}

/// Requests of a fresh `up` and of a second one.
fn twice(spec: &str) -> (Vec<Line>, Vec<Line>) {
    let world = World::served();
    world.up(spec, &[]).ok();
    let mark = world.mark();
    world.up(spec, &[]).ok();
    let second = world.since(mark);
    let mut first = world.requests();
    first.truncate(first.len() - second.len());
    (first, second)
}

#[test]
fn lab_000_costs_so_many_requests() {
    let (first, second) = twice(LAB_000);
    are(
        &first,
        &[
            ("arm GET", 7),
            ("arm PUT", 7),
            ("cluster GET", 4),
            ("cluster PATCH", 4),
            ("entra POST", 3),
            ("graph GET", 1),
            ("vault GET", 1),
            ("vault PUT", 1),
        ],
    );
    are(
        &second,
        &[("arm GET", 7), ("cluster GET", 4), ("cluster PATCH (dry run)", 3), ("entra POST", 3), ("graph GET", 1), ("vault GET", 1)],
    );
    are_frugal(&first, 8);
    are_frugal(&second, 8);
    nothing_is_asked_twice(&second);
}

#[test]
fn lab_004_costs_so_many_requests() {
    let (first, second) = twice(LAB_004);
    are(
        &first,
        &[("arm GET", 7), ("arm PUT", 7), ("cluster GET", 4), ("cluster PATCH", 3), ("entra POST", 2), ("vault GET", 1), ("vault PUT", 1)],
    );
    are(&second, &[("arm GET", 7), ("cluster GET", 4), ("cluster PATCH (dry run)", 3), ("entra POST", 2), ("vault GET", 1)]);
    are_frugal(&first, 8);
    are_frugal(&second, 8);
    nothing_is_asked_twice(&second);
}

/// `plan` looks once, at each thing.
#[test]
fn a_plan_asks_nothing_twice() {
    let world = World::served();
    world.plan(LAB_000).exits(3);
    nothing_is_asked_twice(&world.requests());
    let mark = world.mark();
    world.up(LAB_000, &[]).ok();
    let mark_of_plan = world.mark();
    assert!(!world.since(mark).is_empty());
    world.plan(LAB_000).ok();
    let lines = world.since(mark_of_plan);
    nothing_is_asked_twice(&lines);
    are_frugal(&lines, 8);
}

#[test]
fn parallelism_bounds_the_connections_to_the_api_server() {
    for parallelism in [1, 2, 3] {
        let world = World::served();
        let words = parallelism.to_string();
        world.up(LAB_000, &["--parallelism", &words]).ok();
        are_frugal(&world.requests(), parallelism);
        let mark = world.mark();
        world.up(LAB_000, &["--parallelism", &words]).ok();
        are_frugal(&world.since(mark), parallelism);
    }
}
