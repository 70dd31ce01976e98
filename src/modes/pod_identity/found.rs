//! From the AzureIdentities and AzureIdentityBindings of a cluster back to the requests that would have made them.

use crate::{
    azure::{ArmId, RoleAssignment},
    chain::{found::Found, texts::field},
    modes::aad::{self, BINDING_NAME, NAME, OPERATOR_SCOPE, RESOURCE_GROUP, SELECTOR, SUBSCRIPTION},
    resources::{azure_identity::AzureIdentity, azure_identity_binding::AzureIdentityBinding, role, roles},
    spec::{reference::NameOrId, request::Bind},
};
use serde_json::Value;

/// An AzureIdentity that was made and not bound yet counts as one whose binding is still to come.
pub(super) fn binds(found: &Found<'_>, mode: &'static str) -> Vec<Bind> {
    let mut binds = Vec::new();
    // those that AKS made are the add-on's
    for identity in found.objects.of::<AzureIdentity>().filter(|identity| !aad::is_of_aks(identity)) {
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
        let to_it =
            |b: &&Value| found.is_ours(b) && field(b, "/metadata/namespace") == namespace && field(b, "/spec/azureIdentity") == name;
        let bindings: Vec<&Value> = found.objects.of::<AzureIdentityBinding>().filter(to_it).collect();
        for binding in &bindings {
            let mut bind = bind.clone();
            bind.settings.set(BINDING_NAME, field(binding, "/metadata/name"));
            bind.settings.set(SELECTOR, field(binding, "/spec/selector"));
            binds.push(bind);
        }
        if bindings.is_empty() && found.is_ours(identity) {
            binds.push(bind);
        }
    }
    binds
}

/// The word of the setting, where the cluster has Managed Identity Operator in a wider scope than the identity.
fn operator_scope(found: &Found<'_>, identity: &ArmId) -> Option<&'static str> {
    let operator = roles::guid(roles::MANAGED_IDENTITY_OPERATOR).unwrap_or_default();
    let operates = |a: &&RoleAssignment| role::guid_of(&a.role_definition_id).eq_ignore_ascii_case(operator);
    let covers = |a: &&RoleAssignment| a.scope != *identity && identity.folded().starts_with(&format!("{}/", a.scope.folded()));
    let wide = found.own_assignments().filter(operates).find(covers)?;
    Some(if wide.scope.group_name().is_some() { RESOURCE_GROUP } else { SUBSCRIPTION })
}
