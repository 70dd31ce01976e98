//! `podid why`: the path by which a workload may read a secret, or the first edge of it that is missing.

use super::surveyed::{Ask, Surveyed, Wanted, surveyed};
use crate::{
    azure::ArmId,
    chain::edge::{Edge, EdgeState},
    cli::{Format, Why},
    converge::{self, answer, render},
    deliveries,
    exit::Exit,
    failure::Failure,
    inventory::{
        Workload,
        paths::{self, Path},
        questions,
    },
    output::{Line, Text},
    session::Session,
    spec::workload_name::WorkloadName,
    state::State,
};
use serde_json::json;

pub async fn why(session: &Session, wanted: &Why) -> Result<Exit, Failure> {
    let mut found =
        surveyed(session, &Wanted { cluster: wanted.cluster.as_ref(), namespace: wanted.namespace.as_deref(), ask: Ask::Later }).await?;
    let chosen: Vec<(String, String, String)> =
        choose(session, &found, wanted)?.iter().map(|one| (one.kind.clone(), one.namespace.clone(), one.name.clone())).collect();
    let is_chosen =
        |one: &&Workload| chosen.iter().any(|(kind, within, name)| (kind, within, name) == (&one.kind, &one.namespace, &one.name));
    let vault = wanted.vault.as_ref().map(|vault| vault.name().to_owned());
    let meant: Vec<&Workload> = found.workloads.iter().filter(is_chosen).collect();
    let identities: Vec<ArmId> = {
        let all = meant.iter().flat_map(|workload| workload.all_identities()).filter(|one| one.by_credential);
        let mut ids: Vec<ArmId> = all.filter_map(|one| one.identity.found(&found.survey)).map(|identity| identity.id.clone()).collect();
        ids.sort_by_key(ArmId::folded);
        ids.dedup();
        ids
    };
    let mounted = meant.iter().flat_map(|workload| &workload.mounts).filter_map(|mount| mount.secrets.vault.clone());
    let vaults: Vec<_> = mounted.chain(vault.clone()).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let vaults: Vec<_> = vaults.iter().filter_map(|name| found.survey.azure.vault(name).cloned()).collect();
    let questions = questions::of_secret(meant.into_iter(), &vaults, &wanted.secret, &found.survey);
    session
        .unless_interrupted(async {
            found.ask_names(&vaults, &wanted.secret).await;
            found.ask_groups(&questions).await;
            found.ask_credentials(&identities).await;
        })
        .await?;
    let mut answers: Vec<Answer> =
        found.workloads.iter().filter(is_chosen).map(|workload| judge(&found, workload, wanted, vault.as_deref())).collect();
    let reach = converge::only_reach(session).await;
    for edge in answers.iter_mut().filter_map(|answer| answer.path.as_mut()).flat_map(|path| &mut path.edges) {
        if let EdgeState::Missing { hint, .. } = &mut edge.state {
            reach.texts(hint.as_mut_slice());
        }
    }
    let broken = answers.iter().any(|answer| answer.path.as_ref().is_none_or(|path| path.first_missing().is_some()));
    match session.global.output {
        Format::Table => {
            let mut text = Text::new();
            for (at, one) in answers.iter().enumerate() {
                if at > 0 {
                    text.push(Line::new());
                }
                text.append(shown(one, &wanted.secret));
            }
            answer(session, text)?;
        }
        Format::Json | Format::Yaml => {
            let all: Vec<_> = answers.iter().map(document).collect();
            answer(
                session,
                render(session, &json!({ "version": 1, "secret": wanted.secret, "answers": all, "notRead": found.survey.gaps() })),
            )?;
        }
    }
    Ok(if wanted.exit_code && broken { Exit::Differs } else { Exit::Done })
}

/// The workloads that were named.
fn choose<'a>(session: &Session, found: &'a Surveyed, wanted: &Why) -> Result<Vec<&'a Workload>, Failure> {
    let is_there = |workload: &&Workload| match &wanted.workload {
        WorkloadName::ServiceAccount(name) => workload.service_account == *name,
        WorkloadName::Object { kind, name } if kind.eq_ignore_ascii_case("pod") => {
            workload.name == *name && workload.kind == "Pod" || workload.pods.iter().any(|pod| pod.name == *name)
        }
        WorkloadName::Object { kind, name } => workload.kind.eq_ignore_ascii_case(kind) && workload.name == *name,
        WorkloadName::Plain(_) => false,
    };
    let mut all: Vec<&Workload> = found.workloads.iter().filter(is_there).collect();
    if let WorkloadName::Plain(name) = &wanted.workload {
        all = by_plain_name(session, found, name)?;
    }
    let namespaces: std::collections::BTreeSet<&str> = all.iter().map(|one| one.namespace.as_str()).collect();
    match (all.is_empty(), namespaces.len()) {
        (true, _) => {
            let within = wanted.namespace.as_deref().map(|name| format!(" in namespace {name}")).unwrap_or_default();
            let hidden = found.survey.gaps().iter().map(|gap| format!("the {} could not be read: {}", gap.what, gap.why)).next();
            let what = match &wanted.workload {
                WorkloadName::ServiceAccount(name) => format!("no workload has the service account {name}{within}"),
                other => format!("there is no workload {other}{within}"),
            };
            let failure = Failure::new(Exit::Refused, what)
                .hint("`podid inventory` lists the workloads; write `deployment/NAME`, `pod/NAME` or `serviceaccount/NAME`.");
            Err(hidden.into_iter().fold(failure, Failure::because))
        }
        (false, 1) => Ok(all),
        (false, _) => {
            let names: Vec<&str> = namespaces.into_iter().collect();
            Err(Failure::new(Exit::Refused, format!("{} is in several namespaces: {}", wanted.workload, names.join(", ")))
                .hint("Name one with `-n NAMESPACE`."))
        }
    }
}

/// By the name that the spec or the state has for a workload: the object of that name, or what mounts for it.
fn by_plain_name<'a>(session: &Session, found: &'a Surveyed, name: &str) -> Result<Vec<&'a Workload>, Failure> {
    let spec = converge::spec_beside()?.map(|loaded| loaded.spec);
    let of_spec = spec.as_ref().and_then(|spec| spec.workloads.iter().find(|one| one.name == name));
    let (_, ledger) = State::peek(&session.state_path(None))?;
    let mut namespaces: Vec<String> = of_spec.map(|one| one.namespace.clone()).into_iter().collect();
    for app in ledger.apps() {
        let delivered = deliveries::recall(&ledger, app).map_err(|fault| Failure::from(&fault))?;
        namespaces.extend(delivered.into_iter().filter(|one| one.name == name).map(|one| one.namespace));
    }
    let wired = of_spec.and_then(|one| one.wire.as_deref()).and_then(|wire| wire.split_once('/')).map(|(_, name)| name);
    let is_it = |workload: &&Workload| {
        let through = |object: &str| object == format!("{}/{name}", workload.namespace);
        let mounts = workload.mounts.iter().filter_map(|mount| mount.secrets.through.as_ref()).any(|node| through(&node.name));
        let is_named = workload.name == name || wired == Some(workload.name.as_str());
        (namespaces.is_empty() || namespaces.contains(&workload.namespace)) && (is_named || mounts)
    };
    Ok(found.workloads.iter().filter(is_it).collect())
}

struct Answer {
    workload: String,
    /// The pod that was looked at; None: no pod runs.
    pod: Option<String>,
    path: Option<Path>,
    /// What leads around the bindings.
    around: Option<String>,
}

/// Of the pods that run, the one that lacks most decides.
fn judge(found: &Surveyed, workload: &Workload, wanted: &Why, vault: Option<&str>) -> Answer {
    let survey = &found.survey;
    let named = match &wanted.workload {
        WorkloadName::Object { kind, name } if kind.eq_ignore_ascii_case("pod") => Some(name.as_str()),
        _ => None,
    };
    let pods = workload.pods.iter().filter(|pod| named.is_none_or(|name| pod.name == name));
    let live = pods.filter(|pod| named.is_some() || !matches!(pod.phase.as_str(), "Succeeded" | "Failed"));
    let of_pods = live.map(|pod| (pod, paths::of_pod(workload, pod, &wanted.secret, vault, survey)));
    let worst = of_pods.min_by_key(|(_, path)| path.as_ref().map(|path| path.first_missing().unwrap_or(usize::MAX)));
    let (pod, path) = match worst {
        Some((pod, path)) => (Some(pod), path),
        None => (None, paths::of_workload(workload, &wanted.secret, vault, survey)),
    };
    let access = pod.map_or(workload.node_access.as_ref(), |pod| pod.node_access.as_ref());
    Answer { workload: workload.shown(), pod: pod.map(|pod| pod.name.clone()), path, around: access.map(|access| access.why.clone()) }
}

fn document(one: &Answer) -> serde_json::Value {
    let path = one.path.as_ref();
    let missing = path.and_then(Path::first_missing);
    let reads = match path {
        Some(path) if missing.is_none() && path.is_uncertain() => "unknown",
        Some(_) if missing.is_none() => "yes",
        _ => "no",
    };
    json!({
        "workload": one.workload, "pod": one.pod, "reads": reads, "mode": path.and_then(|path| path.mode),
        "delivery": path.and_then(|path| path.delivery), "vault": path.and_then(|path| path.vault.clone()),
        "path": path.map(|path| &path.edges), "firstMissing": missing.and_then(|at| path?.edges.get(at)),
        "anyIdentityOfItsNode": one.around,
    })
}

fn shown(one: &Answer, secret: &str) -> Text {
    let mut text = Text::new();
    let of_pod = match &one.pod {
        // it is the pod itself
        Some(pod) if one.workload.ends_with(&format!("/{pod}")) => String::new(),
        Some(pod) => format!(", pod {pod}"),
        None => " (no pod runs: what its pods would get)".to_owned(),
    };
    let Some(path) = &one.path else {
        text.push(Line::new().red("no ").plain(format!("{}{of_pod}: nothing leads from it to a vault", one.workload)));
        text.push("  It has no identity and mounts nothing: bind it with `podid bind`, and wire it with `podid app wire`.");
        return text;
    };
    let missing = path.first_missing();
    let verdict = match missing {
        Some(_) => Line::new().red("no ").plain(format!("{}{of_pod} cannot read {secret}", one.workload)),
        None if path.is_uncertain() => Line::new().yellow("unknown ").plain(format!("whether {}{of_pod} can read {secret}", one.workload)),
        None => Line::new().green("yes ").plain(format!("{}{of_pod} can read {secret}", one.workload)),
    };
    text.push(verdict);
    for edge in path.edges.iter().take(missing.map_or(path.edges.len(), |at| at + 1)) {
        line(&mut text, edge);
    }
    if let Some(around) = &one.around {
        text.push(Line::new().yellow("  note ").plain(format!("it gets tokens of every identity of its node besides: it {around}")));
    }
    text
}

fn line(text: &mut Text, edge: &Edge) {
    let step = format!("{} -> {} ({})", edge.from, edge.to, edge.by);
    match &edge.state {
        EdgeState::There => text.push(Line::new().green("  ok ").plain(step)),
        EdgeState::Unknown { why } => {
            text.push(Line::new().yellow("  ?  ").plain(step));
            text.push(format!("       {why}"));
        }
        EdgeState::Missing { why, hint } => {
            text.push(Line::new().red("  no ").plain(step));
            text.push(format!("       {why}"));
            if let Some(hint) = hint {
                text.push(format!("       {hint}"));
            }
        }
    }
}
