//! Which link of the chain is broken when a pod mounts nothing: what the components say, and where they say nothing, what is not there.
//! It looks only at the cluster, and only at what the chain is made of.

use super::{NotProved, Target};
use crate::{
    cluster::{Api, At, Write},
    engine::fault::Fault,
};
use serde_json::Value;
use std::time::Duration;

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn pod_identity(kind: &str, resource: &str) -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", kind, resource)
}

/// The pod's own warning if there is one; else the first link that is missing, as MIC would look for it.
pub(super) async fn why(target: &Target, cluster: &Write, pod: &At, waited: Duration) -> Fault {
    let api = Api::new("", "v1", "Event", "events");
    // a login that may not read events still learns that the proof failed
    let events = cluster.list(&api, Some(&target.namespace), None, None).await.unwrap_or_default();
    let warning = |about: &str| {
        let about = |e: &&Value| text(e, "/type") == "Warning" && text(e, "/involvedObject/name") == about;
        events.iter().rfind(about).map(|e| text(e, "/message").to_owned())
    };
    if let Some(message) = warning(&pod.name) {
        let said = format!("the pod could not mount its secrets within {waited:.0?}: {}", first_lines(&message));
        return not_proved(said, hint(&message, target));
    }
    let (namespace, selector) = (&target.namespace, &target.selector);
    let within = format!("nothing was mounted within {waited:.0?}");
    let bindings = cluster.list(&pod_identity("AzureIdentityBinding", "azureidentitybindings"), Some(namespace), None, None).await;
    let Ok(bindings) = bindings else { return unknown(&within, target, pod) };
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
    if let Some(message) = warning(binding) {
        let way = "MIC could not put the identity on the nodes. If the cluster lacks a role, `podid up` or `podid bind` gives it both.";
        return not_proved(format!("{within}: the binding {binding} was not applied: {}", first_lines(&message)), Some(way.into()));
    }
    let assigned =
        cluster.list(&pod_identity("AzureAssignedIdentity", "azureassignedidentities"), None, None, None).await.unwrap_or_default();
    let mine = |a: &&Value| text(a, "/spec/pod") == pod.name && text(a, "/spec/podNamespace") == namespace;
    match assigned.iter().find(mine).map(|a| text(a, "/status/status")) {
        None => not_proved(
            format!("{within}: MIC assigned no identity to the pod"),
            Some("Look whether MIC runs, and at its log: `kubectl get pods -A -l app.kubernetes.io/component=mic`.".into()),
        ),
        // where MIC may not even read the nodes' scale set, it says so in its log alone
        Some(state) if state != "Assigned" => not_proved(
            format!("{within}: MIC has not put the identity on the node (its AzureAssignedIdentity is {state}, not Assigned)"),
            Some("The cluster may lack a role on the identity or on its nodes: `podid up` or `podid bind` gives it both. Else look at MIC's log.".into()),
        ),
        Some(_) => unknown(&within, target, pod),
    }
}

fn unknown(within: &str, target: &Target, pod: &At) -> Fault {
    let way = format!(
        "Look at the components: `kubectl get pods -A -l app.kubernetes.io/name=aad-pod-identity`, and at the pod's own events: \
         `kubectl describe pod -n {} {}`.",
        target.namespace, pod.name
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
    if has("in CREATED state failed") {
        return Some(format!(
            "No AzureIdentityBinding gives pods with the label aadpodidbinding={} an identity: look at `kubectl get azureidentitybinding -n {}`, and at MIC's log.",
            target.selector, target.namespace
        ));
    }
    if has("in ASSIGNED state failed") {
        return Some(
            "MIC could not put the identity on the nodes: the cluster lacks a role. `podid up` or `podid bind` gives it both.".into(),
        );
    }
    if has("Identity not found") {
        return Some("The identity was deleted and made again under its name: `podid up` writes its new client id.".into());
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
    None
}
