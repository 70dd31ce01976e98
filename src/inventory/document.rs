//! The inventory as a document for programs: everything that the tables for people show, and more. It has no value of a secret.

use super::{
    node_identity::{NodeIdentity, node_identities},
    operators::operators,
    origin::origin,
    workload::{Mount, NODE_IDENTITY, SERVICE_PRINCIPAL, Token, Workload},
};
use crate::{
    access::{self, Holder, Reader},
    azure::{FederatedCredential, Identity, SecretInfo, Vault},
    chain::{texts::field, uses::IdentityUse},
    components, modes,
    resources::{
        ownership,
        running::{self, Running},
    },
    survey::{
        Survey,
        kinds::{
            AZURE_ASSIGNED_IDENTITY, AZURE_IDENTITY, AZURE_IDENTITY_BINDING, CLASS, DAEMON_SET, DEPLOYMENT, EXCEPTION, SERVICE_ACCOUNT,
            SurveyedKind,
        },
    },
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn document(survey: &Survey, workloads: &[Workload], namespace: Option<&str>) -> Value {
    let users = Users::of(workloads, survey);
    let concerned: Vec<&Workload> = workloads.iter().filter(|workload| workload.is_concerned()).collect();
    let objects = |kind: &SurveyedKind, more: &dyn Fn(&Value) -> Value| objects(survey, kind, namespace, more);
    json!({
        "workloads": concerned.iter().map(|one| workload(one, survey)).collect::<Vec<_>>(),
        "otherWorkloads": workloads.len() - concerned.len(),
        "azureIdentities": objects(&AZURE_IDENTITY, &|one| json!({
            "resourceId": field(one, "/spec/resourceID"), "clientId": field(one, "/spec/clientID"), "type": one.pointer("/spec/type"),
            "namespaced": crate::resources::azure_identity::is_namespaced(one),
        })),
        "azureIdentityBindings": objects(&AZURE_IDENTITY_BINDING, &|one| json!({
            "azureIdentity": field(one, "/spec/azureIdentity"), "selector": field(one, "/spec/selector"),
        })),
        "azureAssignedIdentities": objects(&AZURE_ASSIGNED_IDENTITY, &|one| json!({
            "pod": field(one, "/spec/pod"), "podNamespace": field(one, "/spec/podNamespace"), "node": field(one, "/spec/nodename"),
            "azureIdentity": field(one, "/spec/azureIdentityRef/metadata/name"), "status": field(one, "/status/status"),
        })),
        "exceptions": objects(&EXCEPTION, &|one| json!({ "podLabels": one.pointer("/spec/podLabels") })),
        "serviceAccounts": accounts(survey, namespace),
        "secretProviderClasses": objects(&CLASS, &|one| json!({
            "provider": field(one, "/spec/provider"), "vault": field(one, "/spec/parameters/keyvaultName"),
            "mode": one.pointer("/spec/parameters").map(class_mode),
        })),
        "identityBindings": survey.azure.bindings.iter().map(|one| json!({
            "name": one.id.name(), "identity": one.resource_id, "clientId": one.client_id, "state": one.state,
        })).collect::<Vec<_>>(),
        "addonEntries": survey.azure.addon_entries.iter().map(|one| json!({
            "namespace": one.namespace, "name": one.name, "selector": one.selector, "identity": one.resource_id, "state": one.state,
            "problem": one.problem,
        })).collect::<Vec<_>>(),
        "identities": survey.azure.identities.iter().map(|one| identity(one, &users, survey)).collect::<Vec<_>>(),
        "nodeIdentities": node_identities(survey).iter().map(|one: &NodeIdentity| json!({
            "name": one.name, "principalId": one.principal_id, "for": one.role, "scaleSets": one.scale_sets,
        })).collect::<Vec<_>>(),
        "vaults": survey.azure.vaults.iter().map(|one| vault(one, workloads, survey)).collect::<Vec<_>>(),
        "components": running(survey).iter().map(|(component, one)| json!({
            "component": component, "program": one.program, "version": one.version(), "namespace": one.namespace, "name": one.name,
            "ready": one.ready, "wanted": one.wanted, "installedBy": one.installer.to_string(), "via": one.installer.via(),
        })).collect::<Vec<_>>(),
        "notRead": survey.gaps(),
    })
}

/// How a class gets its token: the modes that its parameters fit, or what takes their place.
pub fn class_mode(parameters: &Value) -> String {
    let modes: Vec<&str> = modes::all().filter(|mode| mode.is_of_class(parameters)).map(modes::Mode::name).collect();
    match modes.is_empty() {
        true if field(parameters, "/useVMManagedIdentity").eq_ignore_ascii_case("true") => NODE_IDENTITY.to_owned(),
        true => SERVICE_PRINCIPAL.to_owned(),
        false => modes.join(" or "),
    }
}

/// The programs of components that run in the cluster.
pub fn running(survey: &Survey) -> Vec<(&'static str, Running)> {
    let workloads: Vec<&Value> = [&DAEMON_SET, &DEPLOYMENT].into_iter().flat_map(|kind| survey.cluster.of_kind(kind).iter()).collect();
    let mut found = Vec::new();
    for component in components::all() {
        let signs = component.signs();
        found.extend(workloads.iter().flat_map(|object| running::of(object, &signs)).map(|one| (component.name(), one)));
    }
    found
}

fn objects(survey: &Survey, kind: &SurveyedKind, namespace: Option<&str>, more: &dyn Fn(&Value) -> Value) -> Vec<Value> {
    let meant =
        survey.cluster.of_kind(kind).iter().filter(|one| namespace.is_none_or(|wanted| field(one, "/metadata/namespace") == wanted));
    meant
        .map(|one| {
            let mut document =
                json!({ "namespace": field(one, "/metadata/namespace"), "name": field(one, "/metadata/name"), "owner": origin(one) });
            if let (Value::Object(all), Value::Object(more)) = (&mut document, more(one)) {
                all.extend(more);
            }
            document
        })
        .collect()
}

/// Those that name an identity.
fn accounts(survey: &Survey, namespace: Option<&str>) -> Vec<Value> {
    let all = objects(survey, &SERVICE_ACCOUNT, namespace, &|one| json!({ "clientId": crate::resources::service_account::client_id(one) }));
    all.into_iter().filter(|one| !one["clientId"].is_null()).collect()
}

fn identity_use(one: &IdentityUse, survey: &Survey) -> Value {
    json!({
        "mode": one.mode, "identity": one.identity.shown(survey), "clientId": one.identity.client_id,
        "resourceId": one.identity.found(survey).map(|found| found.id.to_string()).or_else(|| one.identity.resource_id.clone()),
        "isSound": one.is_sound(), "path": one.edges,
    })
}

fn mount(one: &Mount, survey: &Survey) -> Value {
    let node = match &one.token {
        Token::Node(client_id) => json!(client_id.as_deref().unwrap_or("system-assigned")),
        _ => Value::Null,
    };
    json!({
        "delivery": one.secrets.delivery, "through": one.secrets.through.as_ref().map(ToString::to_string), "vault": one.secrets.vault,
        "mode": one.mode(), "nodeIdentity": node, "path": one.secrets.edges,
        "identities": one.identities().iter().map(|one| identity_use(one, survey)).collect::<Vec<_>>(),
        "objects": one.secrets.objects.iter().map(|o| json!({ "name": o.name, "type": o.kind, "alias": o.alias, "version": o.version })).collect::<Vec<_>>(),
        "sync": one.secrets.synced.iter().map(|s| json!({ "secret": s.secret, "key": s.key, "file": s.file })).collect::<Vec<_>>(),
    })
}

fn workload(one: &Workload, survey: &Survey) -> Value {
    json!({
        "namespace": one.namespace, "kind": one.kind, "name": one.name, "wanted": one.wanted, "serviceAccount": one.service_account,
        "owner": one.origin, "hostNetwork": one.is_on_host_network,
        "identities": one.identities.iter().map(|one| identity_use(one, survey)).collect::<Vec<_>>(),
        "mounts": one.mounts.iter().map(|one| mount(one, survey)).collect::<Vec<_>>(),
        "anyIdentityOfItsNode": one.node_access.as_ref().map(|access| access.why.clone()),
        "pods": one.pods.iter().map(|pod| json!({
            "name": pod.name, "node": pod.node, "phase": pod.phase, "ready": pod.is_ready, "created": pod.created,
        })).collect::<Vec<_>>(),
    })
}

/// The workloads that get identities, by the identities' ids in lower case.
#[derive(Default)]
pub struct Users<'a>(BTreeMap<String, Vec<&'a Workload>>);

impl<'a> Users<'a> {
    pub fn of(workloads: &'a [Workload], survey: &Survey) -> Self {
        let mut all = Self::default();
        for workload in workloads {
            let ids = workload.all_identities().filter_map(|one| one.identity.found(survey)).map(|identity| identity.id.folded());
            for id in ids.collect::<BTreeSet<_>>() {
                all.0.entry(id).or_default().push(workload);
            }
        }
        all
    }

    pub fn of_identity(&self, identity: &Identity) -> &[&'a Workload] {
        self.0.get(&identity.id.folded()).map_or(&[], Vec::as_slice)
    }
}

fn credential(one: &FederatedCredential) -> Value {
    json!({
        "name": one.name, "issuer": one.issuer, "subject": one.subject, "claimsMatchingExpression": one.claims_matching_expression,
        "audiences": one.audiences,
    })
}

fn identity(one: &Identity, users: &Users<'_>, survey: &Survey) -> Value {
    let roles = access::grants_of(&survey.azure, &one.principal_id);
    json!({
        "name": one.id.name(), "resourceGroup": one.id.group_name(), "id": one.id, "clientId": one.client_id, "principalId": one.principal_id,
        "owner": owner(&one.tags), "usedBy": users.of_identity(one).iter().map(|workload| workload.shown()).collect::<Vec<_>>(),
        "federatedCredentials": survey.azure.credentials_of(&one.id).map(|all| all.iter().map(credential).collect::<Vec<_>>()),
        "operators": operators(&one.id, survey).iter().map(|one| json!({
            "principal": one.principal, "role": one.role, "scope": one.scope, "inherited": one.is_inherited, "throughGroup": one.group,
        })).collect::<Vec<_>>(),
        "roles": roles.map(|Holder { grant, group }| json!({
            "role": access::role_name(&survey.azure, &grant.role), "scope": grant.scope, "condition": grant.condition, "throughGroup": group,
        })).collect::<Vec<_>>(),
    })
}

/// Who made a resource of Azure, as far as its tags tell it.
pub fn owner(tags: &crate::azure::Tags) -> Option<String> {
    let other = || tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(ownership::MANAGED_BY)).map(|(_, value)| value.clone());
    ownership::app(tags).map(|app| format!("podid (app {app})")).or_else(other)
}

fn reader(one: &Reader, survey: &Survey) -> Value {
    json!({
        "principal": access::shown_principal(survey, &one.principal_id), "principalId": one.principal_id, "grant": one.grant.shown(),
        "deniedBy": one.denied,
    })
}

/// A secret with its age, and never its value.
fn secret(one: &SecretInfo) -> Value {
    let date = |seconds: Option<i64>| seconds.and_then(|at| jiff::Timestamp::from_second(at).ok()).map(|at| at.to_string());
    json!({
        "name": one.name, "enabled": one.enabled, "created": date(one.created), "updated": date(one.updated), "expires": date(one.expires),
        "notBefore": date(one.not_before), "ageDays": age(one), "owner": owner(&one.tags),
    })
}

/// Days since a secret got its value.
pub fn age(secret: &SecretInfo) -> Option<i64> {
    let now = jiff::Timestamp::now().as_second();
    secret.updated.or(secret.created).map(|at| (now - at).max(0) / 86_400)
}

fn vault(one: &Vault, workloads: &[Workload], survey: &Survey) -> Value {
    let content = survey.azure.secrets.get(&one.id.name().to_ascii_lowercase());
    let uses = |workload: &&Workload| {
        let mut vaults = workload.mounts.iter().filter_map(|mount| mount.secrets.vault.as_deref());
        vaults.any(|name| name.eq_ignore_ascii_case(one.id.name()))
    };
    json!({
        "name": one.id.name(), "resourceGroup": one.id.group_name(), "id": one.id, "model": if one.rbac { "rbac" } else { "access-policy" },
        "owner": owner(&one.tags), "purgeProtection": one.purge_protection,
        "usedBy": workloads.iter().filter(uses).map(Workload::shown).collect::<Vec<_>>(),
        "readers": access::readers(survey, one, None).iter().map(|one| reader(one, survey)).collect::<Vec<_>>(),
        "secrets": content.map(|content| content.secrets.iter().map(secret).collect::<Vec<_>>()),
    })
}
