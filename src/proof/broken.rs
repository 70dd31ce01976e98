//! Which link of the chain is broken when a pod mounts nothing: what the components say, and where they say nothing, what is not there.
//! It looks only at the cluster, and only at what the chain is made of.

use super::{NotProved, ProofPod, Target};
use crate::{
    cluster::{Api, Write},
    engine::fault::Fault,
};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// `syncSecret.enabled` is off in the driver's chart as it comes.
const SYNC: &str = "The driver may not keep Secrets: with its Helm chart set `secrets-store-csi-driver.syncSecret.enabled=true`; the AKS add-on may always.";

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn pod_identity(kind: &str, resource: &str) -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", kind, resource)
}

/// The last warning about an object of this name, of those that `is` takes. A login that may not read events still learns that the proof failed.
async fn warning(cluster: &Write, namespace: &str, name: &str, is: impl Fn(&Value) -> bool) -> Option<String> {
    let api = Api::new("", "v1", "Event", "events");
    let about = format!("involvedObject.name={name},type=Warning");
    let events = cluster.list(&api, Some(namespace), None, Some(&about)).await.unwrap_or_default();
    let last = events.iter().filter(|e| is(e)).max_by_key(|e| seen(e))?;
    Some(text(last, "/message").to_owned())
}

/// When an event was last seen; its writer fills in one of these.
fn seen(event: &Value) -> Option<Timestamp> {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| text(event, pointer).parse().ok())
}

/// The link that was waited for in vain.
pub(super) enum Lack<'a> {
    Mount,
    /// That the driver keeps a Secret of this name.
    Secret(&'a str),
    Running,
}

/// The pod's own warning if there is one; else the first link that is missing, as MIC would look for it. Events outlive what they are about by an
/// hour, and each proof's pod has the name of the last one's: only what was said of this pod counts, and of the binding what was said since.
pub(super) async fn why(target: &Target, cluster: &Write, pod: &ProofPod, lack: &Lack<'_>, waited: Duration) -> Fault {
    let waited = if waited < Duration::from_secs(1) { format!("{waited:.0?}") } else { format!("{:.0}s", waited.as_secs_f64()) };
    let (told, within) = match lack {
        Lack::Mount => (format!("the pod could not mount its secrets within {waited}"), format!("nothing was mounted within {waited}")),
        Lack::Secret(name) => both(format!("the secrets were mounted, but the Secret {name} was not made within {waited}")),
        Lack::Running => both(format!("the secrets were mounted, but the pod did not run within {waited}")),
    };
    let of_this_pod = |e: &Value| text(e, "/involvedObject/uid") == pod.uid;
    let said = warning(cluster, &target.namespace, &pod.at.name, of_this_pod).await;
    // NMI only says that it waited in vain: what for, the chain tells
    if let Some(message) = said.filter(|message| !message.contains("getting assigned identities for pod")) {
        return not_proved(format!("{told}: {}", first_lines(&message)), hint(&message, target));
    }
    match lack {
        Lack::Mount => chain(target, cluster, pod, &within).await,
        Lack::Secret(_) => not_proved(within, Some(SYNC.into())),
        Lack::Running => unknown(&within, target),
    }
}

fn both(text: String) -> (String, String) {
    (text.clone(), text)
}

/// Which link of the chain of pod identity is not there.
async fn chain(target: &Target, cluster: &Write, pod: &ProofPod, within: &str) -> Fault {
    let (namespace, selector) = (&target.namespace, &target.selector);
    let bindings = cluster.list(&pod_identity("AzureIdentityBinding", "azureidentitybindings"), Some(namespace), None, None).await;
    let Ok(bindings) = bindings else { return unknown(within, target) };
    let Some(binding) = bindings.iter().find(|b| text(b, "/spec/selector") == selector) else {
        return not_proved(
            format!("{within}: no AzureIdentityBinding in namespace {namespace} has the selector {selector}"),
            Some("Make it again: `podid up`, or `podid bind`.".into()),
        );
    };
    let (binding, identity) = (text(binding, "/metadata/name"), text(binding, "/spec/azureIdentity"));
    let identities = cluster.list(&pod_identity("AzureIdentity", "azureidentities"), Some(namespace), None, None).await;
    if identities.is_ok_and(|all| !all.iter().any(|i| text(i, "/metadata/name") == identity)) {
        return not_proved(
            format!("{within}: the AzureIdentity {identity}, which the binding {binding} names, is not in namespace {namespace}"),
            Some("Make it again: `podid up`, or `podid bind`.".into()),
        );
    }
    let since = |e: &Value| seen(e) >= pod.made;
    if let Some(message) = warning(cluster, namespace, binding, since).await {
        let way = "MIC could not put the identity on the nodes. If the cluster lacks a role, `podid up` or `podid bind` gives it both.";
        return not_proved(format!("{within}: the binding {binding} was not applied: {}", first_lines(&message)), Some(way.into()));
    }
    let assigned =
        cluster.list(&pod_identity("AzureAssignedIdentity", "azureassignedidentities"), None, None, None).await.unwrap_or_default();
    let mine = |a: &&Value| text(a, "/spec/pod") == pod.at.name && text(a, "/spec/podNamespace") == namespace;
    match assigned.iter().find(mine).map(|a| text(a, "/status/status")) {
        None => not_proved(
            format!("{within}: MIC assigned no identity to the pod"),
            Some("Look whether MIC runs, and at its log: `kubectl get pods -A | grep mic`.".into()),
        ),
        // where MIC may not even read the nodes' scale set, it says so in its log alone
        Some(state) if state != "Assigned" => not_proved(
            format!("{within}: MIC has not put the identity on the node (its AzureAssignedIdentity is {state}, not Assigned)"),
            Some("The cluster may lack a role on the identity or on its nodes: `podid up` or `podid bind` gives it both. Else look at MIC's log.".into()),
        ),
        Some(_) => unknown(within, target),
    }
}

fn unknown(within: &str, target: &Target) -> Fault {
    let way = format!(
        "Look at the components: `kubectl get pods -A -o wide | grep -E 'mic|nmi|secrets-store'`, and at the events of a pod of \
         the workload: `kubectl describe pod -n {}`.",
        target.namespace
    );
    not_proved(format!("{within}, and no event says why"), Some(way))
}

fn not_proved(what: String, way: Option<String>) -> Fault {
    Fault::cloud(NotProved(what, way))
}

/// The Azure SDK's errors go on with the whole answer; what matters of it is its code and its message.
fn first_lines(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("---"));
    let first = lines.next().unwrap_or_default().to_owned();
    let Some(told) = lines.find_map(|l| l.strip_prefix("\"message\": \"")) else { return first };
    let told = told.trim_end_matches([',', '"']);
    format!("{first}: {}", told.split("\\r\\n").next().unwrap_or(told))
}

/// What to do about the texts that NMI and the provider are known to write.
fn hint(message: &str, target: &Target) -> Option<String> {
    let has = |text: &str| message.contains(text);
    // the provider asks NMI on the node's own port (secrets-store-csi-driver-provider-azure, pkg/auth)
    if has("localhost:2579") || has("127.0.0.1:2579") {
        return Some("NMI does not answer on that node: look whether it runs there, `kubectl get pods -A -o wide | grep nmi`.".into());
    }
    if has("Identity not found") {
        let how = "it was made again under its name, or the AzureIdentity was changed";
        return Some(format!("No identity on the node has the client id that NMI asked for: {how}. `podid up` writes the right one."));
    }
    if has("ForbiddenByRbac") || has("does not have secrets get permission") || has("ForbiddenByPolicy") {
        return Some(format!(
            "The identity may not read the vault (a new role takes up to 10 minutes): `podid vault grant --vault {} --to identity/NAME`.",
            target.class.vault_name
        ));
    }
    if has("SecretNotFound") {
        return Some(format!("The secret is not in the vault: `podid vault secret list --vault {}`.", target.class.vault_name));
    }
    if has("not found in the list of registered CSI drivers") {
        return Some("The CSI driver is not on that node: enable the add-on azure-keyvault-secrets-provider, or install its chart.".into());
    }
    if has("error connecting to provider") {
        return Some("The driver finds no Azure provider on that node: look whether it runs there, `kubectl get pods -A -o wide | grep provider-azure`.".into());
    }
    if has("rpc error: code = Unavailable") {
        return Some(
            "The CSI driver does not answer on that node: look whether it runs there, `kubectl get pods -A -o wide | grep secrets-store`."
                .into(),
        );
    }
    None
}
