//! `cluster components`: which components run in a cluster, in which version, by whom installed, on how many nodes they are ready.

use crate::{
    cli::Format,
    components,
    converge::{self, answer, render},
    exit::Exit,
    failure::Failure,
    output::table,
    resources::running::{Running, running},
    session::Session,
    spec::reference::NameOrId,
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
    let text = match session.global.output {
        Format::Table => {
            let row = |(component, one): &(&str, Running)| {
                let ready = format!("{} of {}", one.ready, one.wanted);
                let version = one.version().to_owned();
                vec![(*component).to_owned(), one.program.clone(), version, one.namespace.clone(), ready, one.installer.to_string()]
            };
            let rows: Vec<Vec<String>> = found.iter().map(row).collect();
            let headers = ["COMPONENT", "PROGRAM", "VERSION", "NAMESPACE", "READY", "INSTALLED BY"];
            table::list(&headers, &rows, &format!("no component that podid knows runs in the cluster {name}"), session.terminal.width)
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
            render(session, &json!({ "version": 1, "cluster": name, "components": all }))
        }
    };
    answer(session, text)?;
    Ok(Exit::Done)
}
