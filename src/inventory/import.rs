//! A spec for what was made by hand: what modes and deliveries read back from a cluster for `state rebuild`, here of objects without marks.

use super::workload::{Mount as Mounted, Token, Workload};
use crate::{
    azure::{ArmId, RoleAssignment},
    chain::{
        found::{Found, Listing},
        texts::field,
    },
    deliveries,
    engine::resource::Kind as _,
    modes,
    resources::{
        azure_identity::AzureIdentity,
        azure_identity_binding::AzureIdentityBinding,
        kind::Listed,
        secret_provider_class::{Object, SecretProviderClass},
        service_account::ServiceAccount,
    },
    spec::request::{Bind, Mount, Sync},
    survey::{
        Survey,
        kinds::{AZURE_IDENTITY, AZURE_IDENTITY_BINDING, CLASS, EXCEPTION, SERVICE_ACCOUNT, SurveyedKind},
    },
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A spec, and what is there that it does not have: a sentence for each.
pub struct Imported {
    pub spec: Value,
    pub left_out: Vec<String>,
}

/// Where the workloads are.
pub struct Place<'a> {
    pub app: &'a str,
    pub cluster: &'a ArmId,
    pub context: &'a str,
    pub namespace: Option<&'a str>,
}

pub fn imported(survey: &Survey, workloads: &[Workload], place: &Place<'_>) -> Imported {
    let listing = listing(survey, place.namespace);
    let assignments = assignments(survey);
    let found = Found {
        app: place.app,
        objects: &listing,
        identities: &survey.azure.identities.items,
        vaults: &survey.azure.vaults.items,
        assignments: &assignments,
        anyones: true,
    };
    let binds: Vec<Bind> = modes::all().flat_map(|mode| mode.found(&found)).collect();
    let mounts: Vec<Mount> = deliveries::all().flat_map(|delivery| delivery.found(&found)).collect();
    let mut import = Import {
        survey,
        workloads,
        mounts: &mounts,
        made: Vec::new(),
        left_out: Vec::new(),
        vaults: BTreeSet::new(),
        classes: BTreeSet::new(),
    };
    for bind in &binds {
        import.bound(bind);
    }
    import.others(place.namespace);
    import.finish(place)
}

fn listing(survey: &Survey, namespace: Option<&str>) -> Listing {
    let of = |kind: &SurveyedKind| -> Vec<Listed> {
        let meant = survey.cluster.of_kind(kind).iter().filter(|one| namespace.is_none_or(|own| field(one, "/metadata/namespace") == own));
        meant.map(|one| Listed { app: None, actual: one.clone() }).collect()
    };
    let mut listing = Listing::default();
    listing.add(AzureIdentity::KIND, of(&AZURE_IDENTITY));
    listing.add(AzureIdentityBinding::KIND, of(&AZURE_IDENTITY_BINDING));
    listing.add(ServiceAccount::KIND, of(&SERVICE_ACCOUNT));
    listing.add(SecretProviderClass::KIND, of(&CLASS));
    listing
}

/// The roles of the cluster itself: those of others do not serve its bindings.
fn assignments(survey: &Survey) -> Vec<RoleAssignment> {
    let cluster = survey.azure.cluster.as_ref();
    let own: Vec<&String> = cluster
        .map(|cluster| cluster.kubelet.iter().map(|kubelet| &kubelet.object_id).chain(&cluster.control_plane_principal_id).collect())
        .unwrap_or_default();
    // the object id of a service principal is not in the cluster's document
    let all = cluster.is_none_or(|cluster| cluster.service_principal_client_id.is_some());
    let is_own = |principal: &str| all || own.iter().any(|id| id.eq_ignore_ascii_case(principal));
    let of_cluster = survey.azure.grants.iter().filter(|grant| is_own(&grant.principal_id));
    of_cluster
        .filter_map(|grant| {
            Some(RoleAssignment {
                id: grant.id.clone(),
                name: grant.id.rsplit('/').next().unwrap_or_default().to_owned(),
                scope: ArmId::parse(&grant.scope)?,
                role_definition_id: grant.role.clone(),
                principal_id: grant.principal_id.clone(),
                principal_kind: grant.principal_kind.clone(),
                description: grant.description.clone(),
                condition: grant.condition.clone(),
                created_on: None,
            })
        })
        .collect()
}

struct Import<'a> {
    survey: &'a Survey,
    workloads: &'a [Workload],
    mounts: &'a [Mount],
    made: Vec<Value>,
    left_out: Vec<String>,
    vaults: BTreeSet<String>,
    /// `NAMESPACE/NAME` of the classes that a workload of the spec has.
    classes: BTreeSet<String>,
}

impl<'a> Import<'a> {
    /// The workloads whose pods a binding serves, each with the mode by which.
    fn served(&self, bind: &Bind) -> Vec<(&'a Workload, &'static str)> {
        let id = bind.identity.as_ref().map(|identity| identity.name().to_owned()).unwrap_or_default();
        let words: Vec<String> = bind.settings.iter().map(|(_, value)| format!("{}/{value}", bind.namespace)).collect();
        let by = |workload: &'a Workload| {
            let mut all = workload.all_identities();
            let found = all.find(|one| {
                let is_it = one.identity.found(self.survey).is_some_and(|found| found.id.name().eq_ignore_ascii_case(&id));
                is_it && one.edges.iter().any(|edge| words.contains(&edge.to.name))
            });
            found.map(|one| (workload, one.mode))
        };
        self.workloads.iter().filter(|workload| workload.namespace == bind.namespace).filter_map(by).collect()
    }

    fn bound(&mut self, bind: &Bind) {
        let served = self.served(bind);
        let mode = served.first().map(|(_, mode)| *mode).or(bind.mode.as_deref()).unwrap_or_default().to_owned();
        let Some(identity) = bind.identity.as_ref() else { return };
        let mounted: Vec<&Mounted> = served.iter().flat_map(|(workload, _)| &workload.mounts).collect();
        let class = |mounted: &&&Mounted| mounted.secrets.through.as_ref().map(|node| node.name.clone());
        let names: BTreeSet<String> = mounted.iter().filter_map(|one| class(&one)).collect();
        let classes: Vec<&Mount> =
            self.mounts.iter().filter(|mount| names.contains(&format!("{}/{}", mount.namespace, mount.name))).collect();
        let mut workload = Map::new();
        let fallback = served.first().map_or_else(|| identity.name().to_owned(), |(workload, _)| workload.name.clone());
        let name = classes.first().map_or(fallback, |mount| mount.name.clone());
        workload.insert("name".into(), json!(crate::spec::names::object_name(&name)));
        workload.insert("namespace".into(), json!(bind.namespace));
        workload.insert("mode".into(), json!(mode));
        workload.insert("identity".into(), json!({ "name": identity.to_string() }));
        for (path, value) in bind.settings.iter() {
            set(&mut workload, path, value);
        }
        match classes.split_first() {
            Some((first, others)) => {
                workload.insert("secrets".into(), self.secrets(first));
                for other in others {
                    self.left_out.push(format!(
                        "SecretProviderClass {}/{}: a workload of a spec has one, and {name} has another",
                        other.namespace, other.name
                    ));
                }
                self.classes.extend(classes.iter().map(|mount| format!("{}/{}", mount.namespace, mount.name)));
            }
            None => self.without_class(&mut workload, &mounted, &name),
        }
        self.made.push(Value::Object(workload));
    }

    /// What the pod template itself says of secrets.
    fn without_class(&mut self, workload: &mut Map<String, Value>, mounted: &[&Mounted], name: &str) {
        let Some(first) = mounted.iter().find(|one| one.secrets.through.is_none()) else { return };
        workload.insert("delivery".into(), json!(first.secrets.delivery));
        let Some(vault) = &first.secrets.vault else { return };
        self.vaults.insert(vault.clone());
        let secrets: Vec<Value> = first.secrets.objects.iter().map(|object| used(object, vault, &[])).collect();
        if secrets.is_empty() {
            self.left_out.push(format!("the secrets of {vault} that {name} reads: only the app knows them"));
        } else {
            workload.insert("secrets".into(), Value::Array(secrets));
        }
    }

    fn secrets(&mut self, mount: &Mount) -> Value {
        let vault = mount.vault.as_ref().map(|vault| vault.name().to_owned()).unwrap_or_default();
        self.vaults.insert(vault.clone());
        let mut all = Vec::new();
        for object in &mount.secrets {
            let synced: Vec<&Sync> = mount.sync.iter().filter(|sync| sync.alias == object.file()).collect();
            for further in synced.iter().skip(1) {
                let (namespace, name) = (&mount.namespace, &mount.name);
                let what = format!("key {} of the Secret {}: in the spec {} is synced once", further.key, further.secret, object.name);
                self.left_out.push(format!("SecretProviderClass {namespace}/{name}, {what}"));
            }
            all.push(used(object, &vault, &synced));
        }
        Value::Array(all)
    }

    /// What no binding leads to.
    fn others(&mut self, namespace: Option<&str>) {
        let is_meant = |own: &str| namespace.is_none_or(|wanted| wanted == own);
        for mount in self.mounts.iter().filter(|mount| !self.classes.contains(&format!("{}/{}", mount.namespace, mount.name))) {
            self.left_out
                .push(format!("SecretProviderClass {}/{}: no workload mounts it as a bound identity", mount.namespace, mount.name));
        }
        for one in self.survey.cluster.of_kind(&CLASS).iter().filter(|one| is_meant(field(one, "/metadata/namespace"))) {
            let (within, name) = (field(one, "/metadata/namespace"), field(one, "/metadata/name"));
            if !self.mounts.iter().any(|mount| mount.namespace == within && mount.name == name) {
                let why = format!(
                    "its vault {:?} is not in the subscription, or it is not of the provider azure",
                    field(one, "/spec/parameters/keyvaultName")
                );
                self.left_out.push(format!("SecretProviderClass {within}/{name}: {why}"));
            }
        }
        for one in self.survey.cluster.of_kind(&EXCEPTION).iter().filter(|one| is_meant(field(one, "/metadata/namespace"))) {
            let (within, name) = (field(one, "/metadata/namespace"), field(one, "/metadata/name"));
            self.left_out.push(format!("AzurePodIdentityException {within}/{name}: `podid exception` handles these"));
        }
        for workload in self.workloads {
            for mount in &workload.mounts {
                let how = match mount.token {
                    Token::Node(_) => "as an identity of its node",
                    Token::Password => "as a service principal",
                    Token::Identities(_) | Token::Unknown => continue,
                };
                self.left_out.push(format!("{} reads its secrets {how}, which is none of podid's modes", workload.shown()));
            }
        }
    }

    fn finish(mut self, place: &Place<'_>) -> Imported {
        let vaults: Vec<Value> = self
            .vaults
            .iter()
            .filter_map(|name| self.survey.azure.vault(name))
            .map(|vault| json!({ "name": vault.id.to_string(), "model": if vault.rbac { "rbac" } else { "access-policy" } }))
            .collect();
        let mut cluster = json!({ "name": place.cluster.to_string() });
        if place.context != place.cluster.name() {
            cluster["context"] = json!(place.context);
        }
        let mut spec = json!({
            "apiVersion": crate::spec::model::API_VERSION, "kind": crate::spec::model::KIND, "metadata": { "name": place.app },
            "subscription": place.cluster.subscription_id(), "resourceGroup": place.cluster.group_name(), "cluster": cluster,
        });
        if !vaults.is_empty() {
            spec["vaults"] = Value::Array(vaults);
        }
        let several = self.vaults.len() > 1;
        for used in self.made.iter_mut().filter_map(|workload| workload.get_mut("secrets")).filter_map(Value::as_array_mut).flatten() {
            if let Some(used) = used.as_object_mut().filter(|_| !several) {
                used.remove("vault");
            }
        }
        spec["workloads"] = Value::Array(self.made);
        Imported { spec, left_out: self.left_out }
    }
}

/// A secret as a workload of a spec uses it; only what is not a default.
fn used(object: &Object, vault: &str, synced: &[&Sync]) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    };
    add("name", Some(&object.name));
    add("vault", Some(vault));
    add("type", Some(object.kind.word()).filter(|_| !object.kind.is_secret()));
    add("alias", object.alias.as_deref());
    add("version", object.version.as_deref());
    add("encoding", object.encoding.as_deref());
    add("format", object.format.as_deref());
    add("filePermission", object.permission.as_deref());
    if let Some(sync) = synced.first() {
        let mut own = json!({ "secret": sync.secret, "key": sync.key });
        if let Some(of_type) = &sync.of_type {
            own["type"] = json!(of_type);
        }
        fields.insert("sync".to_owned(), own);
    }
    Value::Object(fields)
}

/// Sets a field by its path, such as `names.azureIdentity`.
fn set(fields: &mut Map<String, Value>, path: &str, value: &str) {
    match path.split_once('.') {
        None => drop(fields.insert(path.to_owned(), json!(value))),
        Some((head, rest)) => {
            let inner = fields.entry(head.to_owned()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                set(inner, rest, value);
            }
        }
    }
}
