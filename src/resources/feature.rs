//! A setting of a managed cluster that podid changes through Azure Resource Manager: an add-on, the OIDC issuer, a webhook.
//! Only its own fields are compared and written. One that was on before podid is adopted and stays on after it.

use super::{
    addon_exception, addon_identity, cluster,
    kind::Resource,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{ArmId, clusters, fields},
    engine::{
        fault::Fault,
        input::{DependsOn, Field, Outputs},
        key::Key,
        ledger::Origin,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Feature {
    pub cluster: ArmId,
    /// The word for it, such as `csi-driver`.
    pub name: String,
    /// The fields that it sets below `properties`.
    pub on: Value,
    /// The fields that its removal sets. None: AKS cannot turn it off again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Value>,
    /// What the plan says beside it: "restarts the API server".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What must exist first, the cluster's own node among it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub id: ArmId,
    /// The fields of `on`, as the cluster has them.
    pub seen: Value,
    /// The state of a cluster that an operation is changing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Why the last operation on the cluster failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<String>,
    /// Entries of the pod identity add-on that others made: turning it off drops all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

/// The cluster's id, once the setting is in effect.
pub const ID: Field<String> = Field::new("cluster_id");
/// The setting that turns on the cluster's OIDC issuer.
pub const WORKLOAD_IDENTITY: &str = "workload-identity";
/// The URL of the cluster's OIDC issuer, if it has one.
pub const OIDC_ISSUER: Field<String> = Field::new("oidc_issuer");

pub fn key(cluster: &str, name: &str) -> Key {
    Key::of("feature", [cluster, name])
}

impl Feature {
    fn seen(&self, document: &Value) -> Actual {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let failed = text("/properties/provisioningState").is_some_and(|state| state.eq_ignore_ascii_case("Failed"));
        let reason = || text("/properties/status/provisioningError/message").unwrap_or_else(|| "Azure gives no reason".to_owned());
        Actual {
            id: self.cluster.clone(),
            seen: fields::seen(document.get("properties").unwrap_or(&Value::Null), &self.on),
            running: clusters::running(document).map(str::to_owned),
            failed: failed.then(reason),
            oidc_issuer: text("/properties/oidcIssuerProfile/issuerURL"),
            others: Vec::new(),
        }
    }

    fn changes(&self, actual: &Actual) -> Vec<Change> {
        let change = |one: fields::Difference| Change { field: one.path, from: one.found, to: one.wanted };
        fields::differences(&actual.seen, &self.on).into_iter().map(change).collect()
    }

    async fn set(&self, fields: &Value, writer: &Writer) -> Result<Option<Value>, Fault> {
        writer.azure.set_cluster_fields(&self.cluster, fields).await.map_err(Fault::cloud)
    }
}

impl Kind<Cloud> for Feature {
    const KIND: &'static str = "feature";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    /// AKS runs one operation on a cluster at a time, and each change writes the whole document.
    fn lane(&self) -> Option<String> {
        Some(cluster::lane(&self.cluster))
    }
    fn place(&self) -> Option<String> {
        Some(format!("{}|{}", self.cluster.folded(), self.name))
    }
    fn parent(&self) -> Option<Key> {
        Some(cluster::key(self.cluster.name()))
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let document = reader.azure.cluster_document(&self.cluster).await.map_err(Fault::cloud)?;
        let Some(document) = document else { return Ok(None) };
        let mut actual = self.seen(&document);
        if self.on.get("podIdentityProfile").is_some() {
            let others = addon_identity::foreign(&self.cluster, &document, &reader.brought);
            let exceptions = addon_exception::foreign(&self.cluster, &document, &reader.brought);
            let shown = others.iter().map(|entry| format!("{}/{}", entry.namespace, entry.name));
            actual.others = shown.chain(exceptions.iter().map(|one| format!("the exception {}/{}", one.namespace, one.name))).collect();
        }
        Ok(Some(actual))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let ours = matches!(context.origin, Some(Origin::Created | Origin::Extended));
        let changes = self.changes(actual);
        match (&actual.running, changes.is_empty()) {
            // a run of podid that was killed may have started it: what needs the setting has to wait
            (Some(state), true) if ours => {
                Diff::Extend(vec![Change { field: "provisioningState".into(), from: json!(state), to: json!("Succeeded") }])
            }
            (_, true) => Diff::Same,
            // somebody else uses it, in another way
            _ if !ours && fields::is_used_otherwise(&actual.seen, &self.on) => Diff::Update(changes),
            _ => Diff::Extend(changes),
        }
    }
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarkable
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let mut outputs: Outputs = [(ID.0.into(), json!(actual.id))].into();
        if let Some(issuer) = &actual.oidc_issuer {
            outputs.insert(OIDC_ISSUER.0.into(), json!(issuer));
        }
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let set = fields::differences(&Value::Null, &self.on);
        let shown = |one: &fields::Difference| match &one.wanted {
            Value::String(text) => format!("{}={text}", one.path),
            other => format!("{}={other}", one.path),
        };
        vec![("sets", json!(set.iter().map(shown).collect::<Vec<_>>().join(", ")))]
    }
    fn plan_note(&self) -> Option<String> {
        let stays = self.off.is_none().then(|| "cannot be turned off again".to_owned());
        match (self.note.clone(), stays) {
            (Some(note), Some(stays)) => Some(format!("{note}; {stays}")),
            (note, stays) => note.or(stays),
        }
    }
    fn change_note(&self, _: &Actual) -> Option<String> {
        self.note.clone()
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let failed = |why: &String| format!("the last operation on the cluster {} failed: {why}", self.cluster.name());
        actual.failed.iter().map(failed).collect()
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        if !actual.others.is_empty() {
            return Some(format!("pod identities of others need it: {}", actual.others.join(", ")));
        }
        self.off.is_none().then(|| format!("AKS cannot turn {} off again", self.name))
    }
    fn not_found(&self) -> (String, String) {
        cluster::not_found(&self.cluster)
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        match self.set(&self.on, writer).await? {
            Some(document) => Ok(self.seen(&document)),
            None => {
                let (reason, way_out) = cluster::not_found(&self.cluster);
                Err(Fault::refused(reason, way_out))
            }
        }
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        match &self.off {
            Some(off) => self.set(off, writer).await.map(drop),
            None => Ok(()),
        }
    }
}

/// The roles that allow its requests are those of `cluster`.
impl Resource for Feature {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::desired::Intent;

    fn csi() -> Feature {
        Feature {
            cluster: ArmId::resource("s", "g", "Microsoft.ContainerService/managedClusters", "aks"),
            name: "csi-driver".into(),
            on: json!({"addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": true, "config": {"enableSecretRotation": "true"}}}}),
            off: Some(json!({"addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": false}}})),
            note: None,
            after: Vec::new(),
        }
    }

    fn diff(feature: &Feature, origin: Option<Origin>, properties: Value) -> Diff {
        let recorded = Outputs::new();
        let context = NodeContext { app: "shop", intent: Intent::Present, origin, recorded: &recorded, ours: None, recover: false };
        feature.diff(context, &feature.seen(&json!({ "properties": properties })))
    }

    fn fields(diff: Diff) -> Vec<String> {
        match diff {
            Diff::Extend(changes) => changes.into_iter().map(|c| format!("+{}", c.field)).collect(),
            Diff::Update(changes) => changes.into_iter().map(|c| format!("~{}", c.field)).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn a_setting_that_is_off_is_turned_on_and_the_plan_names_the_fields() {
        let off = json!({"provisioningState": "Succeeded", "addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": false, "config": null}}});
        let path = "addonProfiles.azureKeyvaultSecretsProvider";
        assert_eq!(fields(diff(&csi(), None, off)), [format!("+{path}.enabled"), format!("+{path}.config.enableSecretRotation")]);
    }

    #[test]
    fn a_setting_that_is_on_in_another_way_needs_a_decision_unless_podid_turned_it_on() {
        let other =
            json!({"addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": true, "config": {"enableSecretRotation": "false"}}}});
        let field = "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation";
        assert_eq!(fields(diff(&csi(), None, other.clone())), [format!("~{field}")]);
        assert_eq!(fields(diff(&csi(), Some(Origin::Extended), other)), [format!("+{field}")]);
    }

    #[test]
    fn an_issuer_that_is_on_is_no_other_use_of_the_webhook() {
        let on = json!({"oidcIssuerProfile": {"enabled": true}, "securityProfile": {"workloadIdentity": {"enabled": true}}});
        let both = Feature { name: "workload-identity".into(), on, ..csi() };
        let issuer = json!({"oidcIssuerProfile": {"enabled": true, "issuerURL": "https://x/"}});
        assert_eq!(fields(diff(&both, None, issuer)), ["+securityProfile.workloadIdentity.enabled"]);
    }

    #[test]
    fn an_operation_of_a_killed_run_is_awaited_and_one_of_others_is_not() {
        let on = json!({"provisioningState": "Updating", "addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": true,
            "config": {"enableSecretRotation": "true", "rotationPollInterval": "2m"}, "identity": {"clientId": "c"}}}});
        assert_eq!(fields(diff(&csi(), Some(Origin::Extended), on.clone())), ["+provisioningState"]);
        assert_eq!(diff(&csi(), None, on), Diff::Same);
    }

    #[test]
    fn what_cannot_be_turned_off_stays_with_the_reason() {
        let issuer = Feature { name: "oidc-issuer".into(), off: None, note: Some("restarts the API server".into()), ..csi() };
        let actual = issuer.seen(&json!({}));
        assert_eq!(issuer.deletion_blocker(&actual).as_deref(), Some("AKS cannot turn oidc-issuer off again"));
        assert_eq!(issuer.plan_note().as_deref(), Some("restarts the API server; cannot be turned off again"));
        assert_eq!(csi().deletion_blocker(&actual), None);
    }
}
