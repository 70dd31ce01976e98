//! The settings that both modes of AAD Pod Identity have: fields of a workload, and flags of `podid bind`.

use crate::{
    access::AzureRight,
    azure::ArmId,
    chain::found::{ClusterRoles, RolePlace},
    engine::{fault::Fault, key::Key},
    resources::roles,
    spec::{
        complaint::{Complaint, Verdict, wrong},
        graph::{Graph, grantee::RoleScope},
        names::{dns_subdomain, label_value},
        reference::{NameOrId, Scope},
        request::Bind,
        settings::{Flag, Rule, Setting, Settings, Word},
    },
};

pub const NAME: &str = "names.azureIdentity";
pub const BINDING_NAME: &str = "names.azureIdentityBinding";
pub const SELECTOR: &str = "selector";
pub const OPERATOR_SCOPE: &str = "operatorScope";
pub const CONTRIBUTOR_SCOPE: &str = "contributorScope";
pub const NAMESPACED: &str = "namespaced";

/// The words of `operatorScope` that are wider than the identity.
pub const RESOURCE_GROUP: &str = "resourceGroup";
pub const SUBSCRIPTION: &str = "subscription";
/// The word for a role that the cluster has from elsewhere, such as from a management group: podid assigns none.
pub const NO_ROLE: &str = "none";
/// The word for an AzureIdentity that bindings of other namespaces may lead to.
pub const EVERYWHERE: &str = "false";

pub const SELECTOR_SETTING: Setting = Setting {
    field: SELECTOR,
    rule: Rule::Text(label_value),
    flag: Some(Flag {
        name: "selector",
        value: "SELECTOR",
        help: "Value of the pod label aadpodidbinding; default: name of the AzureIdentity",
        unbinds: false,
        is_rare: false,
    }),
};

pub const NAME_SETTING: Setting = Setting {
    field: NAME,
    rule: Rule::Text(dns_subdomain),
    flag: Some(Flag {
        name: "name",
        value: "NAME",
        help: "Name of the AzureIdentity; default: name of the managed identity",
        unbinds: true,
        is_rare: false,
    }),
};

pub const OPERATOR_SETTING: Setting = Setting {
    field: OPERATOR_SCOPE,
    rule: Rule::Words(&[
        Word { spec: "identity", flag: "identity", help: "The identity itself" },
        Word { spec: RESOURCE_GROUP, flag: "resource-group", help: "The identity's resource group" },
        Word { spec: SUBSCRIPTION, flag: "subscription", help: "The subscription" },
        Word { spec: NO_ROLE, flag: "none", help: "Nowhere: the cluster has the role already, such as from a management group" },
    ]),
    flag: Some(Flag {
        name: "operator-scope",
        value: "OPERATOR_SCOPE",
        help: "Scope at which the cluster gets the role Managed Identity Operator",
        unbinds: false,
        is_rare: true,
    }),
};

pub const CONTRIBUTOR_SETTING: Setting = Setting {
    field: CONTRIBUTOR_SCOPE,
    rule: Rule::Words(&[
        Word { spec: "nodes", flag: "nodes", help: "The resource group of its nodes" },
        Word { spec: SUBSCRIPTION, flag: "subscription", help: "The subscription" },
        Word { spec: NO_ROLE, flag: "none", help: "Nowhere: the cluster has the role already" },
    ]),
    flag: Some(Flag {
        name: "contributor-scope",
        value: "CONTRIBUTOR_SCOPE",
        help: "Scope at which the cluster gets the role Virtual Machine Contributor",
        unbinds: false,
        is_rare: true,
    }),
};

pub const NAMESPACED_SETTING: Setting = Setting {
    field: NAMESPACED,
    rule: Rule::Words(&[
        Word { spec: "true", flag: "true", help: "Only bindings of its own namespace count" },
        Word { spec: EVERYWHERE, flag: EVERYWHERE, help: "Bindings of all namespaces count, where MIC and NMI are not namespaced either" },
    ]),
    flag: Some(Flag {
        name: "namespaced",
        value: "NAMESPACED",
        help: "Which bindings may lead to the AzureIdentity",
        unbinds: false,
        is_rare: true,
    }),
};

/// The name becomes the value of the pod label, unless that has one of its own.
pub fn check_selector(name: &str, settings: &Settings) -> Verdict {
    if settings.get(SELECTOR).is_none()
        && let Err(rule) = label_value(name)
    {
        let message = format!("the pod label cannot be called so: {rule}");
        return Err(wrong("identity.name", message).hint("Give it a value of its own with `selector: VALUE`."));
    }
    Ok(())
}

/// Azure takes names that Kubernetes does not.
pub fn check_bind(bind: &Bind) -> Result<(), Complaint> {
    let (Some(identity), None) = (&bind.identity, bind.settings.get(NAME)) else { return Ok(()) };
    let name = identity.name();
    dns_subdomain(name).map_err(|rule| {
        let message = format!("the AzureIdentity cannot be called `{name}` as the identity is: {rule}");
        wrong("--name", message).hint("Give it a name of its own with --name.")
    })
}

/// Where the cluster gets Managed Identity Operator, and what the plan says of a scope that is wider than the identity. None: it has the role
/// from elsewhere.
pub fn operator_scope(bind: &Bind, graph: &mut Graph<'_>, identity: &Key) -> Result<Option<(RoleScope, Option<String>)>, Fault> {
    let scope = match bind.settings.get(OPERATOR_SCOPE) {
        Some(RESOURCE_GROUP) => {
            let id = graph.id_of(identity)?;
            let group = ArmId::group(id.subscription_id(), id.group_name().unwrap_or_default());
            graph.scope(&Scope::ResourceGroup(NameOrId::Id(group)))?
        }
        Some(SUBSCRIPTION) => graph.scope(&Scope::Subscription)?,
        Some(NO_ROLE) => return Ok(None),
        _ => return Ok(Some((graph.identity_scope(identity), None))),
    };
    Ok(Some((scope, Some("warning: wider than needed; with it the cluster may hand out every identity in that scope".to_owned()))))
}

/// The word of `operatorScope` for where a principal has Managed Identity Operator, or what it needs of it; None: at the identity, or nowhere.
pub fn operator_word(found: &ClusterRoles<'_>, principal: Option<&str>, identity: &ArmId) -> Option<&'static str> {
    let guid = roles::guid(roles::MANAGED_IDENTITY_OPERATOR).unwrap_or_default();
    match found.place(principal, (guid, AzureRight::HandOut), identity)? {
        RolePlace::Here => None,
        RolePlace::Above(scope) if scope.group_name().is_some() => Some(RESOURCE_GROUP),
        RolePlace::Above(_) => Some(SUBSCRIPTION),
        RolePlace::Elsewhere => Some(NO_ROLE),
    }
}

/// The flags of `podid bind` by which a role was given elsewhere than usual, from the role's key.
fn scope_flags(flag: &str, role: Option<&Key>) -> Vec<String> {
    let scope = match role.map(Key::folded) {
        Some(key) if key.contains("/group/") => "resource-group",
        Some(key) if key.ends_with("/subscription") => "subscription",
        None => NO_ROLE,
        _ => return Vec::new(),
    };
    vec![format!("--{flag}"), scope.to_owned()]
}

pub fn operator_flags(role: Option<&Key>) -> Vec<String> {
    scope_flags("operator-scope", role)
}

pub fn contributor_flags(role: Option<&Key>) -> Vec<String> {
    scope_flags("contributor-scope", role)
}
