//! What `doctor` looks at of the CSI driver beyond a proof: the class itself, and whether driver and provider run, once and on the pod's node.

use super::{names::DRIVER as DRIVER_NAME, pages};
use crate::{
    chain::{
        link::{Check, Heals, Link, LinkName, MissingLink, RESTART, Reason},
        page::Severity,
        programs,
        texts::field,
        view::View,
    },
    cluster::Api,
    engine::resource::Side,
    resources::{
        manifest,
        manifested::Manifested as _,
        running::{self, Running},
        secret_provider_class::SecretProviderClass,
    },
};
use serde_json::Value;

pub const CLASS: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_class(view, link)) }];
pub const DRIVER: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_driver(view, link)) }];
pub const PROVIDER: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_provider(view, link)) }];

fn broken(missing: MissingLink) -> Vec<Reason> {
    vec![Reason::new(Heals::Never, missing)]
}

async fn look_at_class(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let Some(delivered) = view.delivered else { return Vec::new() };
    let (namespace, name) = (&delivered.namespace, &delivered.name);
    let at = manifest::at(&SecretProviderClass::api(), Some(namespace), name);
    let write = format!("Write it again: {}.", view.again(&link.again));
    let class = match view.cluster.get(&at).await {
        Ok(Some(class)) => class,
        Ok(None) => {
            let missing = MissingLink::new(link.name, format!("the SecretProviderClass {namespace}/{name} does not exist"));
            return broken(missing.page(&pages::CLASS_MISSING).hint(write));
        }
        Err(_) => return Vec::new(),
    };
    let parameter =
        |name: &str| class.pointer("/spec/parameters").and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default();
    let tenant = ["tenantID", "tenantId"].map(parameter).into_iter().any(|value| !value.is_empty());
    let empty = ["keyvaultName", "objects"].into_iter().find(|name| parameter(name).is_empty()).or_else(|| (!tenant).then_some("tenantID"));
    if let Some(empty) = empty {
        let near = class.pointer("/spec/parameters").and_then(Value::as_object).into_iter().flat_map(|all| all.keys());
        let near = near.into_iter().find(|name| name.eq_ignore_ascii_case(empty)).map(|near| format!("it has `{near}`, which is not read"));
        let missing = MissingLink::new(link.name, format!("the SecretProviderClass {namespace}/{name} has no parameter `{empty}`"));
        let missing = missing.page(&pages::CLASS_UNREADABLE);
        return broken(near.into_iter().fold(missing, MissingLink::because).hint(write));
    }
    let modes = ["usePodIdentity", "useVMManagedIdentity", "useAzureTokenProxy"];
    let on: Vec<&str> = modes.into_iter().filter(|name| parameter(name).eq_ignore_ascii_case("true")).collect();
    if on.len() > 1 {
        let missing =
            MissingLink::new(link.name, format!("the SecretProviderClass {namespace}/{name} sets more than one mode: {}", on.join(", ")));
        return broken(missing.page(&pages::CLASS_MODE).hint(write));
    }
    Vec::new()
}

fn install(view: &View<'_>) -> String {
    view.commands.podid(&["cluster", "install", "csi", "--cluster", &view.bound.cluster.name])
}

async fn look_at_driver(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let images = ["secrets-store/driver", "csi-secrets-store/driver"];
    let Some(all) = view.survey.and_then(|survey| programs::daemons(survey, "driver", &images)) else { return Vec::new() };
    let mut found = program(view, link.name, "the Secrets Store CSI driver", &all).await;
    if !found.iter().any(|one| one.missing.page.is_none()) {
        found.extend(on_the_node(view, link).await);
    }
    found
}

async fn look_at_provider(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let images = ["secrets-store/provider-azure"];
    let Some(all) = view.survey.and_then(|survey| programs::daemons(survey, "provider", &images)) else { return Vec::new() };
    program(view, link.name, "the driver's Azure provider", &all).await
}

async fn program(view: &View<'_>, name: LinkName, shown: &str, all: &[Running]) -> Vec<Reason> {
    let Some(first) = all.iter().max_by_key(|one| one.ready) else {
        let missing = MissingLink::new(name, format!("{shown} does not run in the cluster {}", view.bound.cluster.name));
        return broken(missing.hint(format!("Install it: {}.", install(view))));
    };
    let mut found: Vec<Reason> = two(view, name, shown, all).await.into_iter().collect();
    if first.wanted > 0 && first.ready == 0 {
        let missing =
            MissingLink::new(name, format!("no pod of {shown} is ready ({}/{}, 0 of {})", first.namespace, first.name, first.wanted));
        let hint = format!("Look why: `kubectl describe daemonset {} -n {}`.", first.name, first.namespace);
        found.push(Reason::new(Heals::Within(RESTART), missing.hint(hint)));
    }
    found
}

/// Two installations fight for one socket and for ports of the node.
async fn two(view: &View<'_>, name: LinkName, shown: &str, all: &[Running]) -> Option<Reason> {
    let (_, installers) = running::rivals(all)?;
    let by: Vec<String> = installers.iter().map(ToString::to_string).collect();
    let remove = programs::removals(view, "csi", all);
    let missing = MissingLink::new(name, format!("{shown} is installed twice, by {}", by.join(" and "))).page(&pages::TWO);
    let missing = match programs::shared_node(view, all).await {
        Some(node) => missing.severity(Severity::Error).because(format!("both answer on the node {node}, at one socket")),
        None => missing,
    };
    let hint = format!(
        "Remove one: {}. Before a chart goes, save the classes: `kubectl get secretproviderclasses -A -o yaml`.",
        remove.join(", or ")
    );
    Some(Reason::new(Heals::Never, missing.hint(hint)))
}

/// Whether kubelet knows the driver on the pod's node.
async fn on_the_node(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let Some(pod) = view.pod else { return Vec::new() };
    let Ok(Some(pod)) = view.cluster.get(&pod.at).await else { return Vec::new() };
    let node = field(&pod, "/spec/nodeName");
    if node.is_empty() {
        return Vec::new();
    }
    let api = Api::new("storage.k8s.io", "v1", "CSINode", "csinodes");
    let Ok(Some(known)) = view.cluster.get(&manifest::at(&api, None, node)).await else { return Vec::new() };
    let drivers = known.pointer("/spec/drivers").and_then(Value::as_array);
    // a server that lists no drivers at all does not say which there are
    let Some(drivers) = drivers.filter(|drivers| !drivers.is_empty()) else { return Vec::new() };
    if drivers.iter().any(|driver| field(driver, "/name") == DRIVER_NAME) {
        return Vec::new();
    }
    let missing = MissingLink::new(link.name, format!("the Secrets Store CSI driver is not registered on the node {node}"));
    vec![Reason::new(
        Heals::Within(RESTART),
        missing.hint("Look whether its pod runs there: `kubectl get pods -A -o wide | grep secrets-store`."),
    )]
}
