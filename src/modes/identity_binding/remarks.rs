//! What a plan with identity bindings must say: names that AKS may refuse, what an app's own code has to switch on, and what AKS leaves.

use super::rbac::{self, Names};
use crate::{
    azure::{ArmId, identity_bindings::unfitting},
    chain::remarks::{Planned, Remarks, wanted},
    engine::{
        desired::Node,
        input::Input,
        key::Key,
        plan::{Act, Warning},
        resource::Kind as _,
    },
    resources::{delivery::PodSecrets, identity, identity_binding::IdentityBinding, object},
};

/// The least version of each SDK, and what its credential must be told; DefaultAzureCredential does not do it
/// (<https://github.com/Azure/azure-sdk-for-go/issues/26399>).
const SWITCHES: &str = ".NET Azure.Core 1.55.0 `IsAzureProxyEnabled`, Go azidentity 1.14.0-beta.3 `EnableAzureProxy`, Java azure-identity 1.19.0-beta.2 `enableAzureProxy()`, JavaScript @azure/identity 4.14.0-beta.2 `enableAzureProxy`, Python azure-identity 1.26.0b2 `enable_azure_proxy`";

/// The name of the credential that AKS makes.
const OF_AKS: &str = "aks-identity-binding";

pub(super) async fn remarks(planned: &Planned<'_>) -> Remarks {
    // that of Workload ID looks for the webhook of both
    let mut remarks = Remarks::default();
    if !planned.plan.has_changes() {
        return remarks;
    }
    remarks.warnings.extend(odd_names(planned));
    remarks.warnings.extend(switches(planned));
    remarks
}

/// The credential that AKS makes for all bindings of an identity, and does not delete with the last one.
pub(super) fn leftovers(planned: &Planned<'_>) -> Vec<Warning> {
    let deletes = |key: &Key| planned.plan.action(key).is_some_and(|action| action.act == Act::Delete);
    let warning = |node: &Node| {
        let id = planned.placed::<IdentityBinding>(node)?.identity.known().and_then(|id| ArmId::parse(id))?;
        let name = id.name();
        (deletes(&node.key) && !deletes(&identity::key(name))).then(|| Warning {
            key: node.key.clone(),
            text: format!("AKS leaves its federated credential {OF_AKS} on the identity {name}"),
            hint: Some(format!(
                "Once no cluster has a binding of the identity, remove it: {}.",
                planned.commands.podid(&["identity", "federation", "remove", name, "--name", OF_AKS, "--adopt"])
            )),
        })
    };
    planned.desired.nodes.values().filter(|node| node.kind == IdentityBinding::KIND).filter_map(warning).collect()
}

fn odd_names(planned: &Planned<'_>) -> Vec<Warning> {
    let warning = |node| {
        let binding = planned.placed::<IdentityBinding>(node)?;
        let id = binding.identity.known().and_then(|id| ArmId::parse(id))?;
        let odd = unfitting(&id);
        let first = odd.first()?;
        Some(Warning {
            key: node.key.clone(),
            text: format!("AKS may refuse the identity: {first} has more than letters, digits and dashes in its name"),
            hint: Some("Use an identity, in a group, whose names have only these.".to_owned()),
        })
    };
    wanted(planned.desired, IdentityBinding::KIND).filter_map(warning).collect()
}

/// Apps that read the vault by themselves with the identity of a binding.
fn switches(planned: &Planned<'_>) -> Vec<Warning> {
    // the right of a service account is only made in this mode
    let is_bound = |read: &PodSecrets| {
        let subject = read.subject.as_deref()?;
        let [role, _] = rbac::manifests(&Names::default(), &read.namespace, subject, &Input::Known(String::new())).ok()?;
        planned.plan.action(&object::key(&read.target.name, &role).ok()?).filter(|action| action.act.changes())
    };
    let warning = |node: &Node| {
        let read = planned.placed::<PodSecrets>(node)?;
        is_bound(&read).map(|_| Warning {
            key: node.key.clone(),
            text: format!("the app {}/{} has to switch identity bindings on in its own code", read.namespace, read.name),
            hint: Some(format!("In its credential for workload identity: {SWITCHES}.")),
        })
    };
    // nothing is made for them in the cluster, so that they are only read
    planned.desired.nodes.values().filter(|node| node.kind == PodSecrets::KIND).filter_map(warning).collect()
}
