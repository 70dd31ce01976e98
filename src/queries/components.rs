//! `cluster components`: which components run in a cluster, in which version, by whom installed, on how many nodes they are ready.

use crate::{
    cli::Format,
    components,
    converge::{self, answer, render},
    engine::fault::Fault,
    exit::Exit,
    failure::Failure,
    output::table,
    resources::running::{Running, running},
    rotation::{self, Following},
    session::Session,
    spec::{known::ClusterRef, reference::NameOrId},
};
use serde_json::json;

pub async fn components(session: &Session, cluster: Option<&NameOrId>) -> Result<Exit, Failure> {
    let cluster = session.unless_interrupted(converge::cluster_of(session, cluster)).await??;
    let read = session.clusters.open(Some(&cluster.context)).await.map_err(|error| Failure::from(&error))?.read();
    let mut found: Vec<(&str, Running)> = Vec::new();
    for component in components::all() {
        let all = session.unless_interrupted(running(&read, &component.signs())).await?.map_err(|error| Failure::from(&error))?;
        found.extend(all.into_iter().map(|one| (component.name(), one)));
    }
    let name = cluster.id.name();
    let rotation = match found.iter().any(|(component, _)| *component == rotation::CSI) {
        true => rotation_of(session, &cluster).await?,
        false => None,
    };
    let text = match session.global.output {
        Format::Table => {
            let row = |(component, one): &(&str, Running)| {
                let ready = format!("{} of {}", one.ready, one.wanted);
                let version = one.version().to_owned();
                vec![(*component).to_owned(), one.program.clone(), version, one.namespace.clone(), ready, one.installer.to_string()]
            };
            let rows: Vec<Vec<String>> = found.iter().map(row).collect();
            let headers = ["COMPONENT", "PROGRAM", "VERSION", "NAMESPACE", "READY", "INSTALLED BY"];
            let none = format!("no component that podid knows runs in the cluster {name}");
            let mut text = table::list(&headers, &rows, &none, session.terminal.width);
            match &rotation {
                Some(Following::On { interval }) => {
                    text.push(format!("mounted secrets are read again every {} s", interval.as_secs_f32().ceil()))
                }
                Some(Following::Off { why, turn_on }) => {
                    text.push(format!("mounted secrets stay as they were when a pod started: {why}; what turns it on: {turn_on}"));
                }
                Some(Following::Unknown) | None => {}
            }
            text
        }
        Format::Json | Format::Yaml => {
            let all: Vec<_> = found
                .iter()
                .map(|(component, one)| {
                    json!({
                        "component": component, "program": one.program, "version": one.version(), "image": one.image, "kind": one.kind,
                        "namespace": one.namespace, "name": one.name, "ready": one.ready, "wanted": one.wanted,
                        "installedBy": one.installer.to_string(), "via": one.installer.via(),
                    })
                })
                .collect();
            let mut document = json!({ "version": 1, "cluster": name, "components": all });
            match &rotation {
                Some(Following::On { interval }) => document["rotation"] = json!({ "on": true, "intervalSeconds": interval.as_secs_f64() }),
                Some(Following::Off { why, .. }) => document["rotation"] = json!({ "on": false, "why": why }),
                Some(Following::Unknown) | None => {}
            }
            render(session, &document)
        }
    };
    answer(session, text)?;
    Ok(Exit::Done)
}

/// Whether the CSI driver mounts new versions, whoever installed it.
async fn rotation_of(session: &Session, cluster: &ClusterRef) -> Result<Option<Following>, Failure> {
    let write = session.clusters.open(Some(&cluster.context)).await.map_err(|error| Failure::from(&error))?.write();
    let found = session.unless_interrupted(rotation::following(&write, cluster.id.name())).await?;
    found.map(Some).map_err(|error| Failure::from(&Fault::cloud(error)))
}
