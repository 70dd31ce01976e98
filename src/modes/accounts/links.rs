//! The links that the modes of Workload ID share: the service account with its annotation, the webhook, and what the webhook puts into a
//! pod (azure-workload-identity 1.6, `pkg/webhook/webhook.go`), and what a proof waits for of these.

use super::{
    names::{COMPONENT, KIND, USE},
    pages, texts,
};
use crate::{
    chain::{
        facts::Bound,
        link::{Check, Heals, Link, LinkName, MissingLink, RESTART, Reason, Resource, UNKNOWN},
        stage::{Otherwise, Reached, Stage, Until},
        texts::field,
        view::View,
    },
    cluster::{self, Api},
    engine::{
        plan::{Act, Action},
        resource::Side,
    },
    resources::{
        manifest,
        manifested::Manifested as _,
        service_account::{self, ServiceAccount},
    },
};
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;

pub const ACCOUNT: LinkName = LinkName::new("service-account", &pages::ACCOUNT);
/// The programs that change pods.
pub const WEBHOOK: LinkName = LinkName::new("webhook", &pages::WEBHOOK);
/// What they put into a pod.
pub const MUTATION: LinkName = LinkName::new("mutation", &pages::MUTATION);

/// The webhook's configuration, in the chart and on AKS.
const CONFIGURATION: &str = "azure-wi-webhook-mutating-webhook-configuration";
const DEPLOYMENT: &str = "azure-wi-webhook-controller-manager";
pub const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// The container that the webhook adds for apps that ask the metadata service.
const PROXY: &str = "azwi-proxy";

/// The service account with the identity's client id.
pub fn account(bound: &Bound, again: &[String]) -> Link {
    let title = format!("the service account {}/{}", bound.namespace, bound.subject);
    Link::new(ACCOUNT, title, again.to_vec())
        .resource(Resource { judge: Some(wrong_annotation), ..Resource::of(KIND) })
        .check(Side::Kubernetes, |view, link| look_at_account(view, link))
        .symptoms(texts::OF_ACCOUNT)
        .of_app()
}

pub fn webhook(bound: &Bound) -> Link {
    let cluster = &bound.cluster.name;
    let again = crate::chain::ground::words(["cluster", "install", COMPONENT, "--cluster", cluster]);
    Link::new(WEBHOOK, "the webhook of Workload ID", again)
        .check(Side::Kubernetes, |view, link| look_at_webhook(view, link))
        .symptoms(texts::OF_WEBHOOK)
        .apart()
        .of_app()
}

/// `examine`: what is looked at beyond a proof.
pub fn mutation(examine: &'static [Check]) -> Link {
    Link::new(MUTATION, "what the webhook puts into the pod", Vec::new())
        .check(Side::Kubernetes, |view, link| look_at_pod(view, link))
        .symptoms(texts::OF_POD)
        .examine(examine)
        .of_app()
}

/// That its marks changed is no fault; its annotation is what it is for.
fn wrong_annotation(action: &Action) -> Option<String> {
    let pointer = format!("metadata.annotations.{}", service_account::CLIENT_ID);
    let is_it = |field: &str| field == pointer || field.contains(service_account::CLIENT_ID) || field == "metadata.annotations";
    let change = action.changes.iter().find(|c| action.act == Act::Update && is_it(&c.field))?;
    Some(match change.from.as_str() {
        Some(other) => format!("names another identity: its annotation {} is {other:?}", service_account::CLIENT_ID),
        None => format!("has lost its annotation {}", service_account::CLIENT_ID),
    })
}

fn look_at_account<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let Bound { namespace, subject, identity, .. } = view.bound;
        let Ok(found) = view.cluster.get(&service_account::at(namespace, subject)).await else { return Vec::new() };
        let annotation = service_account::CLIENT_ID;
        let what = match found.as_ref().map(service_account::client_id) {
            None => format!("the service account {subject} does not exist in the namespace {namespace}"),
            Some(None) => format!(
                "the service account {namespace}/{subject} has no annotation {annotation}, so the webhook gives its pods no client id"
            ),
            Some(Some(given)) if uuid::Uuid::parse_str(given).is_err() => format!(
                "the annotation {annotation} of the service account {namespace}/{subject} is not a client id: {given:?} (a resource id or a name does not work)"
            ),
            Some(Some(given)) if identity.client_id().is_some_and(|own| !own.eq_ignore_ascii_case(given)) => format!(
                "the annotation {annotation} of the service account {namespace}/{subject} names another identity ({given}), not {}",
                identity.name
            ),
            Some(Some(_)) => return Vec::new(),
        };
        // a value of somebody else is overwritten only with consent
        let is_foreign = found.as_ref().and_then(service_account::client_id).is_some();
        let more: &[&str] = if is_foreign { &["--force-conflicts"] } else { &[] };
        let by = view.delivered.map_or(view.bound.by, |delivered| delivered.by);
        let again = view.commands.write_again(&view.bound.app, by, &link.again, more);
        let hint = format!("Write it again, then make the pods again: {again}.");
        vec![Reason::new(Heals::Never, MissingLink::new(ACCOUNT, what).hint(hint))]
    })
}

/// Whether the webhook is there and answers, as far as this login may look.
fn look_at_webhook<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let install =
            format!("Install it: {}; then make the pods again, because it changes new pods only.", view.commands.podid(&words(link)));
        let deployments = view.cluster.list(&Api::new("apps", "v1", "Deployment", "deployments"), None, None).await;
        let Ok(deployments) = deployments else { return Vec::new() };
        let Some(found) = deployments.iter().find(|d| field(d, "/metadata/name") == DEPLOYMENT) else {
            let what = format!("the webhook of Workload ID does not run in the cluster {}", view.bound.cluster.name);
            return vec![Reason::new(Heals::Within(RESTART / 6), MissingLink::new(WEBHOOK, what).hint(install))];
        };
        let namespace = field(found, "/metadata/namespace");
        let ready = found.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or_default();
        if ready == 0 {
            let what = format!("no pod of the webhook of Workload ID is ready ({namespace}/{DEPLOYMENT})");
            let start = format!("kubectl scale deployment {DEPLOYMENT} -n {namespace} --replicas 2");
            let stopped = found.pointer("/spec/replicas").and_then(Value::as_u64) == Some(0);
            let hint = format!("Look why: `kubectl describe pods -n {namespace} -l azure-workload-identity.io/system=true`.");
            let hint = if stopped { format!("Start it: `{start}`.") } else { hint };
            return vec![Reason::new(Heals::Within(RESTART), MissingLink::new(WEBHOOK, what).page(&pages::WEBHOOK_SILENT).hint(hint))];
        }
        let api = Api::new("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations");
        match view.cluster.get(&manifest::at(&api, None, CONFIGURATION)).await {
            Ok(None) => {
                let what = format!("the API server does not ask the webhook of Workload ID: there is no {CONFIGURATION}");
                vec![Reason::new(Heals::Within(RESTART), MissingLink::new(WEBHOOK, what).page(&pages::WEBHOOK_UNKNOWN).hint(install))]
            }
            // a login or a server that cannot show it leaves the question open
            Ok(Some(_)) | Err(_) => Vec::new(),
        }
    })
}

fn words(link: &Link) -> Vec<&str> {
    link.again.iter().map(String::as_str).collect()
}

/// What is wrong with the pod, given what the webhook would have made of it.
fn look_at_pod<'a>(view: &'a View<'a>, _: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let Some(pod) = view.pod else { return Vec::new() };
        match view.cluster.get(&pod.at).await {
            Ok(Some(pod)) => fault_of(&pod, view.bound).into_iter().collect(),
            Ok(None) | Err(cluster::Error::Forbidden { .. }) | Err(_) => Vec::new(),
        }
    })
}

/// Says what of the webhook's work is not as it should be in a pod.
pub fn fault_of(pod: &Value, bound: &Bound) -> Option<Reason> {
    let name = field(pod, "/metadata/name");
    let never = |what: String, hint: String| Some(Reason::new(Heals::Never, MissingLink::new(MUTATION, what).hint(hint)));
    let labelled = pod.pointer("/metadata/labels").and_then(|all| all.get(USE)).and_then(Value::as_str) == Some("true");
    if !labelled {
        return never(
            format!("the pod {name} has no label {USE}: \"true\", so the webhook did not look at it"),
            "Give the pod template the label: `podid app wire` does, or `wire:` in the spec.".to_owned(),
        );
    }
    let account = field(pod, "/spec/serviceAccountName");
    if account != bound.subject {
        return never(
            format!("the pod {name} runs as the service account {account}, not as {}", bound.subject),
            "Set `serviceAccountName` in the pod template: `podid app wire` does, or `wire:` in the spec.".to_owned(),
        );
    }
    if !has_token(pod) {
        return never(
            format!("the webhook of Workload ID did not change the pod {name}: it has no token of its service account"),
            "The webhook changes pods when they are created: make the pod again once the webhook runs, and look at the webhook's log: `podid logs webhook`.".to_owned(),
        );
    }
    let own = bound.identity.client_id()?;
    let given = env(pod, CLIENT_ID);
    match given {
        Some(given) if given.eq_ignore_ascii_case(own) => None,
        Some(given) => never(
            format!("the variable {CLIENT_ID} of the pod {name} names another identity ({given}), not {}", bound.identity.name),
            "The webhook does not overwrite a variable of the pod template: remove it there, or correct the service account's annotation, then make the pod again."
                .to_owned(),
        )
        .map(|mut reason| {
            reason.missing.page = Some(&pages::CLIENT_ID);
            reason
        }),
        None => never(
            format!("the pod {name} has no variable {CLIENT_ID}"),
            "The service account had no client id when the pod was created: make the pod again.".to_owned(),
        ),
    }
}

/// Whether the pod has a token of its service account for Entra, or for the cluster's proxy.
pub fn has_token(pod: &Value) -> bool {
    let audiences = ["api://AzureADTokenExchange", "api://AKSIdentityBinding"];
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let mut sources = volumes.filter_map(|volume| volume.pointer("/projected/sources")?.as_array()).flatten();
    let is_for_us = |source: &Value| audiences.contains(&field(source, "/serviceAccountToken/audience"));
    sources.any(is_for_us) && env(pod, TOKEN_FILE).is_some()
}

/// A variable of the first container that the webhook serves: it may be told to skip some, and before Kubernetes 1.32 its own proxy is the
/// first one.
fn env<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let all = pod.pointer("/spec/containers").and_then(Value::as_array)?;
    let apps = || all.iter().filter(|container| field(container, "/name") != PROXY);
    let served = apps().filter(|container| variable(container, TOKEN_FILE).is_some());
    served.chain(apps()).find_map(|container| variable(container, name))
}

fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let all = container.get("env")?.as_array()?;
    all.iter().find(|one| field(one, "/name") == name)?.get("value")?.as_str()
}

/// The service account, then what the webhook put into the pod.
pub fn stages(bound: &Bound) -> Vec<Stage> {
    let (own, pods) = (bound.clone(), bound.clone());
    let stage = |step, waits_for: String, in_vain: String, until, link| Stage {
        step,
        waits_for,
        in_vain,
        until,
        link,
        otherwise: Otherwise::Chain,
        telling: &[],
        over: &[],
        report: None,
    };
    let reached = |detail: String| Reached { detail, versions: BTreeMap::new() };
    let is_ours = move |object: &Value| {
        let given = service_account::client_id(object)?;
        let ours = own.identity.client_id().is_none_or(|id| id.eq_ignore_ascii_case(given));
        (ours && uuid::Uuid::parse_str(given).is_ok()).then(|| Ok(reached(format!("{} names client id {given}", own.subject))))
    };
    let is_mutated = move |pod: &Value| {
        fault_of(pod, &pods).is_none().then(|| {
            let id = env(pod, CLIENT_ID).unwrap_or_default();
            Ok(reached(format!("{CLIENT_ID} {id}, and a token of the service account at {}", env(pod, TOKEN_FILE).unwrap_or_default())))
        })
    };
    vec![
        stage(
            "account",
            format!("waiting until the service account {} names the identity", bound.subject),
            format!("the service account {} does not name the identity", bound.subject),
            Until::Object { api: ServiceAccount::api(), name: bound.subject.clone(), read: Box::new(is_ours) },
            ACCOUNT,
        ),
        stage(
            "webhook",
            "waiting until the webhook has changed the pod".to_owned(),
            "the webhook of Workload ID did not change the pod".to_owned(),
            Until::Pod(Box::new(is_mutated)),
            UNKNOWN,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::facts::BoundIdentity,
        engine::{desired::Requester, input::Input},
        resources::world::ClusterTarget,
    };
    use serde_json::json;

    const OWN: &str = "11111111-2222-3333-4444-555555555555";

    fn bound() -> Bound {
        Bound {
            mode: "workload-identity",
            app: "shop".into(),
            by: Requester::Spec,
            cluster: ClusterTarget { name: "aks".into(), context: "aks".into(), hosts: Input::Known(Vec::new()) },
            namespace: "shop".into(),
            subject: "web".into(),
            name: "web".into(),
            identity: BoundIdentity {
                key: None,
                name: "shop-wi".into(),
                resource_group: None,
                resource_id: None,
                client_id: Some(Input::Known(OWN.into())),
            },
            objects: [].into(),
            keys: Vec::new(),
            flags: Vec::new(),
        }
    }

    fn pod() -> Value {
        json!({
            "metadata": { "name": "web-1", "labels": { USE: "true" } },
            "spec": {
                "serviceAccountName": "web",
                "containers": [{ "env": [{ "name": CLIENT_ID, "value": OWN }, { "name": TOKEN_FILE, "value": "/t" }] }],
                "volumes": [{ "projected": { "sources": [{ "serviceAccountToken": { "audience": "api://AzureADTokenExchange" } }] } }],
            },
        })
    }

    fn fault(pointer: &str, value: Value) -> String {
        let mut pod = pod();
        *pod.pointer_mut(pointer).unwrap() = value;
        fault_of(&pod, &bound()).map(|reason| reason.missing.what).unwrap_or_default()
    }

    #[test]
    fn what_a_pod_lacks_is_named() {
        assert_eq!(fault_of(&pod(), &bound()), None);
        assert!(fault("/metadata/labels", json!({})).contains("has no label azure.workload.identity/use"));
        assert!(fault("/metadata/labels", json!({ USE: "yes" })).contains("has no label"), "only the word `true` counts");
        assert!(fault("/spec/serviceAccountName", json!("default")).contains("runs as the service account default, not as web"));
        assert!(fault("/spec/volumes", json!([])).contains("did not change the pod web-1"), "it is older than the webhook");
        let other = json!([{ "name": CLIENT_ID, "value": "other" }, { "name": TOKEN_FILE, "value": "/t" }]);
        assert!(fault("/spec/containers/0/env", other).contains("names another identity (other), not shop-wi"), "it was overridden");
        assert!(
            fault("/spec/containers/0/env", json!([{ "name": TOKEN_FILE, "value": "/t" }])).contains("has no variable AZURE_CLIENT_ID")
        );
        let own = json!({ "name": "app", "env": [{ "name": CLIENT_ID, "value": "other" }, { "name": TOKEN_FILE, "value": "/t" }] });
        let beside = json!([
            { "name": PROXY, "env": [{ "name": CLIENT_ID, "value": OWN }, { "name": TOKEN_FILE, "value": "/t" }] },
            { "name": "istio-proxy" },
            own,
        ]);
        assert!(fault("/spec/containers", beside).contains("names another identity (other)"), "the proxy and what is skipped do not count");
        let proxied = json!([{ "projected": { "sources": [{ "serviceAccountToken": { "audience": "api://AKSIdentityBinding" } }] } }]);
        assert_eq!(fault("/spec/volumes", proxied), "");
    }
}
