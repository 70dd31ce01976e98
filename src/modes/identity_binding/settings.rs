//! The settings of identity bindings: those of service accounts, and the names of the objects that allow an account to use an identity.

use super::rbac::Names;
use crate::{
    modes::accounts::{self, FoundSettings},
    spec::{
        names::dns_subdomain,
        settings::{Flag, Rule, Setting, Settings},
    },
};

const CLUSTER_ROLE: &str = "names.clusterRole";
const CLUSTER_ROLE_BINDING: &str = "names.clusterRoleBinding";

pub(super) static SETTINGS: &[Setting] = &[
    accounts::ACCOUNT_SETTING,
    accounts::CREATE_SETTING,
    Setting {
        field: CLUSTER_ROLE,
        rule: Rule::Text(dns_subdomain),
        flag: Some(Flag {
            name: "cluster-role",
            value: "NAME",
            help: "Name of the ClusterRole that allows the use of the identity; default: podid-use-mi-NAMESPACE-ACCOUNT",
            unbinds: true,
            is_rare: true,
        }),
    },
    Setting {
        field: CLUSTER_ROLE_BINDING,
        rule: Rule::Text(dns_subdomain),
        flag: Some(Flag {
            name: "cluster-role-binding",
            value: "NAME",
            help: "Name of its ClusterRoleBinding; default: the same",
            unbinds: true,
            is_rare: true,
        }),
    },
];

pub(super) fn names(settings: &Settings) -> Names {
    let name = |field: &str| settings.get(field).map(str::to_owned);
    Names { role: name(CLUSTER_ROLE), binding: name(CLUSTER_ROLE_BINDING) }
}

/// The settings for the objects that were found for a service account (namespace and name).
pub(super) fn of_names((namespace, account): (&str, &str), role: &str, binding: &str) -> FoundSettings {
    let usual = super::rbac::name(namespace, account);
    let fields = [(CLUSTER_ROLE, role), (CLUSTER_ROLE_BINDING, binding)];
    fields.into_iter().filter(|(_, name)| *name != usual).map(|(field, name)| (field, name.to_owned())).collect()
}

/// The flags of `podid bind` for names of their own.
pub(super) fn flags(names: &Names) -> Vec<String> {
    let flags = [("--cluster-role", &names.role), ("--cluster-role-binding", &names.binding)];
    flags.into_iter().filter_map(|(flag, name)| Some([flag.to_owned(), name.clone()?])).flatten().collect()
}
