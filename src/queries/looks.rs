//! Show and list of single things: identities, roles, vaults, secrets. A secret's value is printed only by `--reveal`.

mod clusters;
mod federation;
pub mod orphans;
mod storage;

use crate::{
    azure::{
        self, ArmId, Identity, Vault,
        id::{CLUSTER, IDENTITY, STORAGE_ACCOUNT, VAULT},
    },
    cli::{Format, ReadCommand},
    converge::{answer, render},
    engine::{input::Outputs, key::Key, resource::Kind as _},
    exit::Exit,
    failure::Failure,
    output::{Text, table},
    resources::{
        caller, cluster, identity,
        principal::{self, Principal as DirectoryPrincipal},
        role::Role,
        roles, secret,
    },
    session::Session,
    spec::{
        known::KnownResources,
        reference::{NameOrId, Principal, Scope},
    },
    state::State,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

pub async fn look(session: &Session, look: &ReadCommand) -> Result<Exit, Failure> {
    let lookup = Lookup::open(session)?;
    session.unless_interrupted(lookup.look(look)).await??;
    Ok(Exit::Done)
}

/// The id of a cluster that a command names.
pub fn cluster_id(session: &Session, named: &NameOrId, group: Option<&str>) -> Result<ArmId, Failure> {
    Lookup::open(session)?.id(CLUSTER, named, group)
}

pub(super) struct Lookup<'a> {
    session: &'a Session,
    pub(super) azure: azure::Read,
    subscription: String,
    pub(super) memory: KnownResources,
    pub(super) ledger: crate::engine::ledger::Ledger,
    /// The spec's, for a name that neither spec nor state places.
    default_group: Option<String>,
}

impl<'a> Lookup<'a> {
    pub(super) fn open(session: &'a Session) -> Result<Self, Failure> {
        let (world, ledger) = State::peek(&session.state_path(None))?;
        crate::engine::shape::check(&ledger, crate::resources::KINDS).map_err(|fault| Failure::from(&fault))?;
        let spec = crate::converge::spec_beside()?.map(|loaded| loaded.spec);
        let named = session.global.app.as_deref().or(spec.as_ref().map(|s| s.metadata.name.as_str()));
        let subscription = session.subscription(spec.as_ref().and_then(|s| s.subscription.as_deref()), world.as_ref())?;
        let mut memory = KnownResources::new(&ledger, named.unwrap_or(crate::converge::DEFAULT_APP));
        if let Some(spec) = &spec {
            memory.add_spec(spec, &subscription);
        }
        let default_group = spec.and_then(|s| s.resource_group);
        Ok(Self { session, azure: session.azure.read(), subscription, memory, ledger, default_group })
    }

    fn id(&self, kind: &str, named: &NameOrId, group: Option<&str>) -> Result<ArmId, Failure> {
        let group = group.or(self.session.global.resource_group.as_deref());
        let name = match named {
            NameOrId::Id(id) if id.is_kind(kind) => return Ok(id.clone()),
            NameOrId::Id(id) => return Err(Failure::new(Exit::Usage, format!("{id} is not the id of a {kind}"))),
            NameOrId::Name(name) => name,
        };
        if group.is_none()
            && let Some(known) = self.memory.id_of(kind, name).map_err(|f| Failure::from(&f))?
        {
            return Ok(known);
        }
        let group = group.or(self.default_group.as_deref()).ok_or_else(|| {
            Failure::new(Exit::Refused, format!("no resource group given for {name}")).hint("Name it with `-g GROUP`, or give the full id.")
        })?;
        let group = self.group(&NameOrId::new(group));
        Ok(ArmId::resource(group.subscription_id(), group.group_name().unwrap_or_default(), kind, name))
    }

    fn group(&self, group: &NameOrId) -> ArmId {
        match group {
            NameOrId::Id(id) => id.clone(),
            NameOrId::Name(name) => ArmId::group(&self.subscription, name),
        }
    }

    /// The group that was named, or the whole subscription.
    fn place(&self, group: Option<&str>) -> ArmId {
        let group = group.or(self.session.global.resource_group.as_deref());
        group.map_or_else(|| ArmId::subscription(&self.subscription), |group| self.group(&NameOrId::new(group)))
    }

    fn say(&self, document: &Value, table: Text) -> Result<(), Failure> {
        let text = if self.session.global.output == Format::Table { table } else { render(self.session, document) };
        answer(self.session, text)
    }

    fn record(&self, document: &Value) -> Result<(), Failure> {
        let fields: Vec<(&str, Option<String>)> = document
            .as_object()
            .map(|m| {
                m.iter()
                    .map(|(k, v)| (k.as_str(), (!v.is_null()).then(|| v.as_str().map_or_else(|| v.to_string(), str::to_owned))))
                    .collect()
            })
            .unwrap_or_default();
        self.say(document, table::record(&fields))
    }

    async fn look(&self, look: &ReadCommand) -> Result<(), Failure> {
        match look {
            ReadCommand::Identity { name, group } => self.identity(name, group.as_deref()).await,
            ReadCommand::Identities { group } => self.identities(group.as_deref()).await,
            ReadCommand::Federations { identity, group } => self.federations(identity.as_ref(), group.as_deref()).await,
            ReadCommand::Cluster { name, group } => self.cluster(name, group.as_deref()).await,
            ReadCommand::ResourceGroup { name } => self.resource_group(name).await,
            ReadCommand::Vault { name, group } => self.vault(name, group.as_deref()).await,
            ReadCommand::Vaults { group } => self.vaults(group.as_deref()).await,
            ReadCommand::Roles { to, scope } => self.roles(to.as_ref(), scope.as_ref()).await,
            ReadCommand::StorageAccount { name, group } => self.storage_account(name, group.as_deref()).await,
            ReadCommand::StorageAccounts { group } => self.storage_accounts(group.as_deref()).await,
            ReadCommand::Containers { account, group } => self.containers(account, group.as_deref()).await,
            ReadCommand::Secrets { vault, group } => self.secrets(vault, group.as_deref()).await,
            ReadCommand::Secret { vault, group, name, reveal } => self.secret(vault, group.as_deref(), name, *reveal).await,
        }
    }

    async fn identity(&self, name: &NameOrId, group: Option<&str>) -> Result<(), Failure> {
        let id = self.id(IDENTITY, name, group)?;
        match self.azure.identity(&id).await.map_err(failed)? {
            Some(found) => self.record(&identity_document(&found)),
            None => Err(missing("identity", "identity", &id)),
        }
    }

    async fn identities(&self, group: Option<&str>) -> Result<(), Failure> {
        let scope = self.place(group);
        let all = self.azure.identities(&scope).await.map_err(failed)?;
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|i| {
                vec![
                    i.id.name().into(),
                    i.id.group_name().unwrap_or_default().into(),
                    i.location.clone(),
                    i.client_id.clone(),
                    owner(&i.tags),
                ]
            })
            .collect();
        let document = json!({ "version": 1, "identities": all.iter().map(identity_document).collect::<Vec<_>>() });
        let headers = ["NAME", "GROUP", "LOCATION", "CLIENT ID", "OWNER"];
        self.say(&document, table::list(&headers, &rows, "there are no identities", self.session.terminal.width))
    }

    pub(super) async fn found_vault(&self, name: &NameOrId, group: Option<&str>) -> Result<Vault, Failure> {
        let id = self.id(VAULT, name, group)?;
        self.azure.vault(&id).await.map_err(failed)?.ok_or_else(|| missing("vault", "vault", &id))
    }

    async fn vault(&self, name: &NameOrId, group: Option<&str>) -> Result<(), Failure> {
        self.record(&vault(&self.found_vault(name, group).await?))
    }

    async fn vaults(&self, group: Option<&str>) -> Result<(), Failure> {
        let scope = self.place(group);
        let all = self.azure.vaults(&scope).await.map_err(failed)?;
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|v| {
                vec![v.id.name().into(), v.id.group_name().unwrap_or_default().into(), v.location.clone(), model(v).into(), owner(&v.tags)]
            })
            .collect();
        let document = json!({ "version": 1, "vaults": all.iter().map(vault).collect::<Vec<_>>() });
        self.say(
            &document,
            table::list(&["NAME", "GROUP", "LOCATION", "MODEL", "OWNER"], &rows, "there are no vaults", self.session.terminal.width),
        )
    }

    /// Scopes as keys or ids; without one, those of the principal that the state knows, and the subscription.
    async fn roles(&self, to: Option<&Principal>, scope: Option<&Scope>) -> Result<(), Failure> {
        let principal = match to {
            Some(to) => Some(self.principal(to).await?),
            None => None,
        };
        let scopes = match scope {
            Some(scope) => vec![self.scope(scope)?],
            None => {
                let mut scopes = vec![ArmId::subscription(&self.subscription)];
                let placed = self
                    .ledger
                    .entries()
                    .filter(|e| e.kind == Role::KIND)
                    .filter_map(|e| e.outputs.get("scope")?.as_str().and_then(ArmId::parse));
                for scope in placed {
                    if !scopes.contains(&scope) {
                        scopes.push(scope);
                    }
                }
                scopes
            }
        };
        let mut found = Vec::new();
        for scope in &scopes {
            found.extend(self.azure.role_assignments(scope).await.map_err(failed)?);
        }
        found.retain(|a| principal.as_ref().is_none_or(|p| a.principal_id.eq_ignore_ascii_case(p)));
        let role = |a: &azure::RoleAssignment| {
            let guid = a.role_definition_id.rsplit('/').next().unwrap_or_default();
            roles::name(guid).unwrap_or(guid).to_owned()
        };
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|a| {
                let condition = a.condition.as_deref().map(crate::resources::role::one_line).unwrap_or_default();
                vec![role(a), a.principal_id.clone(), a.scope.to_string(), condition, a.description.clone().unwrap_or_default()]
            })
            .collect();
        let all: Vec<Value> = found
            .iter()
            .map(|a| {
                json!({
                    "id": a.id, "role": role(a), "principal_id": a.principal_id, "scope": a.scope, "condition": a.condition,
                    "description": a.description,
                })
            })
            .collect();
        let headers = ["ROLE", "PRINCIPAL", "SCOPE", "CONDITION", "DESCRIPTION"];
        self.say(
            &json!({ "version": 1, "roles": all }),
            table::list(&headers, &rows, "there are no such role assignments", self.session.terminal.width),
        )
    }

    fn published(&self, key: &Key, field: &str) -> Option<String> {
        let outputs: Option<&Outputs> = self.ledger.entries().find(|e| e.key == *key).map(|e| &e.outputs);
        outputs?.get(field)?.as_str().map(str::to_owned)
    }

    /// The object id of a principal, as far as the state knows it; the directory is asked for a name.
    async fn principal(&self, to: &Principal) -> Result<String, Failure> {
        let (key, field) = match to {
            Principal::UserName(name) => return self.by_name(DirectoryPrincipal::User(name.clone())).await,
            Principal::GroupName(name) => return self.by_name(DirectoryPrincipal::Group(name.clone())).await,
            Principal::User(id) | Principal::Group(id) | Principal::ServicePrincipal(id) | Principal::Object(id) => return Ok(id.clone()),
            Principal::Caller => (caller::key(), caller::OBJECT_ID.0),
            Principal::Identity(named) => (identity::key(named.name()), identity::PRINCIPAL_ID.0),
            Principal::Cluster(named) => (cluster::key(named.name()), cluster::PRINCIPAL_ID.0),
        };
        self.published(&key, field).ok_or_else(|| {
            Failure::new(Exit::Refused, format!("the state has no entry {key}"))
                .hint("Give the principal's object id, or make the identity known first: `podid identity create`.")
        })
    }

    async fn by_name(&self, named: DirectoryPrincipal) -> Result<String, Failure> {
        let found = principal::object_id(&named, &self.azure).await.map_err(|fault| Failure::from(&fault))?;
        found.ok_or_else(|| {
            let (reason, way_out) = named.not_found();
            Failure::new(Exit::Refused, reason).hint(way_out)
        })
    }

    fn scope(&self, scope: &Scope) -> Result<ArmId, Failure> {
        match scope {
            Scope::Subscription => Ok(ArmId::subscription(&self.subscription)),
            Scope::Vault(named) => self.id(VAULT, named, None),
            Scope::StorageAccount(named) => self.id(STORAGE_ACCOUNT, named, None),
            Scope::Container { account, name } => Ok(azure::container_id(&self.id(STORAGE_ACCOUNT, account, None)?, name)),
            Scope::Identity(named) => self.id(IDENTITY, named, None),
            Scope::ResourceGroup(named) => Ok(self.group(named)),
            Scope::Id(id) => Ok(id.clone()),
            Scope::ClusterNodes(named) => {
                let key = cluster::key(named.name());
                let group = self.published(&key, cluster::NODE_GROUP.0).and_then(|id| ArmId::parse(&id));
                group.ok_or_else(|| {
                    Failure::new(Exit::Refused, format!("the state has no entry {key}"))
                        .hint("Give the full id of the node resource group: `az aks show -g GROUP -n CLUSTER --query nodeResourceGroup`.")
                })
            }
        }
    }

    async fn secrets(&self, vault: &NameOrId, group: Option<&str>) -> Result<(), Failure> {
        let vault = self.found_vault(vault, group).await?;
        let all = self.azure.secrets(&vault.uri).await.map_err(failed)?;
        let rows: Vec<Vec<String>> = all.iter().map(|s| vec![s.name.clone(), status(s), when(s.updated), owner(&s.tags)]).collect();
        let document = json!({ "version": 1, "vault": vault.id.name(), "secrets": all });
        self.say(
            &document,
            table::list(&["NAME", "STATUS", "UPDATED", "OWNER"], &rows, "the vault holds no secrets", self.session.terminal.width),
        )
    }

    async fn secret(&self, vault: &NameOrId, group: Option<&str>, name: &str, reveal: bool) -> Result<(), Failure> {
        let vault = self.found_vault(vault, group).await?;
        let absent = || {
            Failure::new(Exit::Refused, format!("the secret {name} is not in the vault {}", vault.id.name()))
                .hint(format!("List the secrets: `podid vault secret list --vault {}`.", vault.id.name()))
        };
        if reveal {
            let secret = match self.azure.secret(&vault.uri, name).await {
                Err(error) if error.is_disabled_secret() => {
                    let message = format!("the secret {name} is disabled in the vault {}: nobody can read it", vault.id.name());
                    let hint = format!("Enable it: `{}`.", secret::enabling(vault.id.name(), name));
                    return Err(Failure::new(Exit::Refused, message).hint(hint));
                }
                found => found.map_err(failed)?.ok_or_else(absent)?,
            };
            if self.session.global.output != Format::Table {
                let mut document = json!(secret.info);
                document["value"] = json!(secret.value.expose_secret());
                return answer(self.session, render(self.session, &document));
            }
            // scripts get it as it is
            let written = self.session.terminal.value(secret.value.expose_secret());
            return written.map_err(|e| Failure::new(Exit::Failed, "could not write the answer").because(e.to_string()));
        }
        let info = self.azure.latest_secret(&vault.uri, name).await.map_err(failed)?.ok_or_else(absent)?;
        let value = if info.enabled { "(hidden; --reveal shows it)" } else { "(disabled: nobody can read it)" };
        self.record(&json!({
            "name": info.name, "vault": vault.id.name(), "version": info.version, "status": status(&info), "enabled": info.enabled,
            "updated": when(info.updated), "expires": date(info.expires), "not_before": date(info.not_before),
            "content_type": info.content_type, "owner": owner(&info.tags), "value": value,
        }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: azure::Error) -> Failure {
    Failure::from(&error)
}

fn missing(word: &str, command: &str, id: &ArmId) -> Failure {
    Failure::new(Exit::Refused, format!("the {word} {} does not exist in resource group {}", id.name(), id.group_name().unwrap_or("?")))
        .hint(format!("`podid {command} list` shows those of the subscription."))
}

fn identity_document(found: &Identity) -> Value {
    json!({
        "name": found.id.name(), "resource_group": found.id.group_name(), "location": found.location, "client_id": found.client_id,
        "principal_id": found.principal_id, "tenant_id": found.tenant_id, "id": found.id, "owner": owner(&found.tags),
    })
}

fn model(vault: &Vault) -> &'static str {
    if vault.rbac { crate::resources::vault::RBAC } else { crate::resources::vault::ACCESS_POLICY }
}

fn vault(found: &Vault) -> Value {
    json!({
        "name": found.id.name(), "resource_group": found.id.group_name(), "location": found.location, "model": model(found),
        "uri": found.uri, "tenant_id": found.tenant_id, "sku": found.sku,
        "retention_days": found.retention_days, "purge_protection": found.purge_protection,
        "policies": found.policies.len(), "id": found.id, "owner": owner(&found.tags),
    })
}

/// Which app of podid's a thing belongs to.
fn owner(tags: &azure::Tags) -> String {
    match (tags.get("managed-by").map(String::as_str), tags.get("podid-app")) {
        (Some("podid"), Some(app)) => format!("podid app {app}"),
        (Some(other), _) => other.to_owned(),
        _ => String::new(),
    }
}

/// Whether apps can read it, and whether they should.
fn status(secret: &azure::SecretInfo) -> String {
    if !secret.enabled {
        return "disabled".to_owned();
    }
    secret::dates(secret.not_before, secret.expires, jiff::Timestamp::now()).unwrap_or_else(|| "enabled".to_owned())
}

fn date(seconds: Option<i64>) -> Option<String> {
    seconds.map(|_| when(seconds))
}

fn when(seconds: Option<i64>) -> String {
    seconds.and_then(|s| jiff::Timestamp::from_second(s).ok()).map(|t| t.to_string()).unwrap_or_default()
}
