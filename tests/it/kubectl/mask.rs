//! Replaces what differs between any two runs of kubectl: ages, ids, versions, hashes, addresses, widths of columns.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Applied in this order; `$1` is what stays.
const RULES: [(&str, &str); 21] = [
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>"),
    (r"kube-api-access-\w{5}", "kube-api-access-<5>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<date>"),
    (r#"(resourceVersion"?: ?|Resource Version:\s+)"?\d+"?"#, "$1<version>"),
    (r"10\.244\.\d+\.\d+", "<pod address>"),
    (r"10\.0\.\d+\.\d+", "<service address>"),
    (r"https://(127\.0\.0\.1:\d+|[\w.-]+\.azmk8s\.io(:443)?)", "<server>"),
    (r"\x1b\[[\d;]*m", ""),
    // Names that a controller or the server generated.
    (r"\b((?:[a-z0-9]+-)+?)[bcdf-hj-np-tv-z2456789]{8,10}-[bcdf-hj-np-tv-z2456789]{5}\b", "$1<hash>-<5>"),
    (r"\b((?:[a-z0-9]+-)+?)[bcdf-hj-np-tv-z2456789]{8,10}\b", "$1<hash>"),
    (r"(pod-template-hash[=:] ?)[bcdf-hj-np-tv-z2456789]{8,10}", "$1<hash>"),
    (r"\b(generated-)[bcdf-hj-np-tv-z2456789]{5}\b", "$1<5>"),
    (r"\.[0-9a-f]{16}\b", ".<event>"),
    (r"default-scheduler-[\w-]+", "default-scheduler-<host>"),
    (r"/\S*/(LIVE|MERGED)-\d+", "<$1>"),
    (r"\b(\d+[smhdy]){1,2}( ago)?(\s|\)|$)", "<age>$2$3"),
    (r"<invalid>|<unknown>(\s|$)", "<age>$1"),
    (r"(\S)[ \t]{2,}", "$1 "),
    (r" ?-{4,}", " ---"),
];

pub fn mask(text: &str, namespace: &str) -> String {
    static RULED: LazyLock<Vec<(Regex, &str)>> =
        LazyLock::new(|| RULES.iter().map(|(rule, to)| (Regex::new(&format!("(?m){rule}")).unwrap(), *to)).collect());
    let mut text = text.replace(namespace, "$NS");
    for (rule, to) in RULED.iter() {
        text = rule
            .replace_all(&text, |found: &Captures<'_>| {
                let mut out = String::new();
                found.expand(to, &mut out);
                out
            })
            .into_owned();
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
