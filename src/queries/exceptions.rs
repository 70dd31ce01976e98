//! `exception list`: the AzurePodIdentityExceptions of a cluster, and the pods that they match.

use crate::{
    cli::Format,
    cluster::{self, Api},
    converge::{self, answer, render},
    exit::Exit,
    failure::Failure,
    modes,
    output::table,
    resources::{exception, manifest::labels, running::Installer},
    session::Session,
    spec::reference::NameOrId,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub async fn exceptions(session: &Session, namespace: Option<&str>, cluster: Option<&NameOrId>) -> Result<Exit, Failure> {
    let cluster = session.unless_interrupted(converge::cluster_of(session, cluster)).await??;
    let read = session.clusters.open(Some(&cluster.context)).await.map_err(|error| Failure::from(&error))?.read();
    let (found, pods) = session
        .unless_interrupted(async {
            let (api, pods) = (exception::api(), Api::new("", "v1", "Pod", "pods"));
            futures::join!(read.list(&api, namespace, None), read.list(&pods, namespace, None))
        })
        .await?;
    let found = match found {
        Err(cluster::Error::KindMissing { .. }) => Vec::new(),
        found => found.map_err(|error| Failure::from(&error))?,
    };
    let pods = pods.map_err(|error| Failure::from(&error))?;
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    for one in &found {
        let (namespace, name) = (text(one, "/metadata/namespace"), text(one, "/metadata/name"));
        let wanted: BTreeMap<String, String> =
            one.pointer("/spec/podLabels").and_then(|all| serde_json::from_value(all.clone()).ok()).unwrap_or_default();
        let matched: Vec<&str> = pods
            .iter()
            .filter(|pod| text(pod, "/metadata/namespace") == namespace && modes::excepting(&wanted, &labels(pod)).is_some())
            .map(|pod| text(pod, "/metadata/name"))
            .collect();
        let shown: Vec<String> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let owner = owner(one);
        rows.push(vec![namespace.to_owned(), name.to_owned(), shown.join(" or "), matched.len().to_string(), owner.clone()]);
        documents.push(json!({ "namespace": namespace, "name": name, "podLabels": wanted, "pods": matched, "owner": owner }));
    }
    let text = match session.global.output {
        Format::Table => {
            let headers = ["NAMESPACE", "NAME", "LABELS", "PODS", "OWNER"];
            table::list(&headers, &rows, "there are no exceptions", session.terminal.width)
        }
        Format::Json | Format::Yaml => render(session, &json!({ "version": 1, "cluster": cluster.id.name(), "exceptions": documents })),
    };
    answer(session, text)?;
    Ok(Exit::Done)
}

/// Says whose an exception is, by its labels and annotations: AKS manages those of its add-on.
fn owner(exception: &Value) -> String {
    match Installer::of(exception) {
        Installer::Podid(app) => format!("podid app {app}"),
        Installer::Aks => "AKS (pod identity add-on)".to_owned(),
        Installer::Unknown { .. } => String::new(),
        other => other.to_string(),
    }
}
