//! An entry of the pod identity add-on of AKS: pods of a namespace with the label `aadpodidbinding: SELECTOR` get a managed identity. AKS puts
//! the identity on the nodes, and makes an AzureIdentity and an AzureIdentityBinding in the cluster.

use super::{
    cluster,
    kind::{AzureRole, HintScope, Resource},
    roles,
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    azure::{
        ArmId, PodIdentity,
        pod_identities::{entries, entry},
    },
    engine::{
        fault::Fault,
        input::{DependsOn, Input, Outputs},
        key::Key,
        ledger::Origin,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Debug, Serialize, Deserialize)]
pub struct AddonIdentity {
    pub cluster: ArmId,
    pub namespace: String,
    pub name: String,
    pub selector: String,
    pub resource_id: Input<String>,
    pub client_id: Input<String>,
    pub principal_id: Input<String>,
    /// How the cluster's own API is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ClusterTarget>,
    /// The add-on, the role of the control plane on the identity, and the namespace.
    pub after: Vec<DependsOn>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub entry: PodIdentity,
    /// How many entries have its name: `az aks pod-identity add` adds another one each time.
    pub copies: usize,
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("addonidentity", [cluster, namespace, name])
}

/// What an entry is called where only its cluster, namespace and name are known.
fn word(cluster: &str, namespace: &str, name: &str) -> String {
    format!("{cluster}/{namespace}/addonidentity/{name}")
}

/// The entries of a cluster that are not among those that podid made for this app (`Reader::brought`).
pub fn foreign(cluster: &ArmId, document: &Value, brought: &BTreeSet<String>) -> Vec<PodIdentity> {
    let is_foreign = |entry: &PodIdentity| !brought.contains(&word(cluster.name(), &entry.namespace, &entry.name));
    entries(document).into_iter().filter(is_foreign).collect()
}

impl AddonIdentity {
    fn wanted(&self) -> Result<PodIdentity, Fault> {
        Ok(PodIdentity {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            selector: self.selector.clone(),
            resource_id: self.resource_id.get()?.clone(),
            client_id: self.client_id.get()?.clone(),
            object_id: self.principal_id.get()?.clone(),
            state: None,
            problem: None,
        })
    }

    /// Texts of AKS compare without regard to case, except for the selector. What is not known yet is new.
    fn changes(&self, actual: &Actual) -> Vec<Change> {
        let there = &actual.entry;
        let mut changes = Vec::new();
        let mut compare = |field: &str, from: &str, to: Value, is_same: bool| {
            if !is_same {
                changes.push(Change { field: field.into(), from: json!(from), to });
            }
        };
        let known = |input: &Input<String>, there: &str| input.known().is_some_and(|wanted| wanted.eq_ignore_ascii_case(there));
        compare("bindingSelector", &there.selector, json!(self.selector), self.selector == there.selector);
        let ids = [
            ("identity.resourceId", &there.resource_id, &self.resource_id),
            ("identity.clientId", &there.client_id, &self.client_id),
            ("identity.objectId", &there.object_id, &self.principal_id),
        ];
        for (field, there, wanted) in ids {
            compare(field, there, json!(wanted), known(wanted, there));
        }
        if actual.copies > 1 {
            changes.push(Change { field: "entries".into(), from: json!(actual.copies), to: json!(1) });
        }
        changes
    }

    fn is_retargeted(&self, actual: &Actual) -> bool {
        self.resource_id.known().is_none_or(|wanted| !wanted.eq_ignore_ascii_case(&actual.entry.resource_id))
    }
}

impl Kind<Cloud> for AddonIdentity {
    const KIND: &'static str = "addonidentity";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    fn lane(&self) -> Option<String> {
        Some(cluster::lane(&self.cluster))
    }
    fn place(&self) -> Option<String> {
        Some(format!("{}/{}/{}", self.cluster.folded(), self.namespace, self.name))
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let Some(document) = reader.azure.cluster_document(&self.cluster).await.map_err(Fault::cloud)? else { return Ok(None) };
        let copies = entries(&document).iter().filter(|e| e.namespace == self.namespace && e.name == self.name).count();
        Ok(entry(&document, &self.namespace, &self.name).map(|entry| Actual { entry, copies }))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let ours = matches!(context.origin, Some(Origin::Created | Origin::Extended));
        let changes = self.changes(actual);
        let state = || vec![Change { field: "provisioningState".into(), from: json!(actual.entry.state), to: json!("Assigned") }];
        match changes.is_empty() {
            false => Diff::Update(changes),
            true if actual.entry.has_failed() => Diff::Update(state()),
            // a run that was killed may have added it: pods have to wait
            true if ours && actual.entry.is_running() => Diff::Extend(state()),
            true => Diff::Same,
        }
    }
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarkable
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [("state".into(), json!(actual.entry.state))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("bindingSelector", json!(self.selector)), ("identity", json!(self.resource_id))]
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        let note = "deleted and added again, because AKS cannot give the name to another identity: pods get no tokens meanwhile";
        self.is_retargeted(actual).then(|| note.to_owned())
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let failed = || format!("AKS could not assign it: {}", actual.entry.problem.as_deref().unwrap_or("Azure gives no reason"));
        actual.entry.has_failed().then(failed).into_iter().collect()
    }
    fn way_out(&self, actual: &Actual) -> Option<String> {
        let id = &actual.entry.resource_id;
        Some(format!("It leads to {id}. Take it over as it is wanted with `--adopt`, or choose another name with `--name`."))
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        match writer.azure.put_pod_identity(&self.cluster, &self.wanted()?).await.map_err(Fault::cloud)? {
            Some(entry) => Ok(Actual { entry, copies: 1 }),
            None => {
                let (reason, way_out) = cluster::not_found(&self.cluster);
                Err(Fault::refused(reason, way_out))
            }
        }
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_pod_identity(&self.cluster, &self.namespace, &self.name).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let (group, cluster) = (self.cluster.group_name().unwrap_or_default(), self.cluster.name());
        let id = self.resource_id.known().cloned().unwrap_or_default();
        vec![format!(
            "az aks pod-identity add -g {group} --cluster-name {cluster} --namespace {} --name {} --identity-resource-id {id} --binding-selector {} # az extension add --name aks-preview",
            self.namespace, self.name, self.selector
        )]
    }
}

impl Resource for AddonIdentity {
    const ROLES: &'static [AzureRole] = &[AzureRole {
        actions: "Microsoft.ContainerService/managedClusters/",
        reads: false,
        role: roles::AKS_CONTRIBUTOR,
        scope: HintScope::Resource,
    }];

    /// The entry itself, and what AKS makes of it in the namespace.
    fn brings(&self) -> Vec<String> {
        let (cluster, Self { namespace, name, .. }) = (self.cluster.name(), self);
        vec![
            word(cluster, namespace, name),
            format!("{cluster}/{namespace}/azureidentity/{name}"),
            format!("{cluster}/{namespace}/azureidentitybinding/{name}-binding"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::desired::Intent;

    fn wanted(identity: &str) -> AddonIdentity {
        AddonIdentity {
            cluster: ArmId::resource("s", "g", "Microsoft.ContainerService/managedClusters", "aks"),
            namespace: "shop".into(),
            name: "web".into(),
            selector: "web".into(),
            resource_id: Input::Known(format!("/subscriptions/s/resourcegroups/g/providers/x/{identity}")),
            client_id: Input::Known("c".into()),
            principal_id: Input::Known("p".into()),
            target: None,
            after: Vec::new(),
        }
    }

    fn diff(wanted: &AddonIdentity, actual: &Actual, origin: Option<Origin>) -> Diff {
        let recorded = Outputs::new();
        let context = NodeContext { app: "shop", intent: Intent::Present, origin, recorded: &recorded, ours: None, recover: false };
        wanted.diff(context, actual)
    }

    fn there(state: &str) -> Actual {
        let entry = PodIdentity { state: Some(state.to_owned()), ..wanted("a").wanted().unwrap() };
        Actual { entry, copies: 1 }
    }

    #[test]
    fn an_entry_that_is_assigned_stays() {
        assert_eq!(diff(&wanted("A"), &there("Assigned"), None), Diff::Same);
        assert_eq!(wanted("A").change_note(&there("Assigned")), None);
    }

    #[test]
    fn an_entry_that_leads_to_another_identity_is_deleted_first() {
        let Diff::Update(changes) = diff(&wanted("b"), &there("Assigned"), Some(Origin::Created)) else { panic!("it does not change") };
        assert_eq!(changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["identity.resourceId"]);
        assert!(wanted("b").change_note(&there("Assigned")).unwrap().starts_with("deleted and added again"));
    }

    #[test]
    fn an_entry_of_a_killed_run_is_awaited_and_one_that_failed_is_sent_again() {
        assert!(matches!(diff(&wanted("a"), &there("Updating"), Some(Origin::Created)), Diff::Extend(_)));
        assert_eq!(diff(&wanted("a"), &there("Updating"), None), Diff::Same);
        assert!(matches!(diff(&wanted("a"), &there("Failed"), Some(Origin::Created)), Diff::Update(_)));
        assert_eq!(wanted("a").notes(&there("Failed")), ["AKS could not assign it: Azure gives no reason"]);
    }

    #[test]
    fn entries_of_one_name_are_too_many() {
        let Diff::Update(changes) = diff(&wanted("a"), &Actual { copies: 2, ..there("Assigned") }, None) else { panic!("it stays") };
        assert_eq!(changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["entries"]);
    }
}
