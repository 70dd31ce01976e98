//! A user-assigned managed identity. One of the same name that somebody else made is adopted as it is.

use super::{
    kind::{AzureRole, HintScope, Listed, Resource},
    ownership, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, id::IDENTITY},
    engine::{
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Identity {
    pub id: ArmId,
    /// None where it must be there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Input<String>>,
}

/// As Azure answers it, with a lower-case `resourcegroups`.
pub const ID: Field<String> = Field::new("id");
pub const CLIENT_ID: Field<String> = Field::new("client_id");
pub const PRINCIPAL_ID: Field<String> = Field::new("principal_id");
pub const TENANT_ID: Field<String> = Field::new("tenant_id");

pub fn key(name: &str) -> Key {
    Key::of("identity", [name])
}

/// An input that only a thing that is to be made has.
pub fn required<T>(input: Option<&Input<T>>) -> Result<&T, Fault> {
    input.ok_or_else(|| Fault::Bug("something that must be there already was to be made".into()))?.get()
}

impl Kind<Cloud> for Identity {
    const KIND: &'static str = "identity";
    const SIDE: Side = Side::Azure;
    type Actual = azure::Identity;

    fn place(&self) -> Option<String> {
        Some(self.id.folded())
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<azure::Identity>, Fault> {
        reader.azure.identity(&self.id).await.map_err(Fault::cloud)
    }
    /// Its location cannot change, and is not worth a refusal: an identity works from anywhere. Only our marks can differ.
    fn diff(&self, context: NodeContext<'_>, actual: &azure::Identity) -> Diff {
        let wanted = ownership::marked(context.app, &actual.tags);
        if !context.mine(self.owner(context, actual)) || wanted == actual.tags {
            return Diff::Same;
        }
        Diff::Update(vec![Change { field: "tags".into(), from: json!(actual.tags), to: json!(wanted) }])
    }
    fn owner(&self, context: NodeContext<'_>, actual: &azure::Identity) -> Owner {
        ownership::owner(context.app, &actual.tags)
    }
    /// A new principal under the old name is another identity.
    fn is_same_object(&self, recorded: &Outputs, actual: &azure::Identity) -> bool {
        recorded.get(PRINCIPAL_ID.0).and_then(Value::as_str).is_none_or(|p| p == actual.principal_id)
    }
    fn publish(&self, actual: &azure::Identity) -> Outputs {
        [
            (ID.0.into(), json!(actual.id)),
            (CLIENT_ID.0.into(), json!(actual.client_id)),
            (PRINCIPAL_ID.0.into(), json!(actual.principal_id)),
            (TENANT_ID.0.into(), json!(actual.tenant_id)),
            ("location".into(), json!(actual.location)),
        ]
        .into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("resourceGroup", json!(self.id.group_name())), ("location", json!(self.location))]
    }
    fn identifiers(&self, published: &Outputs) -> Vec<(&'static str, Value)> {
        let known = |field: &str| published.get(field).cloned().filter(|value| !value.is_null());
        let fields = [("clientId", CLIENT_ID.0), ("principalId", PRINCIPAL_ID.0)];
        fields.into_iter().filter_map(|(name, field)| Some((name, known(field)?))).collect()
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the identity {} does not exist in resource group {}", self.id.name(), self.id.group_name().unwrap_or("?")),
            format!("Create it: `podid identity create -g {} -n {}`.", self.id.group_name().unwrap_or("GROUP"), self.id.name()),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<azure::Identity>, writer: &Writer) -> Result<azure::Identity, Fault> {
        let (location, tags) = match &before {
            Some(before) => (before.location.clone(), before.tags.clone()),
            None => (required(self.location.as_ref())?.clone(), azure::Tags::new()),
        };
        writer.azure.put_identity(&self.id, &location, &ownership::marked(context.app, &tags)).await.map_err(Fault::cloud)
    }
    async fn remove(&self, _: NodeContext<'_>, _: azure::Identity, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_identity(&self.id).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: azure::Identity, writer: &Writer) -> Result<(), Fault> {
        let tags = ownership::marked(context.app, &before.tags);
        writer.azure.put_identity(&self.id, &before.location, &tags).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("az identity create -g {} -n {}", self.id.group_name().unwrap_or_default(), self.id.name())]
    }
}

impl Resource for Identity {
    const ARM_TYPE: Option<&'static str> = Some(IDENTITY);
    const ROLES: &'static [AzureRole] = &[
        AzureRole {
            actions: "Microsoft.ManagedIdentity/userAssignedIdentities/assign",
            reads: true,
            role: roles::MANAGED_IDENTITY_OPERATOR,
            scope: HintScope::Group,
        },
        AzureRole {
            actions: "Microsoft.ManagedIdentity/",
            reads: false,
            role: roles::MANAGED_IDENTITY_CONTRIBUTOR,
            scope: HintScope::Group,
        },
    ];

    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let listed = |identity: azure::Identity| Listed { app: ownership::app(&identity.tags), actual: json!(identity) };
        Ok(azure.identities(subscription).await?.into_iter().map(listed).collect())
    }
}
