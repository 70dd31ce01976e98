//! What a plan of this mode must say before anything is written: that identity and vault are in two tenants.

use crate::{
    chain::remarks::{Planned, Remarks, wanted},
    engine::{input::Field, key::Key, plan::Refusal, resource::Kind as _},
    resources::{identity, secret_provider_class::SecretProviderClass, vault},
};

pub(super) fn remarks(planned: &Planned<'_>) -> Remarks {
    Remarks { refused: tenants(planned), warnings: Vec::new() }
}

fn refusal(key: &Key, (reason, way_out): (String, String)) -> Refusal {
    Refusal { key: key.clone(), reason, changes: Vec::new(), way_out: Some(way_out) }
}

/// Vaults whose secrets are read by identities of another tenant.
fn tenants(planned: &Planned<'_>) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for node in wanted(planned.desired, SecretProviderClass::KIND) {
        let Ok(class) = serde_json::from_value::<SecretProviderClass>((*node.spec).clone()) else { continue };
        let identity = class.identity.get("clientID").and_then(|id| id.source());
        let tenants = identity.as_ref().and_then(|identity| {
            let of_identity = output(planned, identity, &identity::TENANT_ID)?;
            let of_vault = output(planned, &vault::key(&class.vault_name), &vault::TENANT_ID)?;
            (!of_identity.eq_ignore_ascii_case(of_vault)).then_some((of_identity, of_vault))
        });
        if let (Some((of_identity, of_vault)), Some(identity)) = (tenants, identity) {
            let reason = format!(
                "the identity {} is in the tenant {of_identity} and the vault {} in {of_vault}: Key Vault would refuse its tokens (AKV10032), and Entra does not know it there (AADSTS700016)",
                identity.names(),
                class.vault_name
            );
            refused.push(refusal(&node.key, (reason, "Use an identity and a vault of one tenant.".to_owned())));
        }
    }
    refused
}

fn output<'a>(planned: &'a Planned<'_>, key: &Key, field: &Field<String>) -> Option<&'a str> {
    planned.observed.known.get(key)?.get(field.0)?.as_str()
}
