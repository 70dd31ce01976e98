//! What the modes of Workload ID have in common: pods get the identity of their service account, whose tokens are exchanged for those of a
//! managed identity, and the webhook gives each pod such a token.

mod driver;
mod links;
mod names;
mod own_pods;
pub mod pages;
mod prerequisites;
mod settings;
mod texts;
mod uses;

pub use driver::driver_tokens;
pub use links::{account, mutation, stages, webhook};
pub use names::{COMPONENT, KIND, PROXY_AUDIENCE, TOKEN_PROXY, USE};
pub use own_pods::{EXAMINE, warnings};
pub use prerequisites::missing;
pub use settings::{ACCOUNT_SETTING, CREATE, CREATE_SETTING, SERVICE_ACCOUNT, SETTINGS};
pub use uses::{identity_of, serves};

use crate::{
    chain::{
        facts::{Bound, Component, Parameters, PodPatch},
        found::Found,
        ground,
        texts::field,
    },
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, Input},
        key::Key,
    },
    resources::{
        access::{Reach, Right},
        identity,
        object::Object,
        service_account::{self, ServiceAccount},
    },
    spec::{graph::Graph, names::object_name, reference::NameOrId, request::Bind},
};
use serde_json::Value;

pub const NEEDS: &[Component] = &[Component { name: COMPONENT, pods: &["azure-wi-webhook"] }];

/// The name of the service account that a binding is for.
pub fn name(bind: &Bind, identity: &Key) -> String {
    bind.settings.get(SERVICE_ACCOUNT).map_or_else(|| object_name(identity.names()), str::to_owned)
}

/// Adds the service account of a binding, which names the identity.
pub fn add(bind: &Bind, identity: &Key, graph: &mut Graph<'_>) -> Result<Key, Fault> {
    let target = graph.target()?;
    let within = graph.namespace(&target, &bind.namespace, Intent::Present)?;
    let name = name(bind, identity);
    let key = service_account::key(&target.name, &bind.namespace, &name);
    let kind = ServiceAccount {
        target: target.clone(),
        namespace: bind.namespace.clone(),
        name,
        client_id: identity::CLIENT_ID.of(identity),
        must_exist: bind.settings.get(CREATE) == Some("false"),
        within: DependsOn::of(&within),
    };
    graph.add_in_cluster(&key, &kind, Intent::Present, &target)?;
    Ok(key)
}

pub fn pod(bound: &Bound) -> PodPatch {
    PodPatch { labels: [(USE.to_owned(), "true".to_owned())].into(), service_account: Some(bound.subject.clone()), ..PodPatch::default() }
}

/// What a SecretProviderClass says of the identity, for a mode of this name.
pub fn class_parameters(mode: &str, bound: Option<&Bound>) -> Result<Parameters, Fault> {
    let id = bound.and_then(|bound| bound.identity.client_id.clone());
    let id = id.ok_or_else(|| {
        Fault::refused(
            format!("a SecretProviderClass of the mode {mode} names the identity, and it is not clear which one these pods have"),
            format!("Name it with `--identity NAME`, after binding it: `podid bind --mode {mode} --namespace NAMESPACE --identity NAME`."),
        )
    })?;
    // the others are said, so that a class which had them from another mode, or gets them from somebody else, does not keep them
    let off = |name: &str| (name.to_owned(), Input::Known("false".to_owned()));
    Ok([("clientID".to_owned(), id), off("usePodIdentity"), off("useVMManagedIdentity")].into())
}

/// Whether a parameter of a SecretProviderClass is on.
pub fn is_on(parameters: &Value, name: &str) -> bool {
    parameters.get(name).and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether a SecretProviderClass names an identity whose token is exchanged, directly or by the cluster's proxy.
pub fn names_identity(parameters: &Value) -> bool {
    let named = parameters.get("clientID").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
    named && !is_on(parameters, "usePodIdentity") && !is_on(parameters, "useVMManagedIdentity")
}

/// How the names of the roles begin that let a service account use an identity through the cluster's token proxy.
pub const PROXY_ROLE: &str = "podid-use-mi-";

/// Whether the app gave a service account the right to use the cluster's token proxy.
pub fn may_use_proxy(found: &Found<'_>, account: &Value) -> bool {
    let (namespace, name) = (field(account, "/metadata/namespace"), field(account, "/metadata/name"));
    let is_of = |subject: &Value| field(subject, "/namespace") == namespace && field(subject, "/name") == name;
    let mut bindings = found.objects.of::<Object>().filter(|one| found.is_ours(one) && field(one, "/roleRef/name").starts_with(PROXY_ROLE));
    bindings.any(|binding| binding.pointer("/subjects").and_then(Value::as_array).into_iter().flatten().any(is_of))
}

/// Settings of a binding, by their fields.
pub type FoundSettings = Vec<(&'static str, String)>;

/// The requests that would have made the app's service accounts that a mode binds. `bound`: further settings of an account with its client id,
/// or None if the mode does not bind it.
pub fn found(found: &Found<'_>, mode: &str, bound: impl Fn(&Value, &str) -> Option<FoundSettings>) -> Vec<Bind> {
    let bind = |account: &Value| {
        let id = service_account::client_id(account).filter(|_| found.is_ours(account))?;
        let more = bound(account, id)?;
        let identity = found.identities.iter().find(|identity| identity.client_id.eq_ignore_ascii_case(id))?;
        let mut bind = Bind {
            mode: Some(mode.to_owned()),
            namespace: field(account, "/metadata/namespace").to_owned(),
            identity: Some(NameOrId::Id(identity.id.clone())),
            ..Bind::default()
        };
        bind.settings.set(SERVICE_ACCOUNT, field(account, "/metadata/name"));
        more.into_iter().for_each(|(name, value)| bind.settings.set(name, value));
        Some(bind)
    };
    found.objects.of::<ServiceAccount>().filter_map(bind).collect()
}

/// The command that binds the pods again; only what is not a default is named.
pub fn bind(bound: &Bound) -> Vec<String> {
    let identity = &bound.identity.name;
    let mut words = ground::words(["bind", "--mode", bound.mode, "--namespace", &bound.namespace, "--identity", identity]);
    if bound.subject != object_name(identity) {
        words.extend(ground::words(["--service-account", &bound.subject]));
    }
    words.extend(bound.flags.iter().cloned());
    words.extend(ground::cluster_flags(bound));
    words
}

/// The flags of `podid bind` for a service account that somebody else makes.
pub fn flags(account: &ServiceAccount) -> Vec<String> {
    if account.must_exist { ground::words(["--create-service-account", "false"]) } else { Vec::new() }
}

/// What the chain is looked at with.
pub fn rights() -> Vec<Right> {
    let webhook = |group, resource, verbs| Right::new(group, resource, verbs, Reach::Everywhere);
    const WITHOUT: &str = "a proof that fails does not say whether the webhook of Workload ID is missing";
    vec![
        Right::new("", "pods", &["list"], Reach::Within).optional("the workload's own pods are not looked at"),
        Right::new("", "serviceaccounts", &["get", "list", "watch"], Reach::Within),
        webhook("admissionregistration.k8s.io", "mutatingwebhookconfigurations", &["get"]).optional(WITHOUT),
        webhook("apps", "deployments", &["list"]).optional(WITHOUT),
    ]
}

/// Two identities for one service account.
pub fn one_identity(subject: &str) -> String {
    format!(
        "The pods of the service account {subject} have one identity: give each workload a service account of its own with `serviceAccount: {{name: NAME}}`."
    )
}
