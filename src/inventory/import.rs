//! A spec for what was made by hand: what modes and deliveries read back from a cluster for `state rebuild`, here of objects without marks. What
//! is there and a spec does not have is listed. Pure.

mod fields;
mod left_out;
mod rights;

use super::workload::{Mount as Mounted, Workload};
use crate::{
    azure::{ArmId, Identity},
    chain::found::{ClusterRoles, Found, Listing},
    deliveries,
    engine::resource::Kind as _,
    modes,
    resources::{
        azure_identity::AzureIdentity,
        azure_identity_binding::AzureIdentityBinding,
        kind::Listed,
        object::Object as AnyObject,
        secret_provider_class::{Object, SecretProviderClass},
        service_account::ServiceAccount,
    },
    spec::{
        names::object_name,
        request::{Bind, Mount, Sync},
    },
    survey::{
        List, Survey,
        kinds::{AZURE_IDENTITY, AZURE_IDENTITY_BINDING, CLASS, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, SERVICE_ACCOUNT, SurveyedKind},
    },
};
use fields::{is_object, set, shown, used, words};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A spec, and what is there that it does not have.
pub struct Imported {
    pub spec: Value,
    /// Where each part was found, by its pointer in the spec.
    pub origins: BTreeMap<String, String>,
    /// A sentence for each, sorted.
    pub left_out: BTreeSet<String>,
}

/// Where the workloads are.
pub struct Place<'a> {
    pub app: &'a str,
    pub cluster: &'a ArmId,
    pub context: &'a str,
    pub namespace: Option<&'a str>,
    /// The principal as which components in the cluster act.
    pub nodes: Option<&'a str>,
}

pub fn imported(survey: &Survey, workloads: &[Workload], place: &Place<'_>) -> Imported {
    let listing = listing(survey, place.namespace);
    let cluster = survey.azure.cluster.as_ref();
    let node_group = cluster.and_then(|one| one.node_resource_group.as_deref());
    let node_group = node_group.map(|group| ArmId::group(place.cluster.subscription_id(), group));
    let roles = ClusterRoles {
        azure: &survey.azure,
        nodes: place.nodes,
        control_plane: cluster.and_then(|one| one.control_plane_principal_id.as_deref()),
        node_group: node_group.as_ref(),
    };
    let found = Found {
        app: place.app,
        objects: &listing,
        identities: &survey.azure.identities.items,
        vaults: &survey.azure.vaults.items,
        assignments: &[],
        anyones: Some(roles),
    };
    let binds: Vec<Bind> = modes::all().flat_map(|mode| mode.found(&found)).collect();
    let mounts: Vec<Mount> = deliveries::all().flat_map(|delivery| delivery.found(&found)).collect();
    let mut import = Import {
        survey,
        workloads,
        place,
        mounts: &mounts,
        made: Vec::new(),
        left_out: BTreeSet::new(),
        vaults: BTreeMap::new(),
        classes: BTreeSet::new(),
        names: BTreeSet::new(),
        identities: BTreeSet::new(),
    };
    for (bind, served) in import.distinct(&binds) {
        import.bound(bind, &served);
    }
    import.others(&binds);
    import.finish()
}

fn listing(survey: &Survey, namespace: Option<&str>) -> Listing {
    let of = |kind: &SurveyedKind| -> Vec<Listed> {
        let within = |one: &Value| one.pointer("/metadata/namespace").is_none_or(|own| namespace.is_none_or(|wanted| own == wanted));
        let meant = survey.cluster.of_kind(kind).iter().filter(|one| within(one));
        meant.map(|one| Listed { app: None, actual: with_kind(one, kind) }).collect()
    };
    let mut listing = Listing::default();
    listing.add(AzureIdentity::KIND, of(&AZURE_IDENTITY));
    listing.add(AzureIdentityBinding::KIND, of(&AZURE_IDENTITY_BINDING));
    listing.add(ServiceAccount::KIND, of(&SERVICE_ACCOUNT));
    listing.add(SecretProviderClass::KIND, of(&CLASS));
    listing.add(AnyObject::KIND, of(&CLUSTER_ROLE).into_iter().chain(of(&CLUSTER_ROLE_BINDING)).collect());
    listing
}

/// Objects of a list do not say of which kind they are.
fn with_kind(object: &Value, kind: &SurveyedKind) -> Value {
    let mut object = object.clone();
    object["kind"] = json!(kind.kind);
    object
}

/// A workload of the spec.
struct Made {
    fields: Map<String, Value>,
    origin: String,
}

struct Import<'a> {
    survey: &'a Survey,
    workloads: &'a [Workload],
    place: &'a Place<'a>,
    mounts: &'a [Mount],
    made: Vec<Made>,
    left_out: BTreeSet<String>,
    /// Names of vaults, each with the first that reads it.
    vaults: BTreeMap<String, String>,
    /// `NAMESPACE/NAME` of the classes that a workload of the spec has.
    classes: BTreeSet<String>,
    /// Names of the workloads of the spec.
    names: BTreeSet<String>,
    /// The identities whose roles a workload of the spec has, in lower case.
    identities: BTreeSet<String>,
}

/// What one workload of the spec reads.
enum Source<'a> {
    Class(&'a Mount),
    /// The pod template itself says it.
    Template(&'a Mounted),
    Nothing,
}

impl<'a> Import<'a> {
    fn identity(&self, bind: &Bind) -> Option<&'a Identity> {
        let wanted = bind.identity.as_ref()?;
        self.survey.azure.identities.iter().find(|one| one.id.as_str().eq_ignore_ascii_case(&wanted.to_string()))
    }

    /// The workloads whose pods a binding serves.
    fn served(&self, bind: &Bind) -> Vec<&'a Workload> {
        let Some(identity) = self.identity(bind) else { return Vec::new() };
        let words = words(bind);
        let by = |workload: &&Workload| {
            workload.all_identities().any(|one| {
                let is_it = one.identity.found(self.survey).is_some_and(|found| found.id == identity.id);
                bind.mode.as_deref() == Some(one.mode) && is_it && one.edges.iter().any(|edge| words.contains(&edge.to.name))
            })
        };
        self.workloads.iter().filter(|workload| workload.namespace == bind.namespace).filter(by).collect()
    }

    /// The bindings in a stable order. Where two modes could bind the same account, the one counts by which pods get tokens, or else the later
    /// one, which asks for more than an annotation.
    fn distinct<'b>(&self, binds: &'b [Bind]) -> Vec<(&'b Bind, Vec<&'a Workload>)> {
        let mut all: Vec<(&Bind, Vec<&Workload>)> = binds.iter().map(|bind| (bind, self.served(bind))).collect();
        let rival = |one: &Bind, other: &Bind| one.mode != other.mode && words(one).intersection(&words(other)).next().is_some();
        let mut at = 0;
        while let Some((bind, served)) = all.get(at) {
            let others = || all.iter().enumerate().filter(|(place, (other, _))| *place != at && rival(bind, other));
            let is_beaten = served.is_empty() && others().any(|(place, (_, served))| !served.is_empty() || place > at);
            if is_beaten {
                drop(all.remove(at));
            } else {
                at += 1;
            }
        }
        all.sort_by_key(|(bind, _)| (bind.namespace.clone(), words(bind), bind.mode.clone()));
        all
    }

    fn bound(&mut self, bind: &Bind, served: &[&'a Workload]) {
        let Some(named) = bind.identity.as_ref() else { return };
        let Some(identity) = self.identity(bind) else {
            let what = words(bind).into_iter().next().unwrap_or_else(|| bind.namespace.clone());
            let why = unread(&self.survey.azure.identities).unwrap_or_else(|| "is not in the subscription".to_owned());
            self.left_out.insert(format!("{what}: its identity {named} {why}"));
            return;
        };
        let is_its = |mounted: &&'a Mounted| {
            mounted.identities().iter().any(|one| one.identity.found(self.survey).is_some_and(|found| found.id == identity.id))
        };
        let mounted: Vec<&'a Mounted> = served.iter().flat_map(|workload| &workload.mounts).filter(is_its).collect();
        for source in self.sources(&mounted) {
            self.workload(bind, identity, served, &source);
        }
    }

    /// A class makes a workload of the spec, and so does each vault of which pod templates speak.
    fn sources(&mut self, mounted: &[&'a Mounted]) -> Vec<Source<'a>> {
        let mut sources = Vec::new();
        let mut known: BTreeSet<(&str, Option<&str>)> = BTreeSet::new();
        for one in mounted {
            let Some(class) = &one.secrets.through else {
                if known.insert((one.secrets.delivery, one.secrets.vault.as_deref())) && one.secrets.vault.is_some() {
                    sources.push(Source::Template(one));
                }
                continue;
            };
            let named = |mount: &Mount| class.name == format!("{}/{}", mount.namespace, mount.name);
            let Some(mount) = self.mounts.iter().find(|mount| named(mount)) else { continue };
            if self.classes.insert(class.name.clone()) {
                sources.push(Source::Class(mount));
            } else if !sources.iter().any(|one| matches!(one, Source::Class(other) if named(other))) {
                self.left_out.insert(format!(
                    "SecretProviderClass {}: another identity mounts it, too, and a class belongs to one workload of a spec",
                    class.name
                ));
            }
        }
        if sources.is_empty() { vec![Source::Nothing] } else { sources }
    }

    fn workload(&mut self, bind: &Bind, identity: &Identity, served: &[&'a Workload], source: &Source<'a>) {
        let own: Vec<&Workload> = served.iter().copied().filter(|workload| reads(workload, source)).collect();
        let own = if own.is_empty() { served } else { &own };
        let class = if let Source::Class(mount) = source { Some(mount.name.as_str()) } else { None };
        let name = self.name(&bind.namespace, own.first().map(|workload| workload.name.as_str()), class, identity.id.name());
        let mut workload = Map::new();
        workload.insert("name".into(), json!(name));
        workload.insert("namespace".into(), json!(bind.namespace));
        workload.insert("mode".into(), json!(bind.mode));
        workload.insert("identity".into(), json!({ "name": self.short(&identity.id) }));
        for (path, value) in bind.settings.iter() {
            set(&mut workload, path, value);
        }
        let vault = match source {
            Source::Class(mount) => {
                if class != Some(name.as_str()) {
                    set(&mut workload, "names.secretProviderClass", &mount.name);
                }
                let vault = mount.vault.as_ref().map(|vault| vault.name().to_owned()).unwrap_or_default();
                workload.insert("secrets".into(), self.secrets(mount, &vault));
                Some(vault)
            }
            Source::Template(mounted) => {
                workload.insert("delivery".into(), json!(mounted.secrets.delivery));
                let vault = mounted.secrets.vault.clone().unwrap_or_default();
                let mut objects = mounted.secrets.objects.clone();
                if objects.is_empty() {
                    objects = self.all_of(&vault);
                    let instead = if objects.is_empty() { "" } else { ", so the spec has all that the vault holds" };
                    self.left_out.insert(format!("which secrets of {vault} {name} reads: only the app knows them{instead}"));
                }
                if !objects.is_empty() {
                    let secrets: Vec<Value> = objects.iter().map(|object| used(object, &vault, &[])).collect();
                    workload.insert("secrets".into(), Value::Array(secrets));
                }
                Some(vault)
            }
            Source::Nothing => {
                self.unused_rights(identity);
                None
            }
        };
        let mut origin: Vec<String> = own.iter().map(|workload| workload.shown()).collect();
        origin.extend(bind.settings.iter().filter(|(path, _)| is_object(path)).map(|(path, value)| shown(path, &bind.namespace, value)));
        origin.extend(class.map(|class| format!("SecretProviderClass {}/{class}", bind.namespace)));
        let origin = origin.join(", ");
        if let Some(vault) = vault {
            self.rights(&mut workload, identity, &vault);
            let last = class.map_or_else(
                || own.iter().map(|one| one.shown()).collect::<Vec<_>>().join(", "),
                |class| format!("SecretProviderClass {}/{class}", bind.namespace),
            );
            self.vaults.entry(vault).or_insert(last);
        }
        self.roles(&mut workload, identity);
        self.made.push(Made { fields: workload, origin });
    }

    /// The secrets of a vault; none where there are too many for a spec that somebody is to read.
    fn all_of(&self, vault: &str) -> Vec<Object> {
        const MOST: usize = 20;
        let content = self.survey.azure.secrets.get(&vault.to_ascii_lowercase());
        let enabled = content.into_iter().flat_map(|content| content.secrets.iter()).filter(|secret| secret.enabled);
        let mut all: Vec<Object> = enabled.map(|secret| Object { name: secret.name.clone(), ..Object::default() }).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        if all.len() > MOST { Vec::new() } else { all }
    }

    /// A name that no other workload of the spec has.
    fn name(&mut self, namespace: &str, workload: Option<&str>, class: Option<&str>, identity: &str) -> String {
        let first = workload.or(class).unwrap_or(identity);
        let tried = [Some(first.to_owned()), class.map(str::to_owned), Some(format!("{first}-{namespace}"))];
        let further = (2..).map(|n| format!("{first}-{namespace}-{n}"));
        let mut all = tried.into_iter().flatten().chain(further).map(|name| object_name(&name));
        let name = all.find(|name| !self.names.contains(name)).unwrap_or_default();
        self.names.insert(name.clone());
        name
    }

    /// An id as a spec writes it: the name alone in the spec's own resource group.
    fn short(&self, id: &ArmId) -> String {
        let own = |id: &ArmId| (id.subscription_id().to_ascii_lowercase(), id.group_name().map(str::to_ascii_lowercase));
        if own(id) == own(self.place.cluster) { id.name().to_owned() } else { id.to_string() }
    }

    fn secrets(&mut self, mount: &Mount, vault: &str) -> Value {
        let mut all = Vec::new();
        for object in &mount.secrets {
            let synced: Vec<&Sync> = mount.sync.iter().filter(|sync| sync.alias == object.file()).collect();
            for further in synced.iter().skip(1) {
                let (namespace, name) = (&mount.namespace, &mount.name);
                let what = format!("key {} of the Secret {}: in a spec {} is synced once", further.key, further.secret, object.name);
                self.left_out.insert(format!("SecretProviderClass {namespace}/{name}, {what}"));
            }
            all.push(used(object, vault, &synced));
        }
        Value::Array(all)
    }

    fn finish(mut self) -> Imported {
        let mut origins = BTreeMap::new();
        let mut vaults: Vec<Value> = Vec::new();
        for (name, origin) in &self.vaults {
            let Some(vault) = self.survey.azure.vault(name) else { continue };
            origins.insert(format!("/vaults/{}", vaults.len()), origin.clone());
            vaults.push(json!({ "name": self.short(&vault.id), "model": if vault.rbac { "rbac" } else { "access-policy" } }));
        }
        let (place, components) = (self.place, self.components());
        let mut cluster = json!({ "name": place.cluster.name() });
        if place.context != place.cluster.name() {
            cluster["context"] = json!(place.context);
        }
        if !components.is_empty() {
            cluster["components"] = json!(components.keys().collect::<Vec<_>>());
            origins.insert("/cluster".into(), components.values().cloned().collect::<Vec<_>>().join(", "));
        }
        let mut spec = json!({
            "apiVersion": crate::spec::model::API_VERSION, "kind": crate::spec::model::KIND, "metadata": { "name": place.app },
            "subscription": place.cluster.subscription_id(), "resourceGroup": place.cluster.group_name(), "cluster": cluster,
        });
        let several = vaults.len() > 1;
        if !vaults.is_empty() {
            spec["vaults"] = Value::Array(vaults);
        }
        for used in self.made.iter_mut().filter_map(|made| made.fields.get_mut("secrets")).filter_map(Value::as_array_mut).flatten() {
            if let Some(used) = used.as_object_mut().filter(|_| !several) {
                used.shift_remove("vault");
            }
        }
        let mut workloads = Vec::new();
        for Made { fields, origin } in self.made {
            origins.insert(format!("/workloads/{}", workloads.len()), origin);
            workloads.push(Value::Object(fields));
        }
        spec["workloads"] = Value::Array(workloads);
        Imported { spec, origins, left_out: self.left_out }
    }
}

/// Why it is not known whether a list has something; None: the list is whole.
fn unread<T>(list: &List<T>) -> Option<String> {
    list.gap.as_ref().map(|gap| format!("is not known: the {} could not be read", gap.what))
}

fn reads(workload: &Workload, source: &Source<'_>) -> bool {
    workload.mounts.iter().any(|mounted| match source {
        Source::Class(mount) => {
            mounted.secrets.through.as_ref().is_some_and(|class| class.name == format!("{}/{}", mount.namespace, mount.name))
        }
        Source::Template(other) => {
            mounted.secrets.through.is_none()
                && (mounted.secrets.delivery, &mounted.secrets.vault) == (other.secrets.delivery, &other.secrets.vault)
        }
        Source::Nothing => false,
    })
}
