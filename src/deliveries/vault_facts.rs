//! What the state knows of the vault that pods read.

use crate::{azure::ArmId, chain::facts::VaultFacts, engine::ledger::Ledger, resources::vault};
use serde_json::Value;

pub(super) fn vault_facts(ledger: &Ledger, app: &str, name: String) -> VaultFacts {
    let known = ledger.get(app, &vault::key(&name));
    let text = |field: &str| known.and_then(|e| e.outputs.get(field)).and_then(Value::as_str);
    let id = text(vault::ID.0).and_then(ArmId::parse);
    VaultFacts {
        resource_group: id.and_then(|id| id.group_name().map(str::to_owned)),
        uri: text(vault::URI.0).map(str::to_owned),
        rbac: text(vault::MODEL.0).map(|model| model == vault::RBAC),
        name,
    }
}
