//! `podid graph`: workloads, identities, vaults and secrets with what connects them.

use super::surveyed::{Ask, Wanted, surveyed};
use crate::{
    cli::{Format, Graph},
    converge::{answer, render},
    exit::Exit,
    failure::Failure,
    inventory::graph::{self, GraphFormat},
    output::{Text, json},
    session::Session,
};
use serde_json::json;

pub async fn graph(session: &Session, wanted: &Graph) -> Result<Exit, Failure> {
    let found =
        surveyed(session, &Wanted { cluster: wanted.cluster.as_ref(), namespace: wanted.namespace.as_deref(), ask: Ask::Few }).await?;
    let edges = graph::edges(&found.survey, &found.workloads);
    let document = || json!({ "version": 1, "cluster": found.cluster, "edges": edges, "notRead": found.survey.gaps() });
    let format = wanted.format.unwrap_or(GraphFormat::Text);
    let text = match (format, session.global.output) {
        (GraphFormat::Json, Format::Table) => json::text(&document()),
        (_, Format::Json | Format::Yaml) => render(session, &document()),
        (_, Format::Table) if edges.is_empty() => "no workload uses an identity or a vault".into(),
        (format, Format::Table) => Text::of_lines(&graph::rendered(&edges, format)),
    };
    answer(session, text)?;
    for gap in found.survey.gaps() {
        session.terminal.say(format!("not read: {}: {}", gap.what, gap.why));
    }
    Ok(Exit::Done)
}
