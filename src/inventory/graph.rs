//! The workloads, identities, vaults and secrets as one graph, in formats for people and for programs that draw.

use super::{grants, workload::Workload};
use crate::{
    chain::edge::{Edge, EdgeNode, EdgeState},
    survey::Survey,
};
use std::{collections::BTreeSet, fmt::Write as _};

/// A text format of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphFormat {
    Text,
    Dot,
    Mermaid,
    Json,
}

/// All edges from the workloads on, each once, in the order of the workloads.
pub fn edges(survey: &Survey, workloads: &[Workload]) -> Vec<Edge> {
    let mut all: Vec<Edge> = Vec::new();
    let mut add = |edges: Vec<Edge>| {
        for edge in edges {
            if !all.iter().any(|known| known.from == edge.from && known.to == edge.to && known.by == edge.by) {
                all.push(edge);
            }
        }
    };
    for workload in workloads.iter().filter(|workload| workload.is_concerned()) {
        add(workload.identities.iter().flat_map(|one| one.edges.clone()).collect());
        if let Some(access) = &workload.node_access {
            add(vec![Edge::there(&workload.node, &EdgeNode::new("Identity", "any of its node"), access.why.clone())]);
        }
        for mount in &workload.mounts {
            add(mount.secrets.edges.clone());
            let by = mount.secrets.through.clone().unwrap_or_else(|| workload.node.clone());
            let Some(vault) = &mount.secrets.vault else { continue };
            let names: Vec<&str> =
                mount.secrets.objects.iter().filter(|object| object.kind.is_secret()).map(|object| object.name.as_str()).collect();
            add(names.iter().map(|name| Edge::there(&by, &EdgeNode::new("Secret", format!("{vault}/{name}")), "lists")).collect());
            for one in mount.identities() {
                add(one.edges.clone());
                let (identity, found) = (one.identity.node(survey), one.identity.found(survey));
                let principal = found.map(|found| found.principal_id.as_str());
                for name in &names {
                    add(grants::edges(survey, &identity, principal, vault, Some(name)));
                }
                if names.is_empty() {
                    add(grants::edges(survey, &identity, principal, vault, None));
                }
            }
        }
    }
    all
}

pub fn rendered(edges: &[Edge], format: GraphFormat) -> String {
    match format {
        GraphFormat::Text => text(edges),
        GraphFormat::Dot => dot(edges),
        GraphFormat::Mermaid => mermaid(edges),
        GraphFormat::Json => String::new(),
    }
}

/// What is drawn at an edge.
fn label(edge: &Edge) -> String {
    match &edge.state {
        EdgeState::There => edge.by.clone(),
        EdgeState::Missing { .. } => format!("missing: {}", edge.by),
        EdgeState::Unknown { .. } => format!("unknown: {}", edge.by),
    }
}

fn text(edges: &[Edge]) -> String {
    let mut text = String::new();
    let mut last: Option<&EdgeNode> = None;
    for edge in edges {
        if last != Some(&edge.from) {
            let _ = writeln!(text, "{}", edge.from);
        }
        last = Some(&edge.from);
        let _ = writeln!(text, "  -> {} ({})", edge.to, label(edge));
    }
    text
}

fn nodes(edges: &[Edge]) -> Vec<&EdgeNode> {
    edges.iter().flat_map(|edge| [&edge.from, &edge.to]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A text in quotes, as DOT reads it.
fn quoted(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}

fn dot(edges: &[Edge]) -> String {
    let mut text = "digraph podid {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for node in nodes(edges) {
        let _ = writeln!(text, "  {} [label={}];", quoted(&node.to_string()), quoted(&format!("{}: {}", node.kind, node.name)));
    }
    for edge in edges {
        let style = match &edge.state {
            EdgeState::There => "",
            EdgeState::Missing { .. } => ", color=red, style=dashed",
            EdgeState::Unknown { .. } => ", color=orange, style=dashed",
        };
        let (from, to) = (quoted(&edge.from.to_string()), quoted(&edge.to.to_string()));
        let _ = writeln!(text, "  {from} -> {to} [label={}{style}];", quoted(&label(edge)));
    }
    text.push_str("}\n");
    text
}

/// A text as Mermaid reads it: quotes and line breaks would end a label.
fn entity(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.replace('#', "#35;").replace('"', "#quot;").replace('|', "#124;").replace('<', "#lt;").replace('>', "#gt;")
}

fn mermaid(edges: &[Edge]) -> String {
    let nodes = nodes(edges);
    let id = |node: &EdgeNode| nodes.iter().position(|known| *known == node).unwrap_or_default();
    let mut text = "flowchart LR\n".to_owned();
    for node in &nodes {
        let _ = writeln!(text, "  n{}[\"{}: {}\"]", id(node), entity(&node.kind), entity(&node.name));
    }
    for edge in edges {
        let arrow = if matches!(edge.state, EdgeState::There) { "-->" } else { "-.->" };
        let _ = writeln!(text, "  n{} {arrow}|\"{}\"| n{}", id(&edge.from), entity(&label(edge)), id(&edge.to));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_escapes_what_would_end_a_label() {
        let (from, to) = (EdgeNode::new("Pod", "shop/we\"b"), EdgeNode::new("Vault", "kv"));
        let edges = [Edge::missing(&from, &to, "a|b\n", "no")];
        assert_eq!(text(&edges), "Pod shop/we\"b\n  -> Vault kv (missing: a|b\n)\n");
        assert!(dot(&edges).contains("\"Pod shop/we\\\"b\" -> \"Vault kv\" [label=\"missing: a|b \", color=red, style=dashed];"));
        assert!(mermaid(&edges).contains("n0[\"Pod: shop/we#quot;b\"]"), "{}", mermaid(&edges));
        assert!(mermaid(&edges).contains("n0 -.->|\"missing: a#124;b \"| n1"));
    }
}
