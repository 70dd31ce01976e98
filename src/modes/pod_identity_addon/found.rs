//! From the objects that AKS made for entries of the add-on back to the requests that would have added them. An entry carries no marks: it is
//! the app's if the operator role on its identity is.

use crate::{
    azure::{ArmId, RoleAssignment},
    chain::{found::Found, texts::field},
    modes::aad,
    resources::{azure_identity::AzureIdentity, azure_identity_binding::AzureIdentityBinding, role, roles},
    spec::{reference::NameOrId, request::Bind},
};
use serde_json::Value;

pub(super) fn binds(found: &Found<'_>, mode: &'static str) -> Vec<Bind> {
    found.objects.of::<AzureIdentity>().filter(|object| aad::is_of_aks(object)).filter_map(|identity| bind(found, identity, mode)).collect()
}

fn bind(found: &Found<'_>, identity: &Value, mode: &'static str) -> Option<Bind> {
    let (name, namespace) = (field(identity, "/metadata/name"), field(identity, "/metadata/namespace"));
    let id = ArmId::parse(field(identity, "/spec/resourceID"))?;
    let mut bind =
        Bind { mode: Some(mode.to_owned()), namespace: namespace.to_owned(), identity: Some(NameOrId::Id(id.clone())), ..Bind::default() };
    match &found.anyones {
        Some(roles) => {
            if let Some(scope) = aad::operator_word(roles, roles.control_plane, &id) {
                bind.settings.set(aad::OPERATOR_SCOPE, scope);
            }
        }
        None => has_operator(found, &id)?,
    }
    let to_it = |b: &&Value| field(b, "/metadata/namespace") == namespace && field(b, "/spec/azureIdentity") == name;
    let selector = found.objects.of::<AzureIdentityBinding>().find(to_it).map_or(name, |b| field(b, "/spec/selector"));
    bind.settings.set(aad::NAME, name);
    bind.settings.set(aad::SELECTOR, selector);
    Some(bind)
}

/// None: none of the app's own assignments is the operator role on the identity.
fn has_operator(found: &Found<'_>, id: &ArmId) -> Option<()> {
    let operator = roles::guid(roles::MANAGED_IDENTITY_OPERATOR).unwrap_or_default();
    let operates = |a: &RoleAssignment| a.scope == *id && role::guid_of(&a.role_definition_id).eq_ignore_ascii_case(operator);
    found.own_assignments().find(|assignment| operates(assignment)).map(drop)
}
