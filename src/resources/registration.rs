//! A preview feature of a resource provider, registered in the subscription. Registering again is harmless, and it is never taken back:
//! others in the subscription may use it.

use super::{
    kind::{AzureRole, HintScope, Resource},
    roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{ArmId, REGISTERED},
    engine::{
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
        ledger::Origin,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Registration {
    pub subscription: ArmId,
    /// Namespace of the provider, such as `Microsoft.ContainerService`.
    pub provider: String,
    pub feature: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub state: String,
}

const STATE: Field<String> = Field::new("state");

pub fn key(provider: &str, feature: &str) -> Key {
    Key::of("registration", [provider, feature])
}

impl Registration {
    fn shown(&self) -> String {
        format!("{}/{}", self.provider, self.feature)
    }

    fn unregister(&self) -> String {
        let (subscription, Self { provider, feature, .. }) = (self.subscription.subscription_id(), self);
        format!("`az feature unregister --subscription {subscription} --namespace {provider} --name {feature}`")
    }
}

impl Kind<Cloud> for Registration {
    const KIND: &'static str = "registration";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.subscription.folded())
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let state = reader.azure.feature_state(&self.subscription, &self.provider, &self.feature).await.map_err(Fault::cloud)?;
        let state = state.filter(|state| matches!(state.as_str(), REGISTERED | "Registering" | "Pending"));
        Ok(state.map(|state| Actual { state }))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        // a run that was killed may not have told the provider
        let unfinished = context.origin == Some(Origin::Created) && !context.recorded.contains_key(STATE.0);
        if actual.state == REGISTERED && !unfinished {
            return Diff::Same;
        }
        Diff::Extend(vec![Change { field: STATE.0.into(), from: json!(actual.state), to: json!(REGISTERED) }])
    }
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarkable
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [(STATE.0.into(), json!(actual.state))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("feature", json!(self.shown()))]
    }
    fn plan_note(&self) -> Option<String> {
        Some("takes up to 15 minutes; holds for the whole subscription".to_owned())
    }
    fn deletion_blocker(&self, _: &Actual) -> Option<String> {
        Some(format!("others in the subscription may use the preview feature; {} takes it back", self.unregister()))
    }
    fn not_found(&self) -> (String, String) {
        let Self { provider, feature, .. } = self;
        (
            format!("the preview feature {} is not registered", self.shown()),
            format!("Register it: `az feature register --namespace {provider} --name {feature}`."),
        )
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let state = writer.azure.register_feature(&self.subscription, &self.provider, &self.feature).await.map_err(Fault::cloud)?;
        Ok(Actual { state })
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
    fn commands(&self) -> Vec<String> {
        let Self { provider, feature, .. } = self;
        vec![
            format!("az feature register --namespace {provider} --name {feature}"),
            format!("az provider register --namespace {provider} # once `az feature show` says Registered"),
        ]
    }
}

impl Resource for Registration {
    const ROLES: &'static [AzureRole] = &[
        AzureRole { actions: "Microsoft.Features/", reads: false, role: roles::CONTRIBUTOR, scope: HintScope::Subscription },
        AzureRole {
            actions: "Microsoft.ContainerService/register/",
            reads: false,
            role: roles::CONTRIBUTOR,
            scope: HintScope::Subscription,
        },
    ];
}
