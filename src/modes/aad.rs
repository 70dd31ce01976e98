//! What both modes of AAD Pod Identity have in common: the pod label, the objects in the cluster, NMI, and the settings about these.

pub mod examine;
mod links;
mod names;
pub mod pages;
mod settings;
pub mod texts;
mod uses;

pub use links::{
    BOUND, CLUSTER_ROLE, OBJECT, binding, has_from_elsewhere, look_at_binding, look_at_identity, object_title, refused_other, rivals,
    role_key, role_place,
};
pub use names::{AZURE_IDENTITY, BINDING, GROUP, LABEL, default_binding};
pub use settings::{
    BINDING_NAME, CONTRIBUTOR_SCOPE, CONTRIBUTOR_SETTING, EVERYWHERE, NAME, NAME_SETTING, NAMESPACED, NAMESPACED_SETTING, NO_ROLE,
    OPERATOR_SCOPE, OPERATOR_SETTING, RESOURCE_GROUP, SELECTOR, SELECTOR_SETTING, SUBSCRIPTION, check_bind, check_selector,
    contributor_flags, operator_flags, operator_scope, operator_word,
};
pub use uses::{Programs, excepting, is_namespaced, is_of_aks, node_access, uses};

use crate::{
    chain::facts::{Bound, Parameters, PodPatch},
    chain::{ground, texts::field},
    engine::input::Input,
};
use serde_json::Value;

pub fn pod(bound: &Bound) -> PodPatch {
    PodPatch { labels: [(LABEL.to_owned(), bound.subject.clone())].into(), ..PodPatch::default() }
}

/// The provider asks NMI, which knows the pod: no identity is named.
pub fn class_parameters() -> Parameters {
    [("usePodIdentity".to_owned(), Input::Known("true".to_owned()))].into()
}

pub fn is_of_class(parameters: &Value) -> bool {
    field(parameters, "/usePodIdentity") == "true"
}

pub fn one_identity(subject: &str) -> String {
    format!(
        "A pod with the label {LABEL}={subject} gets all of them, and the CSI driver takes any: give each workload a `selector` of its own in the spec."
    )
}

/// The command that binds the pods again; only what is not a default is named.
pub fn bind(bound: &Bound, more: &[&str]) -> Vec<String> {
    let (identity, name, binding) = (&bound.identity.name, bound.object(AZURE_IDENTITY), bound.object(BINDING));
    let mut words = ground::words(["bind", "--namespace", &bound.namespace, "--identity", identity, "--selector", &bound.subject]);
    words.extend(more.iter().map(|word| (*word).to_owned()));
    // of pods that somebody else bound in vain, no name is known
    if !name.is_empty() && name != identity {
        words.extend(ground::words(["--name", name]));
    }
    if !binding.is_empty() && binding != default_binding(name) {
        words.extend(ground::words(["--binding", binding]));
    }
    words.extend(bound.flags.iter().cloned());
    words.extend(ground::cluster_flags(bound));
    words
}
