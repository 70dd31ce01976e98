//! The workload's own pods: what their template must have, what their containers wait for, and the events about them and their controllers.

use super::{
    case::{self, Case},
    reports::Reports,
    seen::{Seen, lacking, unknown},
};
use crate::{
    chain::{
        ground::{is_refusal, refused_caller},
        link::{Meaning, MissingLink, POD},
        page::Severity,
        pages,
        texts::{cut, field, first_lines, last_seen},
        view::{PodRef, View},
    },
    cluster::ObjectRef,
    engine::desired::Requester,
    inventory::{Workload, WorkloadPod},
    survey::{
        Survey,
        kinds::{DEPLOYMENT, POD as POD_KIND, REPLICA_SET},
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub fn reference(pod: &Value) -> PodRef {
    PodRef {
        at: ObjectRef {
            api: POD_KIND.api(),
            namespace: Some(field(pod, "/metadata/namespace").to_owned()),
            name: field(pod, "/metadata/name").to_owned(),
        },
        uid: field(pod, "/metadata/uid").to_owned(),
        made: field(pod, "/metadata/creationTimestamp").parse().ok(),
    }
}

/// Pods, or templates of pods, that lack what binds them.
pub fn templates(case: &Case<'_>, view: &View<'_>, seen: &mut Vec<Seen>) {
    let Some(survey) = view.survey else { return };
    let wanted = case.target.mode.pod(&case.target.bound);
    for workload in &case.workloads {
        // bound in another way, or by another binding, and well
        let is_served = |mount: &crate::inventory::Mount| mount.identities().iter().any(|one| one.is_sound());
        let is_bound = workload.identities.iter().any(|one| one.is_sound());
        if is_bound && workload.mounts.iter().any(is_served) && workload.pods.iter().all(|pod| pod.mounts.iter().all(is_served)) {
            continue;
        }
        let template = case::template(workload, survey).into_iter().map(|object| (object, true));
        for (object, is_template) in template.chain(case::pods(workload, survey).into_iter().map(|pod| (pod, false))) {
            let text = |place: &str, key: &str| object.pointer(place).and_then(|all| all.get(key)).and_then(Value::as_str);
            let places = [("label", "/metadata/labels", &wanted.labels), ("annotation", "/metadata/annotations", &wanted.annotations)];
            let mut lacks: Vec<String> = Vec::new();
            for (word, place, all) in places {
                for (key, value) in all {
                    match text(place, key) {
                        Some(own) if own == value => {}
                        Some(own) => lacks.push(format!("has the {word} {key}: {own:?}, not {value:?}")),
                        None => lacks.push(format!("has no {word} {key}: {value:?}")),
                    }
                }
            }
            let account = Some(field(object, "/spec/serviceAccountName")).filter(|name| !name.is_empty()).unwrap_or("default");
            if let Some(own) = wanted.service_account.as_deref().filter(|own| *own != account) {
                lacks.push(format!("runs as the service account {account}, not as {own}"));
            }
            if lacks.is_empty() {
                continue;
            }
            let kind = workload.kind.to_lowercase();
            let (who, first) = if is_template && kind != "pod" {
                (format!("the pod template of the {kind} {}", workload.name), true)
            } else {
                (format!("the pod {}", field(object, "/metadata/name")), false)
            };
            let missing = lacking(format!("{who} {}", lacks.join(" and ")));
            let missing = if first { missing } else { missing.because("a pod keeps what its template had when it was made") };
            let evidence = format!("{who} in namespace {}", workload.namespace);
            seen.push(Seen::of(missing.hint(wire(case, view, workload)), None, evidence));
            if first {
                break;
            }
        }
    }
}

/// Workloads that podid gives secrets, and that do not mount them.
pub fn volumes(case: &Case<'_>, view: &View<'_>, seen: &mut Vec<Seen>) {
    let Some(survey) = view.survey else { return };
    let (target, delivered) = (&case.target, &case.target.delivered);
    if delivered.keys.is_empty() || target.delivery.pod(delivered).volumes.is_empty() {
        return;
    }
    // another app that only asks for tokens may be bound by the same objects
    for workload in case.workloads.iter().filter(|workload| workload.name == delivered.name && workload.mounts.is_empty()) {
        if case::template(workload, survey).is_none() {
            continue;
        }
        let who = format!("the {} {}", workload.kind.to_lowercase(), workload.name);
        let missing = MissingLink::new(POD, format!("the pod template of {who} mounts no secrets")).page(&pages::NO_VOLUME);
        seen.push(Seen::of(missing.hint(wire(case, view, workload)), None, format!("{who} in namespace {}", workload.namespace)));
    }
}

/// What gives a template again what binds its pods.
fn wire(case: &Case<'_>, view: &View<'_>, workload: &Workload) -> String {
    let kind = workload.kind.to_lowercase();
    let (name, namespace) = (&workload.name, &workload.namespace);
    // podid deployed it itself
    if workload.origin.starts_with("podid") && case.target.bound.by == Requester::Spec && view.commands.spec.is_some() {
        let up = view.commands.write_again(&case.target.bound.app, Requester::Spec, &[], &["--force-conflicts"]);
        return format!("Write it again: {up}.");
    }
    match kind.as_str() {
        "deployment" | "statefulset" | "daemonset" | "cronjob" => {
            let wire = view.commands.podid(&["app", "wire", &format!("{kind}/{name}"), "-n", namespace]);
            format!("Give the template what binds its pods: {wire}, or `kubectl edit {kind} {name} -n {namespace}`.")
        }
        _ => format!("Make it again with what binds it: `kubectl get {kind} {name} -n {namespace} -o yaml`."),
    }
}

/// Reasons of events about a pod that runs: rotation fails, and its secrets grow old.
const OF_ROTATION: &[&str] = &["MountRotationFailed", "SecretRotationFailed", FAILED_MOUNT];
const FAILED_MOUNT: &str = "FailedMount";

/// Whether all pods are there, and ready.
pub fn are_ready(case: &Case<'_>) -> bool {
    let is_ready = |pod: &WorkloadPod| pod.is_ready || pod.phase == "Succeeded";
    case.workloads.iter().all(|workload| !is_short(workload) && workload.pods.iter().all(is_ready))
}

fn is_short(workload: &Workload) -> bool {
    workload.wanted.is_some_and(|wanted| i64::try_from(workload.pods.len()).unwrap_or(i64::MAX) < wanted)
}

/// Why the pods of a Deployment's new template are refused, while those of the former one may still run.
fn refused_pods<'a>(workload: &Workload, survey: &'a Survey) -> Option<&'a str> {
    let object = survey.cluster.named(&DEPLOYMENT, &workload.namespace, &workload.name).filter(|_| workload.kind == "Deployment")?;
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    let refused = conditions.iter().find(|one| field(one, "/type") == "ReplicaFailure" && field(one, "/status") == "True")?;
    Some(field(refused, "/message")).filter(|message| !message.is_empty())
}

/// Since when a pod is ready.
fn ready_since(pod: &Value) -> Option<Timestamp> {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array)?;
    let ready = conditions.iter().find(|one| field(one, "/type") == "Ready" && field(one, "/status") == "True")?;
    field(ready, "/lastTransitionTime").parse().ok()
}

/// What components, kubelet and controllers report of pods that are not ready, or are not created; of pods that run, why their secrets are not
/// renewed; and where the chain is broken, of the objects that bind them.
pub async fn events(case: &Case<'_>, view: &View<'_>, reports: &Reports<'_>, is_broken: bool, seen: &mut Vec<Seen>) {
    let Some(survey) = view.survey else { return };
    let mut texts: Vec<(String, String, String)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut running: Vec<(&str, Timestamp)> = Vec::new();
    if is_broken {
        names.extend(case.target.bound.objects.values().cloned());
    }
    for workload in &case.workloads {
        for pod in workload.pods.iter().filter(|pod| pod.is_ready) {
            let object = survey.cluster.named(&POD_KIND, &workload.namespace, &pod.name);
            running.extend(object.and_then(ready_since).map(|since| (pod.name.as_str(), since)));
        }
        for pod in workload.pods.iter().filter(|pod| !pod.is_ready && !matches!(pod.phase.as_str(), "Succeeded")) {
            names.push(pod.name.clone());
            let Some(object) = survey.cluster.named(&POD_KIND, &workload.namespace, &pod.name) else { continue };
            for (reason, message) in waiting(object) {
                texts.push((
                    format!("the pod {} is not ready: {reason}", pod.name),
                    format!("{reason}: {message}"),
                    "the pod's containers".into(),
                ));
            }
        }
        if let Some(message) = refused_pods(workload, survey) {
            let kind = workload.kind.to_lowercase();
            let what = format!("the {kind} {} cannot make its new pods", workload.name);
            texts.push((what, message.to_owned(), format!("the condition ReplicaFailure of the {kind} {}", workload.name)));
        }
        if is_short(workload) {
            names.push(workload.name.clone());
            let sets = survey.cluster.of_kind(&REPLICA_SET).iter();
            let own = sets.filter(|set| field(set, "/metadata/namespace") == workload.namespace);
            let own = own.filter(|set| {
                let owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
                owners.into_iter().any(|owner| field(owner, "/name") == workload.name)
            });
            names.extend(own.map(|set| field(set, "/metadata/name").to_owned()));
        }
    }
    if names.is_empty() && running.is_empty() && texts.is_empty() {
        return;
    }
    let all = reports.warnings(&case.target.bound.namespace).await;
    // the objects that bind pods outlive them, and so do the events about them
    let (oldest, are_bound) = (case::oldest_pod(case, survey), case::are_bound(case));
    let is_over = |event: &Value| {
        // the kind of an event of MIC has the version before it
        let kind = field(event, "/involvedObject/kind").rsplit('.').next().unwrap_or_default();
        let is = |(own, name): (&&str, &String)| own.eq_ignore_ascii_case(kind) && name == field(event, "/involvedObject/name");
        case.target.bound.objects.iter().any(is) && (are_bound || oldest.zip(last_seen(event)).is_some_and(|(made, at)| at < made))
    };
    let about = |event: &&Value| names.iter().any(|name| name == field(event, "/involvedObject/name")) && !is_over(event);
    let mut listed: Vec<&Value> = all.iter().filter(about).collect();
    listed.sort_by_key(|event| std::cmp::Reverse(last_seen(event)));
    for (event, pod) in of_rotation(&all, &running) {
        renewal(case, view, event, pod, seen).await;
    }
    for event in listed {
        let (reason, message) = (field(event, "/reason"), field(event, "/message"));
        let about = format!("{} {}", field(event, "/involvedObject/kind").to_lowercase(), field(event, "/involvedObject/name"));
        let place = format!("the event {reason} of the {about}");
        texts.push((format!("the {about} is not well: {reason}"), message.to_owned(), place));
    }
    for (what, text, place) in texts {
        if let Some(missing) = of_text(case, view, &what, &text).await
            && !seen.iter().any(|one| one.missing.what == missing.what && one.missing.link == missing.link)
        {
            let link = case.target.links.iter().find(|link| link.name == missing.link);
            seen.push(Seen::told(missing, link, place));
        }
    }
}

/// The latest event of each running pod that says why its secrets are not renewed. What is older than the pod's readiness is over; a mount
/// that failed just before may be told just after.
fn of_rotation<'a>(all: &'a [Value], running: &[(&'a str, Timestamp)]) -> Vec<(&'a Value, &'a str)> {
    const SPARE: SignedDuration = SignedDuration::from_secs(5);
    let is_late = |event: &&Value, since: Timestamp| {
        let spare = if field(event, "/reason") == FAILED_MOUNT { SPARE } else { SignedDuration::ZERO };
        last_seen(event).is_some_and(|at| at.duration_since(since) >= spare)
    };
    let newest = |(pod, since): &(&'a str, Timestamp)| {
        let own = all.iter().filter(|event| field(event, "/involvedObject/name") == *pod && OF_ROTATION.contains(&field(event, "/reason")));
        own.filter(|event| is_late(event, *since)).max_by_key(|event| last_seen(event)).map(|event| (event, *pod))
    };
    running.iter().filter_map(newest).collect()
}

/// The pod runs with what it has, so this is a warning.
async fn renewal(case: &Case<'_>, view: &View<'_>, event: &Value, pod: &str, seen: &mut Vec<Seen>) {
    let (reason, message) = (field(event, "/reason"), field(event, "/message"));
    let what = format!("the secrets of the pod {pod} are not renewed: {reason}");
    let Some(mut missing) = of_text(case, view, &what, message).await else { return };
    if missing.what != what {
        missing.causes.insert(0, what);
    }
    let link = case.target.links.iter().find(|link| link.name == missing.link);
    if seen.iter().any(|one| one.missing.link == missing.link && one.missing.what == missing.what) {
        return;
    }
    let mut one = Seen::told(missing, link, format!("the event {reason} of the pod {pod}"));
    one.severity = Severity::Warning;
    seen.push(one);
}

/// Why containers do not run, as kubelet says it.
fn waiting(pod: &Value) -> Vec<(String, String)> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = lists.into_iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
    let waiting = statuses.filter_map(|status| status.pointer("/state/waiting"));
    let said = waiting.map(|one| (field(one, "/reason").to_owned(), field(one, "/message").to_owned()));
    said.filter(|(reason, _)| !matches!(reason.as_str(), "" | "ContainerCreating" | "PodInitializing")).collect()
}

/// None: the text says nothing, or only that its component waited.
async fn of_text(case: &Case<'_>, view: &View<'_>, what: &str, text: &str) -> Option<MissingLink> {
    let target = &case.target;
    if text.contains("timed out waiting for the condition") || text.contains("unmounted volumes=") {
        return None;
    }
    if is_refusal(text)
        && let Some(caller) = refused_caller(text)
        && let Some(own) = target.bound.identity.client_id()
        && !own.eq_ignore_ascii_case(caller)
    {
        let missing = target.mode.refused_other(view, caller).await.missing;
        let page = missing.page.unwrap_or(&pages::OTHER_IDENTITY);
        return Some(missing.page(page));
    }
    let told = cut(&first_lines(text));
    let Some((link, symptom)) = target.symptom(text) else {
        if text.contains("failed calling webhook") || text.contains("admission webhook") {
            let missing = MissingLink::new(POD, "a webhook keeps the pods of the workload from being created").page(&pages::NOT_CREATED);
            return Some(
                missing
                    .because(told)
                    .hint("Look at the webhooks: `kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations`."),
            );
        }
        return Some(unknown(what.to_owned(), &told).hint(format!(
            "Look at the events of the pods: `kubectl get events -n {} --sort-by=.lastTimestamp`.",
            target.bound.namespace
        )));
    };
    match symptom.means {
        Meaning::Known { what, hint, .. } => {
            let missing = MissingLink::new(link.name, what).because(told).hint(hint(view, link));
            Some(missing.page(symptom.page.unwrap_or(link.page)))
        }
        Meaning::Read(read) => {
            let missing = read(view, link, text).missing;
            let page = missing.page.unwrap_or(symptom.page.unwrap_or(link.page));
            Some(missing.page(page).because(told))
        }
        Meaning::Waiting => None,
    }
}
