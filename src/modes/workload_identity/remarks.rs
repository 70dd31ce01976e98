//! What a plan of this mode must say before anything is written: that identity and vault are in two tenants, and that a cluster outside of
//! Azure issues its tokens by another issuer than the spec says.

use crate::{
    chain::remarks::{Planned, Remarks, wanted},
    engine::{input::Field, key::Key, plan::Refusal, resource::Kind},
    modes::accounts,
    resources::{
        federation::{Federation, service_account},
        identity,
        manifested::Manifested,
        secret_provider_class::SecretProviderClass,
        service_account::ServiceAccount,
        vault,
    },
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn remarks(planned: &Planned<'_>) -> Remarks {
    let mut refused = tenants(planned);
    refused.extend(issuers(planned).await);
    refused.extend(accounts::missing(planned).await);
    Remarks { refused, warnings: Vec::new() }
}

/// Clusters outside of Azure, whose issuer only the spec says.
async fn issuers(planned: &Planned<'_>) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let mut asked = BTreeSet::new();
    let accounts: BTreeMap<String, ServiceAccount> = wanted(planned.desired, <ServiceAccount as Manifested>::KIND)
        .filter_map(|node| planned.placed::<ServiceAccount>(node))
        .filter(|account| account.target.is_outside())
        .map(|account| (service_account(&account.namespace, &account.name), account))
        .collect();
    if accounts.is_empty() {
        return refused;
    }
    for node in wanted(planned.desired, <Federation as Kind<_>>::KIND) {
        let Some(federation) = planned.placed::<Federation>(node) else { continue };
        let (Some(account), Some(wanted)) = (accounts.get(&federation.subject), federation.issuer.known()) else { continue };
        let name = &account.target.name;
        if !asked.insert(name.clone()) {
            continue;
        }
        let Ok(cluster) = planned.reader.cluster(&account.target).await else { continue };
        // who may not read it finds out by the proof
        let Ok(Some(issuer)) = cluster.issuer().await else { continue };
        if issuer != *wanted {
            let reason =
                format!("the API server of {name} issues tokens as {issuer}, and the spec says {wanted}: Entra compares them byte by byte");
            refused
                .push(refusal(&node.key, (reason, format!("Write `issuer: {issuer}` for the cluster, if Entra can read its keys there."))));
        }
    }
    refused
}

fn refusal(key: &Key, (reason, way_out): (String, String)) -> Refusal {
    Refusal { key: key.clone(), reason, changes: Vec::new(), way_out: Some(way_out) }
}

/// Vaults whose secrets are read by identities of another tenant.
fn tenants(planned: &Planned<'_>) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for node in wanted(planned.desired, <SecretProviderClass as Manifested>::KIND) {
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
