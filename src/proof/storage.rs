//! What `podid verify --storage` proves: that pods write, read and delete a blob with the identity that they are bound to.

use super::target::Target;
use crate::{
    chain::facts::{Bound, Delivered},
    deliveries::{
        self,
        blobs::{self, Blobs, Place},
    },
    engine::{fault::Fault, input::needs, key::Key, ledger::Ledger, resource::Kind as _},
    modes,
    resources::{kind::spec_of, role::Role, roles},
};
use serde_json::Value;

/// Lists a target for each binding of an app; `namespace` and `name` narrow them down.
pub fn storage_targets(
    ledger: &Ledger,
    app: &str,
    namespace: Option<&str>,
    name: Option<&str>,
    place: &Place,
) -> Result<Vec<Target>, Fault> {
    let delivered = deliveries::recall(ledger, app)?;
    let mut bound = modes::recall(ledger, app)?;
    bound.retain(|bound| namespace.is_none_or(|namespace| namespace == bound.namespace));
    let mut found = Vec::new();
    for bound in bound {
        let Some(shown) = shown(&bound, &delivered, name).map(str::to_owned) else { continue };
        let wanted = blobs::delivered(&bound, &shown, place, writing_roles(ledger, &bound, place));
        let mut target = Target::by(&Blobs, bound, wanted)?;
        target.storage = Some(place.to_string());
        found.push(target);
    }
    Ok(found)
}

/// The name of the workload that a binding is for; without one that mounts secrets, how its pods are told apart. None: another one is meant.
fn shown<'a>(bound: &'a Bound, delivered: &'a [Delivered], name: Option<&str>) -> Option<&'a str> {
    let of_bound = |one: &&Delivered| {
        let here = one.cluster.name.eq_ignore_ascii_case(&bound.cluster.name) && one.namespace == bound.namespace;
        here && one.subject.as_ref().is_none_or(|subject| *subject == bound.subject)
    };
    let mut names = delivered.iter().filter(of_bound).map(|one| one.name.as_str()).chain([bound.subject.as_str(), bound.name.as_str()]);
    names.find(|known| name.is_none_or(|name| name == *known))
}

/// The assignments of roles that let the identity write the blobs of a container, as far as the state knows them.
fn writing_roles(ledger: &Ledger, bound: &Bound, place: &Place) -> Vec<Key> {
    let account = format!("/storageaccounts/{}", place.account);
    let container = format!("{account}/blobservices/default/containers/{}", place.container);
    let covers = |scope: &str| scope.ends_with(&account) || scope.ends_with(&container);
    let of_identity = ledger.of_app(&bound.app).filter(|entry| {
        let identity = bound.identity.key.as_ref();
        entry.kind == Role::KIND && identity.is_some_and(|identity| needs(&entry.spec).contains(identity))
    });
    let writes = of_identity.filter(|entry| {
        let scope = entry.outputs.get("scope").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let writes = |role: Role| roles::canonical(&role.role) == roles::BLOB_DATA_CONTRIBUTOR;
        covers(&scope) && spec_of::<Role>(&entry.kind, &entry.spec).is_some_and(writes)
    });
    writes.map(|entry| entry.key.clone()).collect()
}
