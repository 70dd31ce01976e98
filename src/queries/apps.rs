//! `podid app status`: the pods of the apps that podid deployed or extended, whether they are ready or why not, the versions of secrets that
//! they mounted, and where they can be reached. It changes nothing.

mod runs;

use crate::{
    chain::{
        facts::Delivered,
        stage::{Reached, Until},
        view::PodRef,
    },
    cli::{Format, app_looks::Status},
    cluster::{self, Api},
    converge::{self, Address, answer, render},
    deliveries,
    engine::{
        fault::Fault,
        ledger::{Entry, Ledger},
        resource::Kind as _,
    },
    exit::Exit,
    failure::Failure,
    output::table,
    resources::{
        manifest,
        object::Object,
        readiness::{self, State},
        wiring::Wiring,
        workload::WorkloadKind,
        world::ClusterTarget,
    },
    session::Session,
};
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A workload of the state.
struct Known {
    app: String,
    target: ClusterTarget,
    kind: WorkloadKind,
    namespace: String,
    name: String,
}

/// A workload as it runs.
struct Seen {
    known: Known,
    is_ready: bool,
    /// `ready`, or the reason why it is not; of a CronJob what became of its last job.
    state: String,
    pods: Vec<Pod>,
}

struct Pod {
    name: String,
    phase: String,
    ready: bool,
    /// File name and version of each mounted secret.
    versions: BTreeMap<String, String>,
}

/// Prints the status of apps.
pub async fn app_status(session: &Session, status: &Status) -> Result<Exit, Failure> {
    let (app, ledger) = super::remembered::app_ledger(session, None)?;
    let is_meant = |known: &Known| {
        app.as_ref().is_none_or(|app| known.app == *app)
            && status.name.as_ref().is_none_or(|name| known.name == *name)
            && status.namespace.as_ref().is_none_or(|namespace| known.namespace == *namespace)
    };
    let all: Vec<Known> = ledger.entries().filter_map(known).filter(is_meant).collect();
    if let (true, Some(name)) = (all.is_empty(), &status.name) {
        return Err(Failure::new(Exit::Refused, format!("podid neither deployed nor wired an app {name}"))
            .hint("List the apps: `podid app status`. Deploy one: `podid app deploy NAME -n NAMESPACE --image IMAGE`."));
    }
    let look = async {
        let mut seen = Vec::new();
        for known in all {
            seen.push(look(session, &ledger, known).await?);
        }
        let mut addresses = Vec::new();
        for app in ledger.apps() {
            addresses.extend(converge::addresses(session, &ledger, app, false).await);
        }
        Ok::<_, Fault>((seen, addresses))
    };
    let (seen, addresses) = session.unless_interrupted(look).await?.map_err(|fault| Failure::from(&fault))?;
    match session.global.output {
        Format::Table => answer(session, table(session, &seen, &addresses))?,
        Format::Json | Format::Yaml => answer(session, render(session, &document(&seen, &addresses)))?,
    }
    Ok(Exit::Done)
}

fn known(entry: &Entry) -> Option<Known> {
    let app = entry.app.clone();
    if entry.kind == Wiring::KIND {
        let Wiring { target, workload: kind, namespace, name, .. } = Wiring::deserialize(&*entry.placed).ok()?;
        return Some(Known { app, target, kind, namespace, name });
    }
    let object = (entry.kind == Object::KIND).then(|| Object::deserialize(&*entry.placed).ok()).flatten()?;
    // an app that podid deploys has the label of its name; components do not run in an app's name
    let of = |pointer: &str| object.manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let selector = object.manifest.pointer("/spec/selector/matchLabels")?.get(crate::apps::manifests::APP_LABEL)?.as_str()?;
    let (name, namespace) = (of("/metadata/name")?, of("/metadata/namespace")?);
    let is_app = of("/kind")? == "Deployment" && selector == name;
    is_app.then_some(Known { app, target: object.target, kind: WorkloadKind::Deployment, namespace, name })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

async fn look(session: &Session, ledger: &Ledger, known: Known) -> Result<Seen, Fault> {
    let reader = session.clusters.reader(&known.target).await?;
    let at = manifest::at(&known.kind.api(), Some(&known.namespace), &known.name);
    let Some(live) = reader.get(&at).await.map_err(Fault::cloud)? else {
        return Ok(Seen { known, is_ready: false, state: "it does not exist".to_owned(), pods: Vec::new() });
    };
    let runs::Runs { is_ready, state, pods } = match known.kind {
        WorkloadKind::CronJob => runs::look(&reader, &live, &known.namespace).await?,
        _ => look_at_workload(&reader, &live, &known.namespace).await?,
    };
    let mut delivered = deliveries::recall(ledger, &known.app)?;
    delivered.retain(|one| one.namespace == known.namespace && one.cluster.name.eq_ignore_ascii_case(&known.target.name));
    let mut seen = Vec::new();
    for pod in &pods {
        seen.push(look_at(&reader, pod, &delivered).await?);
    }
    Ok(Seen { known, is_ready, state, pods: seen })
}

async fn look_at_workload(reader: &cluster::Read, live: &Value, namespace: &str) -> Result<runs::Runs, Fault> {
    let pods = match readiness::selector(live) {
        Some(selector) => reader.list(&Api::new("", "v1", "Pod", "pods"), Some(namespace), Some(&selector)).await.map_err(Fault::cloud)?,
        None => Vec::new(),
    };
    Ok(match readiness::state(live) {
        State::Ready => runs::Runs { is_ready: true, state: "ready".to_owned(), pods },
        State::Waiting(reason) | State::Failed(reason) => {
            let state = match readiness::pod_trouble(live, &pods) {
                Some(trouble) => format!("{reason}; {trouble}"),
                None => reason,
            };
            runs::Runs { is_ready: false, state, pods }
        }
    })
}

async fn look_at(reader: &cluster::Read, pod: &Value, delivered: &[Delivered]) -> Result<Pod, Fault> {
    let name = text(pod, "/metadata/name");
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    let (namespace, uid) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/uid").to_owned());
    let at = manifest::at(&Api::new("", "v1", "Pod", "pods"), Some(namespace), name);
    let pod_ref = PodRef { at, uid, made: text(pod, "/metadata/creationTimestamp").parse().ok() };
    let mut versions = BTreeMap::new();
    for one in delivered {
        for stage in deliveries::of(one)?.stages(one, &pod_ref) {
            let Until::Object { api, name, read } = stage.until else { continue };
            let found = reader.get(&manifest::at(&api, Some(namespace), &name)).await;
            // a login that may not read it shows no versions
            if let Some(Ok(Reached { versions: mounted, .. })) = found.ok().flatten().as_ref().and_then(read) {
                versions.extend(mounted.into_iter().filter_map(|(file, version)| Some((file, version?))));
            }
        }
    }
    Ok(Pod { name: name.to_owned(), phase: text(pod, "/status/phase").to_owned(), ready, versions })
}

/// `sqldbconn 4ba0a7a1`: as much of a version as tells it apart.
fn shown_versions(versions: &BTreeMap<String, String>) -> String {
    let short = |version: &String| version.chars().take(8).collect::<String>();
    versions.iter().map(|(file, version)| format!("{file} {}", short(version))).collect::<Vec<_>>().join(", ")
}

fn address_of<'a>(addresses: &'a [Address], known: &Known) -> Option<&'a Address> {
    addresses.iter().find(|a| a.namespace == known.namespace && a.name == known.name)
}

fn table(session: &Session, seen: &[Seen], addresses: &[Address]) -> crate::output::Text {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for Seen { known, state, pods, .. } in seen {
        let app = format!("{}/{}", known.namespace, known.name);
        let address = address_of(addresses, known).map(|a| a.url.clone()).unwrap_or_default();
        // the pods of jobs end, and are not ready then
        let (ready, all) = (pods.iter().filter(|pod| pod.ready).count(), pods.iter().filter(|pod| pod.phase != "Succeeded").count());
        rows.push(vec![app, known.kind.word().to_owned(), format!("{ready}/{all}"), state.clone(), String::new(), address]);
        for pod in pods {
            rows.push(vec![
                format!("  {}", pod.name),
                String::new(),
                String::new(),
                pod.phase.clone(),
                shown_versions(&pod.versions),
                String::new(),
            ]);
        }
    }
    let headers = ["APP", "KIND", "READY", "STATUS", "MOUNTED", "ADDRESS"];
    table::list(&headers, &rows, "podid has neither deployed nor wired an app", session.terminal.width)
}

fn document(seen: &[Seen], addresses: &[Address]) -> Value {
    let pod = |pod: &Pod| json!({ "name": pod.name, "phase": pod.phase, "ready": pod.ready, "versions": pod.versions });
    let one = |Seen { known, is_ready, state, pods }: &Seen| {
        json!({
            "app": known.app, "cluster": known.target.name, "namespace": known.namespace, "name": known.name, "kind": known.kind.word(),
            "ready": is_ready, "status": state, "url": address_of(addresses, known).map(|a| a.url.clone()),
            "pods": pods.iter().map(pod).collect::<Vec<_>>(),
        })
    };
    json!({ "version": 1, "apps": seen.iter().map(one).collect::<Vec<_>>() })
}
