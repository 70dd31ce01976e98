//! From the AzureIdentities and AzureIdentityBindings of a cluster back to the requests that would have made them.

use crate::{
    access::AzureRight,
    azure::{ArmId, RoleAssignment},
    chain::{
        found::{Found, RolePlace},
        texts::field,
    },
    modes::aad::{
        self, BINDING_NAME, CONTRIBUTOR_SCOPE, EVERYWHERE, NAME, NAMESPACED, NO_ROLE, OPERATOR_SCOPE, RESOURCE_GROUP, SELECTOR,
        SUBSCRIPTION,
    },
    resources::{
        azure_identity::{self, AzureIdentity},
        azure_identity_binding::AzureIdentityBinding,
        role, roles,
    },
    spec::{reference::NameOrId, request::Bind},
};
use serde_json::Value;

/// An AzureIdentity that podid made and did not bind yet counts as one whose binding is still to come.
pub(super) fn binds(found: &Found<'_>, mode: &'static str) -> Vec<Bind> {
    let mut binds = Vec::new();
    // those that AKS made are the add-on's
    // type 1 and 2 are service principals, which podid does not make
    let is_managed = |identity: &&Value| identity.pointer("/spec/type").and_then(Value::as_i64).unwrap_or_default() == 0;
    for identity in found.objects.of::<AzureIdentity>().filter(|identity| !aad::is_of_aks(identity)).filter(is_managed) {
        let (name, namespace) = (field(identity, "/metadata/name"), field(identity, "/metadata/namespace"));
        let Some(id) = ArmId::parse(field(identity, "/spec/resourceID")) else { continue };
        let mut bind = Bind {
            mode: Some(mode.to_owned()),
            namespace: namespace.to_owned(),
            identity: Some(NameOrId::Id(id.clone())),
            ..Bind::default()
        };
        bind.settings.set(NAME, name);
        if let Some(scope) = operator_scope(found, &id) {
            bind.settings.set(OPERATOR_SCOPE, scope);
        }
        if let Some(scope) = contributor_scope(found) {
            bind.settings.set(CONTRIBUTOR_SCOPE, scope);
        }
        if !azure_identity::is_namespaced(identity) {
            bind.settings.set(NAMESPACED, EVERYWHERE);
        }
        let to_it =
            |b: &&Value| found.is_ours(b) && field(b, "/metadata/namespace") == namespace && field(b, "/spec/azureIdentity") == name;
        let bindings: Vec<&Value> = found.objects.of::<AzureIdentityBinding>().filter(to_it).collect();
        for binding in &bindings {
            let mut bind = bind.clone();
            bind.settings.set(BINDING_NAME, field(binding, "/metadata/name"));
            bind.settings.set(SELECTOR, field(binding, "/spec/selector"));
            binds.push(bind);
        }
        // of what others made, only what is bound counts
        if bindings.is_empty() && found.anyones.is_none() && found.is_ours(identity) {
            binds.push(bind);
        }
    }
    binds
}

/// The word of the setting, where the cluster has Managed Identity Operator in a wider scope than the identity.
fn operator_scope(found: &Found<'_>, identity: &ArmId) -> Option<&'static str> {
    if let Some(roles) = &found.anyones {
        return aad::operator_word(roles, roles.nodes, identity);
    }
    let operator = roles::guid(roles::MANAGED_IDENTITY_OPERATOR).unwrap_or_default();
    let operates = |a: &&RoleAssignment| role::guid_of(&a.role_definition_id).eq_ignore_ascii_case(operator);
    let covers = |a: &&RoleAssignment| a.scope != *identity && identity.folded().starts_with(&format!("{}/", a.scope.folded()));
    let wide = found.own_assignments().filter(operates).find(covers)?;
    Some(if wide.scope.group_name().is_some() { RESOURCE_GROUP } else { SUBSCRIPTION })
}

/// The word of the setting, where the cluster has Virtual Machine Contributor elsewhere than at the group of its nodes.
fn contributor_scope(found: &Found<'_>) -> Option<&'static str> {
    let guid = roles::guid(roles::VIRTUAL_MACHINE_CONTRIBUTOR).unwrap_or_default();
    let Some(roles) = &found.anyones else {
        // of the app's own assignments of this role, the one that is not at a group is at the subscription
        let is_wide =
            |a: &RoleAssignment| role::guid_of(&a.role_definition_id).eq_ignore_ascii_case(guid) && a.scope.group_name().is_none();
        return found.own_assignments().any(is_wide).then_some(SUBSCRIPTION);
    };
    match roles.place(roles.nodes, (guid, AzureRight::ChangeNodes), roles.node_group?)? {
        RolePlace::Here => None,
        RolePlace::Above(_) => Some(SUBSCRIPTION),
        RolePlace::Elsewhere => Some(NO_ROLE),
    }
}
