//! The manifest of any Kubernetes kind, by the kind's name: what is shown and compared where nothing is to be done. Asks nobody.

use super::{
    azure_identity::AzureIdentity,
    azure_identity_binding::AzureIdentityBinding,
    manifest::{Manifested, Place},
    namespace::Namespace,
    secret_provider_class::SecretProviderClass,
    world::Cloud,
};
use crate::engine::{fault::Fault, input::filled, resource::Kind};
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Rendered {
    pub place: Place,
    pub manifest: Value,
    /// Whose value the manifest has only words for, `(after identity/claims)`.
    pub unknown: Option<String>,
}

/// `placed`: the spec with the values that are known; `mine`: with the labels that say whose it is. None: no Kubernetes kind.
pub fn rendered(kind: &str, placed: &Value, app: &str, mine: bool) -> Result<Option<Rendered>, Fault> {
    match kind {
        <Namespace as Kind<Cloud>>::KIND => {
            let namespace: Namespace = serde_json::from_value(placed.clone())?;
            Ok(Some(Rendered { place: namespace.site(), manifest: namespace.manifest(app, mine), unknown: None }))
        }
        <AzureIdentity as Manifested>::KIND => of::<AzureIdentity>(placed, app, mine).map(Some),
        <AzureIdentityBinding as Manifested>::KIND => of::<AzureIdentityBinding>(placed, app, mine).map(Some),
        <SecretProviderClass as Manifested>::KIND => of::<SecretProviderClass>(placed, app, mine).map(Some),
        _ => Ok(None),
    }
}

fn of<M: Manifested>(placed: &Value, app: &str, mine: bool) -> Result<Rendered, Fault> {
    let kind: M = serde_json::from_value(placed.clone())?;
    let (manifest, unknown) = match kind.manifest(app, mine) {
        Err(Fault::Unresolved(reference)) => {
            let filled: M = serde_json::from_value(filled(placed))?;
            (filled.manifest(app, mine)?, reference.split('#').next().map(str::to_owned))
        }
        known => (known?, None),
    };
    Ok(Rendered { place: kind.site(), manifest, unknown })
}
