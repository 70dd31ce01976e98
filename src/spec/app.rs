//! What must hold in `app` and `wire` of a workload. Pure.

use super::{
    complaint::{Complaint, Verdict, maybe, named, wrong},
    model::{
        Use, Workload,
        app::{AppSpec, EnvSpec},
    },
    names,
    suggest::nearest,
};
use crate::{
    apps::{
        manifests::{APP_LABEL, Expose},
        pods::PodSettings,
        quantity,
    },
    modes,
    resources::{ownership, workload::WorkloadKind},
};
use std::collections::BTreeMap;

/// All annotations of an object together (apimachinery, `TotalAnnotationSizeLimitB`).
const ANNOTATIONS: usize = 256 * 1024;

/// The secret of a workload that a variable names.
pub fn synced<'a>(workload: &'a Workload, name: &str) -> Option<&'a Use> {
    workload.secrets.iter().find(|used| used.name.eq_ignore_ascii_case(name))
}

/// Reads `deployment/NAME`.
pub fn workload_ref(text: &str) -> Result<(WorkloadKind, &str), String> {
    let words: Vec<&str> = WorkloadKind::ALL.iter().map(|kind| kind.word()).collect();
    let rule = || format!("expected KIND/NAME, such as `deployment/web`; the kinds are: {}", words.join(", "));
    let (word, name) = text.split_once('/').ok_or_else(rule)?;
    let kind =
        WorkloadKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| match nearest(word, words.iter().copied()) {
            Some(near) => format!("{} (did you mean `{near}/{name}`?)", rule()),
            None => rule(),
        })?;
    names::dns_subdomain(name)?;
    Ok((kind, name))
}

/// Checks `app` and `wire` of a workload.
pub(super) fn check(path: &str, workload: &Workload) -> Verdict {
    if let Some(wire) = &workload.wire {
        let path = format!("{path}.wire");
        if workload.app.is_some() {
            return Err(wrong(path, "a workload has `app` or `wire`, not both")
                .hint("`app` deploys an app; `wire` is for one that exists. Remove one of them."));
        }
        let (kind, _) = workload_ref(wire).map_err(|rule| wrong(&path, rule))?;
        if kind == WorkloadKind::Job {
            return Err(wrong(path, "the pod template of a Job is immutable").hint("Wire the CronJob that makes it: `cronjob/NAME`."));
        }
    }
    let Some(app) = &workload.app else { return Ok(()) };
    if let (Some(_), Err(rule)) = (app.port, names::service(&workload.name)) {
        return Err(wrong(format!("{path}.name"), format!("the Service of the app cannot be called so: {rule}")));
    }
    check_app(workload, app).map_err(|complaint| complaint.below(&format!("{path}.app")))
}

fn check_app(workload: &Workload, app: &AppSpec) -> Verdict {
    named("image", names::image, &app.image)?;
    check_reach(&Reach {
        port: app.port,
        expose: app.expose,
        host: app.host.as_ref(),
        path: app.path.as_ref(),
        class: app.gateway_class.as_ref(),
    })?;
    maybe("pullSecret", names::dns_subdomain, app.pull_secret.as_ref())?;
    check_pods(&app.pods())?;
    for (name, value) in &app.env {
        let path = format!("env.{name}");
        names::variable(name).map_err(|rule| wrong(&path, rule))?;
        let EnvSpec::Secret(secret) = value else { continue };
        let known: Vec<&str> = workload.secrets.iter().filter(|used| used.sync.is_some()).map(|used| used.name.as_str()).collect();
        match synced(workload, secret) {
            Some(used) if used.sync.is_some() => {}
            Some(_) => {
                let message = format!("a variable gets its value from a Kubernetes Secret, and the secret `{secret}` is not synced");
                return Err(wrong(format!("{path}.secret"), message).hint("Add `sync: {secret: NAME, key: KEY}` to it in `secrets`."));
            }
            None => {
                let meant = nearest(secret, known.iter().copied()).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
                let listed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(wrong(format!("{path}.secret"), format!("this workload reads no secret `{secret}`"))
                    .hint(format!("{meant}The synced secrets are: {listed}.")));
            }
        }
    }
    Ok(())
}

/// How an app is reached, as a spec or the command line says it.
pub struct Reach<'a> {
    pub port: Option<u16>,
    pub expose: Expose,
    pub host: Option<&'a String>,
    pub path: Option<&'a String>,
    pub class: Option<&'a String>,
}

/// Checks what is said of the way to an app; the paths of complaints are the fields of the spec.
pub fn check_reach(reach: &Reach<'_>) -> Result<(), Complaint> {
    if reach.port == Some(0) {
        return Err(wrong("port", "a port is a number from 1 to 65535"));
    }
    let needs_port = |field: &str, is_set: bool| match reach.port {
        None if is_set => Err(wrong(field, "it needs the port of the container").hint("Add `port`.")),
        _ => Ok(()),
    };
    needs_port("expose", reach.expose != Expose::None)?;
    needs_port("path", reach.path.is_some())?;
    for (field, value) in [("host", reach.host), ("gatewayClass", reach.class)] {
        if value.is_some() && reach.expose != Expose::Gateway {
            return Err(wrong(field, "only a Gateway has it").hint("Write `expose: gateway`, or leave it out."));
        }
    }
    maybe("host", names::host, reach.host)?;
    maybe("path", names::url_path, reach.path)?;
    maybe("gatewayClass", names::dns_subdomain, reach.class)
}

/// Checks what a user asks of the pods; the paths of complaints are the fields of the spec.
pub fn check_pods(pods: &PodSettings) -> Verdict {
    for (key, value) in &pods.labels {
        let path = format!("labels.{key}");
        names::label_key(key)
            .and_then(|()| if value.is_empty() { Ok(()) } else { names::label_value(value) })
            .map_err(|rule| wrong(&path, rule))?;
        not_ours("label", key).map_err(|complaint| Complaint { path, ..complaint })?;
    }
    for key in pods.annotations.keys() {
        let path = format!("annotations.{key}");
        names::label_key(key).map_err(|rule| wrong(&path, rule))?;
        not_ours("annotation", key).map_err(|complaint| Complaint { path, ..complaint })?;
    }
    if pods.annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > ANNOTATIONS {
        return Err(wrong("annotations", "all annotations of a pod together have at most 256 KiB"));
    }
    for (field, amounts) in [("requests", &pods.requests), ("limits", &pods.limits)] {
        check_amounts(&format!("resources.{field}"), amounts)?;
    }
    for (name, request) in &pods.requests {
        let of = |text: &String| quantity::amount(text).unwrap_or_default();
        if let Some(limit) = pods.limits.get(name).filter(|limit| of(request) > of(limit)) {
            let message = format!("the request {request} is more than the limit {limit}");
            return Err(wrong(format!("resources.requests.{name}"), message).hint("Raise the limit, or lower the request."));
        }
    }
    Ok(())
}

fn check_amounts(path: &str, amounts: &BTreeMap<String, String>) -> Verdict {
    for (name, text) in amounts {
        quantity::name(name).and_then(|()| quantity::check(name, text)).map_err(|rule| wrong(format!("{path}.{name}"), rule))?;
    }
    Ok(())
}

/// Refuses labels and annotations that podid sets itself, or by which a mode gives pods an identity.
fn not_ours(what: &str, key: &str) -> Verdict {
    let why = if key == APP_LABEL {
        "the Service and the Deployment find the pods by it"
    } else if [ownership::MANAGED_BY, ownership::APP].contains(&key) {
        "podid marks what it made with it"
    } else if modes::all().any(|mode| mode.pod_keys().contains(&key)) {
        "it decides which identity the pods get"
    } else {
        return Ok(());
    };
    Err(wrong("", format!("the {what} {key} is podid's own: {why}")).hint(format!("Leave it out, or use another {what}.")))
}
