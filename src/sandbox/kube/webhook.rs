//! The webhook of Azure Workload ID as the API server sees it: which MutatingWebhookConfiguration calls it for a new pod, whether one of its
//! pods can answer, and with which settings that pod runs. `mutation` is what the webhook does. Other webhooks are stored and never called.

mod mutation;
mod settings;

pub use mutation::mutate;
pub use settings::Settings;

use super::label_selector;
use super::status::{Outcome, Refusal};
use super::store::{Store, meta};
use serde_json::{Value, json};

/// The name of the webhook in its configuration.
pub const NAME: &str = "mutation.azure-workload-identity.io";
/// The label `app` of its pods.
pub const APP: &str = "workload-identity-webhook";
const CONFIGURATIONS: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io/";

/// Lets the webhook change a new pod. Returns whether it was called.
pub fn call(store: &Store, pod: &mut Value) -> Outcome<bool> {
    let Some(webhook) = responsible(store, pod) else { return Ok(false) };
    let settings = match endpoint(store, &webhook["clientConfig"]) {
        Ok(settings) => settings,
        Err(_) if webhook["failurePolicy"] == "Ignore" => return Ok(false),
        Err(why) => return Err(unreachable(&webhook, &why)),
    };
    let account = format!("serviceaccounts/{}/{}", meta(pod, "namespace"), pod["spec"]["serviceAccountName"].as_str().unwrap_or_default());
    let account = store.get(&account).cloned().unwrap_or_default();
    mutate(&settings, pod, &account).map_err(|why| {
        // the webhook answers with a code and a message, and no reason
        Refusal::new(400, "", format!("admission webhook {NAME:?} denied the request: {why}"))
    })?;
    Ok(true)
}

/// Returns the webhook, if a configuration calls it for this pod. AKS keeps all webhooks away from kube-system.
fn responsible(store: &Store, pod: &Value) -> Option<Value> {
    let namespace = store.namespace(meta(pod, "namespace"))?;
    let holds = |selector: &Value, labels: &Value| label_selector::matches(selector, labels);
    let called = |webhook: &&Value| {
        webhook["name"] == NAME
            && webhook["rules"].as_array().into_iter().flatten().any(is_about_new_pods)
            && holds(&webhook["namespaceSelector"], &namespace["metadata"]["labels"])
            && holds(&webhook["objectSelector"], &pod["metadata"]["labels"])
    };
    let mut all =
        store.with_prefix(CONFIGURATIONS).flat_map(|(_, configuration)| configuration["webhooks"].as_array().into_iter().flatten());
    all.find(called).filter(|_| meta(pod, "namespace") != "kube-system").cloned()
}

fn is_about_new_pods(rule: &Value) -> bool {
    let has = |list: &str, wanted: &str| rule[list].as_array().into_iter().flatten().any(|one| one == wanted || one == "*");
    has("operations", "CREATE") && has("resources", "pods") && has("apiGroups", "")
}

/// Returns the settings of a pod that serves the webhook, or why there is none. Where the configuration names a URL, nothing is sent there:
/// the pods of the chart and of AKS are looked for.
fn endpoint(store: &Store, called: &Value) -> Result<Settings, String> {
    let settings = |pod: &Value| Settings::of(pod, |map| store.get(&format!("configmaps/{}/{map}", meta(pod, "namespace"))).cloned());
    if called["url"].is_string() {
        let serves = |pod: &&Value| is_ready(pod) && pod["metadata"]["labels"]["app"] == APP;
        let pod = store.with_prefix("pods/").map(|(_, pod)| pod).find(serves);
        return pod.map(settings).ok_or_else(|| "dial tcp: connect: connection refused".to_owned());
    }
    let service = &called["service"];
    let text = |name: &str| service[name].as_str().unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    let Some(found) = store.get(&format!("services/{namespace}/{name}")) else { return Err(format!("service {name:?} not found")) };
    let selector = json!({"matchLabels": found["spec"]["selector"]});
    let in_namespace = format!("pods/{namespace}/");
    let mut pods = store.with_prefix(&in_namespace).map(|(_, pod)| pod);
    let pod = pods.find(|pod| is_ready(pod) && label_selector::matches(&selector, &pod["metadata"]["labels"]));
    pod.map(settings).ok_or_else(|| format!("no endpoints available for service {name:?}"))
}

/// Returns whether a pod answers requests.
pub fn is_ready(pod: &Value) -> bool {
    let ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["conditions"].as_array().into_iter().flatten().any(ready)
}

/// Returns the API server's refusal of a request whose webhook cannot be called.
fn unreachable(webhook: &Value, why: &str) -> Refusal {
    let service = &webhook["clientConfig"]["service"];
    let text = |name: &str| service[name].as_str().unwrap_or_default();
    let (port, timeout) = (service["port"].as_i64().unwrap_or(443), webhook["timeoutSeconds"].as_i64().unwrap_or(10));
    let url = match webhook["clientConfig"]["url"].as_str() {
        Some(url) => format!("{url}?timeout={timeout}s"),
        None => format!("https://{}.{}.svc:{port}{}?timeout={timeout}s", text("name"), text("namespace"), text("path")),
    };
    let cause = format!("failed calling webhook {NAME:?}: failed to call webhook: Post {url:?}: {why}");
    let details = json!({"causes": [{"message": cause}]});
    Refusal { details, ..Refusal::new(500, "InternalError", format!("Internal error occurred: {cause}")) }
}
