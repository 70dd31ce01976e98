//! A key vault. Made with its model explicit; an existing one is read and never rewritten. It holds data.

use super::{
    identity::required,
    kind::{AzureRole, HintScope, Listed, Resource},
    ownership, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, DeletedVault, NewVault, id::VAULT},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Data, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Vault {
    pub id: ArmId,
    /// This and the tenant: None where it must be there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Input<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Input<String>>,
    /// Of a vault that is to be made.
    pub rbac: bool,
    /// Whether the user wrote which of the two models it has, so that an existing vault must have it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub model_is_given: bool,
    #[serde(flatten)]
    pub options: VaultOptions,
}

/// What is set when a vault is made. Of an existing one only purge protection can change, and only to on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultOptions {
    /// `standard` or `premium`; None: standard, and an existing vault may be either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// 7 to 90; None: Azure's default of 90, and an existing vault may have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_protection: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Actual {
    Live(azure::Vault),
    /// Soft-deleted: its name is taken until it is recovered or purged.
    Deleted(DeletedVault),
}

pub const ID: Field<String> = Field::new("id");
pub const URI: Field<String> = Field::new("uri");
/// `rbac` or `access-policy`.
pub const MODEL: Field<String> = Field::new("model");
pub const TENANT_ID: Field<String> = Field::new("tenant_id");
/// Whether some podid made it, for whatever app.
pub const MARKED: Field<bool> = Field::new("marked");

/// The SKUs of a vault.
pub const SKUS: &[&str] = &["standard", "premium"];

pub const RBAC: &str = "rbac";
pub const ACCESS_POLICY: &str = "access-policy";

pub fn key(name: &str) -> Key {
    Key::of("vault", [name])
}

/// Returns the command that makes role assignments, or access policies, decide who may use a vault's data.
pub fn switch_command(id: &ArmId, rbac: bool) -> String {
    format!("az keyvault update -n {} -g {} --enable-rbac-authorization {rbac}", id.name(), id.group_name().unwrap_or_default())
}

impl Vault {
    fn name(&self) -> &str {
        self.id.name()
    }

    /// Says which wanted option an existing vault cannot get: the reason, and the way out.
    fn impossible(&self, vault: &azure::Vault) -> Option<(String, String)> {
        let (name, wanted) = (self.name(), &self.options);
        if self.model_is_given && self.rbac != vault.rbac {
            return Some(self.other_model(vault.rbac));
        }
        if let (Some(days), Some(has)) = (wanted.retention_days, vault.retention_days)
            && days != has
        {
            return Some((
                format!("the vault {name} keeps deleted objects for {has} days, and that is set only when a vault is created"),
                format!("Write {has} in place of {days} (retentionDays, --retention) or leave it out, or create a vault of another name."),
            ));
        }
        if wanted.purge_protection == Some(false) && vault.purge_protection {
            return Some((
                format!("the vault {name} has purge protection, which cannot be turned off"),
                "Leave `purgeProtection: false` out.".to_owned(),
            ));
        }
        let sku = wanted.sku.as_ref().filter(|sku| !vault.sku.is_empty() && !sku.eq_ignore_ascii_case(&vault.sku))?;
        Some((
            format!("the vault {name} is {}, not {sku}, and podid sets that only when it creates a vault", vault.sku),
            format!("Change it: `az resource update --ids {} --set properties.sku.name={sku}`.", vault.id),
        ))
    }

    fn other_model(&self, rbac: bool) -> (String, String) {
        let name = self.name();
        match rbac {
            true => (
                format!(
                    "the vault {name} uses Azure RBAC, so its access policies have no effect, and `model: {ACCESS_POLICY}` asks for them"
                ),
                format!(
                    "Write `model: {RBAC}` (`--model {RBAC}`) or leave the model out. To go back to the access policies that are still in the vault: `{}`.",
                    switch_command(&self.id, false)
                ),
            ),
            false => (
                format!("the vault {name} uses access policies, and `model: {RBAC}` asks for Azure RBAC"),
                format!(
                    "Migrate it: `podid vault migrate-to-rbac {name} -g {}`. Or write `model: {ACCESS_POLICY}`, or leave the model out.",
                    self.id.group_name().unwrap_or("GROUP")
                ),
            ),
        }
    }

    fn lacks_protection(&self, vault: &azure::Vault) -> bool {
        self.options.purge_protection == Some(true) && !vault.purge_protection
    }
}

impl Kind<Cloud> for Vault {
    const KIND: &'static str = "vault";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Holder;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.id.folded())
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        if let Some(vault) = reader.azure.vault(&self.id).await.map_err(Fault::cloud)? {
            return Ok(Some(Actual::Live(vault)));
        }
        if context.intent != Intent::Present {
            return Ok(None);
        }
        let Some(location) = self.location.as_ref().and_then(Input::known) else { return Ok(None) };
        let deleted = reader.azure.deleted_vault(self.id.subscription_id(), location, self.name()).await;
        match deleted {
            Ok(deleted) => Ok(deleted.map(Actual::Deleted)),
            // without the right to look at deleted vaults one finds out by trying, as Terraform does
            Err(azure::Error::Forbidden { .. }) => Ok(None),
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        match actual {
            Actual::Deleted(_) if context.recover => {
                Diff::Extend(vec![Change { field: "state".into(), from: json!("soft-deleted"), to: json!("recovered") }])
            }
            Actual::Deleted(deleted) => Diff::Refuse {
                reason: format!(
                    "the vault {} is soft-deleted (to be purged {}): its name is taken",
                    self.name(),
                    deleted.scheduled_purge_date.as_deref().unwrap_or("some day")
                ),
                way_out: format!("Bring it back with its secrets by `--recover`, or purge it: `az keyvault purge -n {}`.", self.name()),
            },
            Actual::Live(vault) => {
                if let Some((reason, way_out)) = self.impossible(vault) {
                    return Diff::Refuse { reason, way_out };
                }
                let mut changes = Vec::new();
                if self.lacks_protection(vault) {
                    // for good, so a vault of others needs consent
                    let protected = Change { field: "purgeProtection".into(), from: json!(false), to: json!(true) };
                    return Diff::Update(vec![protected]);
                }
                if vault.provisioning.as_deref().is_some_and(|p| p != "Succeeded") {
                    changes.push(Change { field: "provisioningState".into(), from: json!(vault.provisioning), to: json!("Succeeded") });
                }
                let wanted = ownership::marked(context.app, &vault.tags);
                if context.mine(self.owner(context, actual)) && wanted != vault.tags {
                    changes.push(Change { field: "tags".into(), from: json!(vault.tags), to: json!(wanted) });
                }
                if changes.is_empty() { Diff::Same } else { Diff::Extend(changes) }
            }
        }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        match actual {
            Actual::Live(vault) => ownership::owner(context.app, &vault.tags),
            Actual::Deleted(deleted) => ownership::owner(context.app, &deleted.tags),
        }
    }
    /// A vault that is not `Succeeded` has no host to talk to yet, and a deleted one nothing at all.
    fn publish(&self, actual: &Actual) -> Outputs {
        let Actual::Live(vault) = actual else { return Outputs::new() };
        let model = if vault.rbac { RBAC } else { ACCESS_POLICY };
        let mut outputs: Outputs = [
            (ID.0.into(), json!(vault.id)),
            (MODEL.0.into(), json!(model)),
            (TENANT_ID.0.into(), json!(vault.tenant_id)),
            ("location".into(), json!(vault.location)),
            (MARKED.0.into(), json!(ownership::marked_by_any(&vault.tags))),
        ]
        .into();
        if vault.provisioning.as_deref().is_none_or(|p| p == "Succeeded") {
            outputs.insert(URI.0.into(), json!(vault.uri));
        }
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let model = if self.rbac { RBAC } else { ACCESS_POLICY };
        let VaultOptions { sku, retention_days, purge_protection } = &self.options;
        vec![
            ("resourceGroup", json!(self.id.group_name())),
            ("location", json!(self.location)),
            ("model", json!(model)),
            ("sku", json!(sku)),
            ("retentionDays", json!(retention_days)),
            ("purgeProtection", json!(purge_protection.filter(|on| *on))),
        ]
    }
    fn plan_note(&self) -> Option<String> {
        (!self.rbac).then(|| "has access policies, as asked; Azure's default for a new vault is roles".to_owned())
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        let Actual::Live(vault) = actual else { return None };
        self.lacks_protection(vault).then(|| {
            "purge protection cannot be turned off again: until the retention is over, nobody can purge the vault or what is deleted in it"
                .to_owned()
        })
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the vault {} does not exist in resource group {}", self.name(), self.id.group_name().unwrap_or("?")),
            format!("Create it: `podid vault create -g {} -n {}`.", self.id.group_name().unwrap_or("GROUP"), self.name()),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let (recover, was_seen) = (matches!(before, Some(Actual::Deleted(_))), before.is_some());
        // two runs of two apps may both have planned it: a PUT would wipe the policies that the other has added since
        let before = match before {
            None => writer.azure.vault(&self.id).await.map_err(Fault::cloud)?.map(Actual::Live),
            some => some,
        };
        if let Some(Actual::Live(mut vault)) = before {
            if vault.provisioning.as_deref().is_some_and(|p| p != "Succeeded") {
                vault = writer.azure.await_vault(&self.id).await.map_err(Fault::cloud)?;
            }
            let wanted = ownership::marked(context.app, &vault.tags);
            let foreign = matches!(ownership::owner(context.app, &vault.tags), Owner::OtherApp(_));
            if context.ours == Some(true) && !foreign && wanted != vault.tags {
                vault = writer.azure.tag_vault(&self.id, &wanted).await.map_err(Fault::cloud)?;
            }
            // not of a vault that another app made since the plan
            if (was_seen || context.ours == Some(true)) && self.lacks_protection(&vault) {
                vault = writer.azure.protect_vault(&self.id).await.map_err(Fault::cloud)?;
            }
            return Ok(Actual::Live(vault));
        }
        let new = NewVault {
            id: self.id.clone(),
            location: required(self.location.as_ref())?.clone(),
            tenant_id: required(self.tenant.as_ref())?.clone(),
            rbac: self.rbac,
            tags: ownership::marks(context.app),
            recover,
            sku: self.options.sku.clone(),
            retention_days: self.options.retention_days,
            purge_protection: self.options.purge_protection == Some(true),
        };
        match writer.azure.put_vault(&new).await {
            // a vault that was brought back is as it was
            Ok(vault) if self.lacks_protection(&vault) => {
                writer.azure.protect_vault(&self.id).await.map(Actual::Live).map_err(Fault::cloud)
            }
            Ok(vault) => Ok(Actual::Live(vault)),
            Err(azure::Error::Conflict { code, .. }) if code == "VaultAlreadyExists" => Err(Fault::refused(
                format!(
                    "the vault name {} is taken: vault names are unique in all of Azure, and a soft-deleted vault keeps its name",
                    self.name()
                ),
                "Choose another name; or, if it is your own soft-deleted one, `--recover` (`az keyvault list-deleted` shows those you can see).",
            )),
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_vault(&self.id).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let Actual::Live(vault) = before else { return Ok(()) };
        let tags = ownership::marked(context.app, &vault.tags);
        writer.azure.tag_vault(&self.id, &tags).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let VaultOptions { sku, retention_days, purge_protection } = &self.options;
        let mut command = format!(
            "az keyvault create -g {} -n {} --enable-rbac-authorization {}",
            self.id.group_name().unwrap_or_default(),
            self.name(),
            self.rbac
        );
        command.extend(sku.iter().map(|sku| format!(" --sku {sku}")));
        command.extend(retention_days.iter().map(|days| format!(" --retention-days {days}")));
        command.extend(purge_protection.filter(|on| *on).map(|_| " --enable-purge-protection true"));
        vec![command]
    }
}

impl Resource for Vault {
    const ARM_TYPE: Option<&'static str> = Some(VAULT);
    const ROLES: &'static [AzureRole] =
        &[AzureRole { actions: "Microsoft.KeyVault/", reads: false, role: roles::KEY_VAULT_CONTRIBUTOR, scope: HintScope::Group }];

    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let listed = |vault: azure::Vault| Listed { app: ownership::app(&vault.tags), actual: json!(vault) };
        Ok(azure.vaults(subscription).await?.into_iter().map(listed).collect())
    }
}
