//! The number of requests that a lab costs, on the first run and again: no change may add requests without being noticed.

use crate::common::{
    World,
    log::Line,
    specs::{LAB_000, LAB_004},
};
use std::collections::{BTreeMap, BTreeSet};

fn owner(host: &str) -> &'static str {
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
        *counts.entry(format!("{} {}{dry}", owner(&line.host), line.method)).or_insert(0) += 1;
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

/// Checks: one token per audience, one connection per Azure host, and no more connections to an API server than allowed.
#[track_caller]
fn check_limits(lines: &[Line], parallelism: usize) {
    let audiences: BTreeSet<&str> = lines.iter().map(|l| owner(&l.host)).filter(|h| !["entra", "cluster"].contains(h)).collect();
    assert_eq!(lines.iter().filter(|l| l.is_token()).count(), audiences.len(), "tokens for {audiences:?}");
    let mut connections: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for line in lines {
        connections.entry(&line.host).or_default().insert(line.conn);
    }
    for (host, used) in connections {
        let most = if owner(host) == "cluster" { parallelism } else { 1 };
        assert!(used.len() <= most, "{} connections to {host}", used.len());
    }
}

/// Returns the requests of a first `up` and of a second one.
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
fn lab_000_has_a_fixed_number_of_requests() {
    let (first, second) = twice(LAB_000);
    are(
        &first,
        &[
            ("arm GET", 7),
            ("arm PUT", 7),
            ("cluster GET", 5),
            ("cluster PATCH", 4),
            ("entra POST", 3),
            ("graph GET", 1),
            ("vault GET", 1),
            ("vault PUT", 1),
        ],
    );
    are(
        &second,
        &[("arm GET", 7), ("cluster GET", 5), ("cluster PATCH (dry run)", 3), ("entra POST", 3), ("graph GET", 1), ("vault GET", 1)],
    );
    check_limits(&first, 8);
    check_limits(&second, 8);
    nothing_is_asked_twice(&second);
}

#[test]
fn lab_004_has_a_fixed_number_of_requests() {
    let (first, second) = twice(LAB_004);
    are(
        &first,
        &[("arm GET", 7), ("arm PUT", 7), ("cluster GET", 5), ("cluster PATCH", 3), ("entra POST", 2), ("vault GET", 1), ("vault PUT", 1)],
    );
    are(&second, &[("arm GET", 7), ("cluster GET", 5), ("cluster PATCH (dry run)", 3), ("entra POST", 2), ("vault GET", 1)]);
    check_limits(&first, 8);
    check_limits(&second, 8);
    nothing_is_asked_twice(&second);
}

/// `plan` reads each object once.
#[test]
fn a_plan_reads_nothing_twice() {
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
    check_limits(&lines, 8);
}

#[test]
fn parallelism_limits_the_connections_to_the_api_server() {
    for parallelism in [1, 2, 3] {
        let world = World::served();
        let words = parallelism.to_string();
        world.up(LAB_000, &["--parallelism", &words]).ok();
        check_limits(&world.requests(), parallelism);
        let mark = world.mark();
        world.up(LAB_000, &["--parallelism", &words]).ok();
        check_limits(&world.since(mark), parallelism);
    }
}

/// Returns a spec of `n` workloads in twenty namespaces, each with its own identity, that read one secret.
fn many(n: usize) -> String {
    let workload =
        |i: usize| format!("  - {{name: w{i}, namespace: ns{}, identity: {{name: mid-{i}}}, secrets: [{{name: s0}}]}}\n", i % 20);
    let workloads: String = (0..n).map(workload).collect();
    format!(
        "apiVersion: podid/v1\nkind: App\nmetadata: {{name: big}}\nresourceGroup: podid-lab\ncluster: {{name: aks-mi}}\nvault:\n  \
         name: kv-big-1\n  model: rbac\n  secrets:\n    - {{name: s0, value: {{file: conn.txt}}}}\nworkloads:\n{workloads}"
    )
}

/// Created resources, requests, and the lines, bytes and syncs of the state's journal.
struct Cost {
    made: usize,
    requests: usize,
    journal: [usize; 3],
}

fn cost_of(n: usize) -> Cost {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("big.yaml", &many(n));
    let output = world.up("big.yaml", &["-vvv", "-o", "json"]).ok();
    let made = usize::try_from(output.json()["summary"]["create"].as_u64().unwrap()).unwrap();
    let line = output.stderr.lines().find(|l| l.contains("the journal of the state took")).unwrap_or_else(|| panic!("{}", output.stderr));
    let numbers: Vec<usize> = line.split("took").nth(1).unwrap().split(' ').filter_map(|word| word.parse().ok()).collect();
    let requests = world.requests().iter().filter(|l| l.by == "client").count();

    let serial = |world: &World| serde_json::from_str::<serde_json::Value>(&world.read(".podid/state.json")).unwrap()["serial"].clone();
    assert_eq!(serial(&world), 2, "the whole state is written at the beginning and at the end, and not between");
    assert!(!world.path(".podid/state.json.journal").exists());
    let again = world.up("big.yaml", &["-vvv"]).ok();
    assert!(!again.stderr.contains("the journal of the state took"), "a run that changes nothing writes nothing");
    assert_eq!(serial(&world), 2);
    Cost { made, requests, journal: numbers.try_into().unwrap() }
}

/// The cost per resource must not grow with the number of resources.
#[test]
fn the_cost_per_resource_does_not_grow_with_their_number() {
    let (few, many) = (cost_of(6), cost_of(48));
    let each = |cost: &Cost, what: usize| f64::from(u32::try_from(what).unwrap()) / f64::from(u32::try_from(cost.made).unwrap());
    for (cost, [lines, _, syncs]) in [(&few, few.journal), (&many, many.journal)] {
        assert_eq!(lines, syncs);
        assert!(lines <= 2 * cost.made + 2, "{lines} lines for {} resources: one before and one after each", cost.made);
    }
    for (what, few, many) in [
        ("requests", each(&few, few.requests), each(&many, many.requests)),
        ("bytes", each(&few, few.journal[1]), each(&many, many.journal[1])),
    ] {
        assert!(many < few * 1.1, "{what} for each resource: {few} of few, {many} of many");
    }
}

/// Returns the longest chain of requests of a run that follow one another.
fn depth(spec: &str) -> (usize, usize) {
    let mut world = World::new();
    world.serve_with(&["--log"]);
    world.up(spec, &[]).ok();
    world.settings(&serde_json::json!({ "delay_ms": 300 }));
    let mark = world.read("serve.log").lines().count();
    world.up(spec, &[]).ok();
    let log = world.read("serve.log");
    let mut all: Vec<(f64, f64)> = log.lines().skip(mark).filter(|l| l.contains(" client ")).map(interval).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (mut count, mut end) = (0, 0.0);
    for (from, to) in &all {
        if *from >= end {
            (count, end) = (count + 1, *to);
        }
    }
    (count, all.len())
}

/// Returns when the request of a line began and ended, in seconds.
fn interval(line: &str) -> (f64, f64) {
    let words: Vec<&str> = line.split(' ').collect();
    let time: Vec<f64> = words[0].split('T').nth(1).unwrap().trim_end_matches('Z').split(':').map(|n| n.parse().unwrap()).collect();
    let (ended, took): (f64, f64) = (time[0] * 3600.0 + time[1] * 60.0 + time[2], words[words.len() - 2].parse().unwrap());
    (ended - took / 1000.0, ended)
}

/// The chain: a token, ARM, a token for the vault, the secret; the cluster is read in parallel.
#[test]
fn a_second_run_has_a_short_chain_of_requests() {
    for spec in [LAB_004, LAB_000] {
        let (depth, requests) = depth(spec);
        assert!(requests >= 17, "{spec}: {requests} requests only");
        assert!((3..=5).contains(&depth), "{spec}: {depth} round trips one after the other");
    }
}
