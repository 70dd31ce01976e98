//! `podid cluster rbac`: the Roles that the chosen commands need, from the tables beside the code that sends the requests. Asks nobody.

mod grants;
mod render;

use crate::{
    apps,
    azure::ArmId,
    cli::{Format, Global, Rbac, cluster::RbacCommand},
    deliveries::{self, Delivery},
    doctor,
    engine::{nodes::Nodes, resource::Kind},
    exit::Exit,
    failure::Failure,
    modes::{self, Mode},
    output::{Terminal, json},
    proof,
    resources::{
        self, Cloud,
        access::{Access, Reach, Right},
        kind::{Resource, spec_of},
        namespace::Namespace,
        secret_provider_class::SecretProviderClass,
    },
    rotation,
    spec::{
        expand,
        known::{ClusterRef, KnownResources},
        load::{self, Loaded},
    },
    survey::rights::{self, AzureRead},
};
use grants::{Places, granted};
use render::{documents, objects, preface, rows};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub fn rbac(terminal: &Terminal, global: &Global, asked: &Rbac) -> Result<Exit, Failure> {
    let loaded = loaded(asked)?;
    let nodes = loaded.as_ref().map(nodes).transpose()?.unwrap_or_default();
    let mut places = loaded.as_ref().map(|loaded| places(loaded, &nodes)).unwrap_or_default();
    for namespace in &asked.namespaces {
        places.entry(namespace.clone()).or_default();
    }
    // one that looks at several namespaces lists them all at once
    let is_wide = asked.commands.iter().any(|command| command.looks()) && places.len() != 1;
    if places.is_empty() && !is_wide {
        return Err(Failure::new(Exit::Usage, "the spec has no workloads, so there is no namespace").hint("Name one with `--namespace`."));
    }
    let used = Used::of(asked, loaded.as_ref())?;
    let app = global.app.clone().or_else(|| loaded.map(|l| l.spec.metadata.name));
    let name = asked.name.clone().unwrap_or_else(|| app.map_or_else(|| "podid".to_owned(), |app| format!("podid-{app}")));
    let needs: Vec<Right> = needs(asked, &used, &nodes)?;
    let looked: Vec<Right> = looks(asked, &used).into_iter().map(|right| if is_wide { everywhere(right) } else { right }).collect();
    let granted = granted(asked, &places, &[needs, looked].concat());
    let azure: &[&AzureRead] = if asked.commands.iter().any(|command| command.looks()) { rights::AZURE } else { &[] };
    let format = if asked.as_yaml { Format::Yaml } else { global.output };
    let text = match format {
        Format::Table => {
            let mut text = rows(&granted, terminal.width);
            text.append(render::azure(azure, ""));
            text
        }
        Format::Json => {
            let mut list = json!({ "apiVersion": "v1", "kind": "List", "items": objects(asked, &name, &granted) });
            if !azure.is_empty() {
                list["azure"] = render::azure_document(azure);
            }
            json::text(&list)
        }
        Format::Yaml => {
            let mut text = preface(asked, &granted);
            text.append(render::azure(azure, "# "));
            text.append(documents(&objects(asked, &name, &granted)));
            text
        }
    };
    terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, "could not write the answer").because(e.to_string()))?;
    Ok(Exit::Done)
}

/// The modes and deliveries that the commands use.
struct Used {
    modes: Vec<&'static dyn Mode>,
    deliveries: Vec<&'static dyn Delivery>,
}

impl Used {
    /// Those of the flags, or else of the spec's workloads, or else the default ones.
    fn of(asked: &Rbac, loaded: Option<&Loaded>) -> Result<Self, Failure> {
        let failed = |fault| Failure::from(&fault);
        let mut names: Vec<Option<&str>> = asked.modes.iter().map(|name| Some(name.as_str())).collect();
        if names.is_empty() {
            names.extend(loaded.iter().flat_map(|loaded| &loaded.spec.workloads).map(|workload| workload.mode.as_deref()));
        }
        if names.is_empty() {
            names.push(None);
        }
        let mut used: Vec<&'static dyn Mode> = Vec::new();
        for name in names {
            let mode = modes::named(name).map_err(failed)?;
            if !used.iter().any(|other| other.name() == mode.name()) {
                used.push(mode);
            }
        }
        let mut names: Vec<Option<&str>> =
            loaded.iter().flat_map(|loaded| &loaded.spec.workloads).map(|workload| workload.delivery.as_deref()).collect();
        // a single command mounts in the default way
        if names.is_empty() || asked.commands.contains(&RbacCommand::Mount) {
            names.push(None);
        }
        let mut brings: Vec<&'static dyn Delivery> = Vec::new();
        for name in names {
            let delivery = deliveries::named(name).map_err(failed)?;
            if !brings.iter().any(|other| other.name() == delivery.name()) {
                brings.push(delivery);
            }
        }
        Ok(Self { modes: used, deliveries: brings })
    }

    /// What access to the objects of the modes needs.
    fn bound(&self, access: Access) -> impl Iterator<Item = Right> {
        self.modes.iter().flat_map(|mode| mode.kinds()).flat_map(move |kind| resources::access(kind, access))
    }

    /// What access to the objects of the deliveries needs.
    fn delivered(&self, access: Access) -> impl Iterator<Item = Right> {
        self.deliveries.iter().flat_map(|delivery| delivery.kinds()).flat_map(move |kind| resources::access(kind, access))
    }

    /// What access to all objects needs that the modes, the deliveries and the spec may make, beside namespaces.
    fn all(&self, nodes: &Nodes, access: Access) -> Vec<Right> {
        let mut kinds: BTreeSet<&str> = self.modes.iter().flat_map(|mode| mode.kinds()).copied().collect();
        kinds.extend(self.deliveries.iter().flat_map(|delivery| delivery.kinds()));
        kinds.extend(nodes.values().map(|node| node.kind.as_str()));
        // in the order of the table
        let used = resources::all().filter(|kind| kinds.contains(kind.kind()) && kind.kind() != <Namespace as Kind<Cloud>>::KIND);
        used.flat_map(|kind| kind.access(access)).collect()
    }
}

fn loaded(asked: &Rbac) -> Result<Option<Loaded>, Failure> {
    let default = Path::new(crate::cli::DEFAULT_SPEC);
    match &asked.file {
        Some(file) => Ok(Some(load::load(file)?)),
        // what only looks is meant for the whole cluster, unless a namespace is named
        None if !asked.namespaces.is_empty() || asked.commands.iter().all(|command| command.looks() && *command != RbacCommand::All) => {
            Ok(None)
        }
        None if default.exists() => Ok(Some(load::load(default)?)),
        None => Err(Failure::new(Exit::Usage, "no namespace given").hint("Name them with `--namespace`, or the spec with `-f SPEC`.")),
    }
}

/// The spec's own expansion says where things lie; the cluster and the groups do not matter for that.
fn nodes(loaded: &Loaded) -> Result<Nodes, Failure> {
    let subscription = "00000000-0000-0000-0000-000000000000";
    let id = ArmId::resource(subscription, "any", crate::azure::id::CLUSTER, "any");
    let cluster = ClusterRef { id, context: String::new(), principal_id: None, issuer: None };
    let memory = KnownResources::default();
    let context = expand::Context {
        app: &loaded.spec.metadata.name,
        subscription,
        group: None,
        default_group: loaded.spec.resource_group.as_deref().or(Some("any")),
        location: loaded.spec.location.as_deref(),
        cluster: Some(&cluster),
        other_clusters: &[],
        memory: &memory,
        bound: &[],
        modes: &[],
    };
    Ok(expand::spec(&loaded.spec, &context).map_err(|fault| Failure::from(&fault))?.nodes)
}

fn places(loaded: &Loaded, nodes: &Nodes) -> Places {
    let mut places = Places::new();
    for workload in &loaded.spec.workloads {
        places.entry(workload.namespace.clone()).or_default().classes.get_or_insert_default();
    }
    for class in nodes.values().filter_map(|n| spec_of::<SecretProviderClass>(&n.kind, &n.spec)) {
        places.entry(class.namespace.clone()).or_default().classes.get_or_insert_default().push(class);
    }
    places
}

fn needs(asked: &Rbac, used: &Used, nodes: &Nodes) -> Result<Vec<Right>, Failure> {
    // of namespaces that are somebody else's podid only sees whether they are there
    let namespace = |access| <Namespace as Resource>::access(if asked.make_namespaces { access } else { Access::Read });
    let emptied = || resources::all().filter(|_| asked.make_namespaces).flat_map(|kind| kind.access(Access::Content));
    let mut own = BTreeMap::new();
    for access in [Access::Read, Access::Write, Access::Delete] {
        own.insert(access, own_access(nodes, access)?);
    }
    let own = |access| own.get(&access).into_iter().flatten().cloned();
    let mut needs = Vec::new();
    for command in &asked.commands() {
        match command {
            // see `looks`
            RbacCommand::Doctor | RbacCommand::Inventory | RbacCommand::All => {}
            RbacCommand::Plan | RbacCommand::Status => {
                needs.extend(namespace(Access::Read));
                needs.extend(used.all(nodes, Access::Read));
                needs.extend(own(Access::Read));
            }
            RbacCommand::Diff => {
                needs.extend(namespace(Access::Write));
                needs.extend(used.all(nodes, Access::Write));
                needs.extend(own(Access::Write));
            }
            RbacCommand::Up => {
                needs.extend(namespace(Access::Write));
                needs.extend(used.all(nodes, Access::Write));
                // what the spec no longer names goes
                needs.extend(used.all(nodes, Access::Delete));
                needs.extend(own(Access::Write).chain(own(Access::Delete)));
            }
            RbacCommand::Down => {
                needs.extend(namespace(Access::Delete));
                needs.extend(emptied());
                needs.extend(used.all(nodes, Access::Delete));
                needs.extend(own(Access::Delete));
            }
            RbacCommand::Bind => {
                needs.extend(namespace(Access::Write));
                needs.extend(used.bound(Access::Write));
            }
            RbacCommand::Unbind => {
                needs.extend(namespace(Access::Delete));
                needs.extend(emptied());
                needs.extend(used.bound(Access::Delete));
            }
            RbacCommand::Mount => {
                needs.extend(<Namespace as Resource>::access(Access::Read));
                needs.extend(used.delivered(Access::Write));
                needs.extend(used.delivered(Access::Delete));
            }
            RbacCommand::Keep => {
                needs.extend(<Namespace as Resource>::access(Access::Read));
                needs.extend(apps::rights::keep());
            }
            RbacCommand::Deploy => {
                needs.extend(<Namespace as Resource>::access(Access::Read));
                needs.extend(apps::rights::deploy());
            }
            RbacCommand::Wire => {
                needs.extend(<Namespace as Resource>::access(Access::Read));
                needs.extend(apps::rights::wire());
            }
            RbacCommand::Rotate => needs.extend(rotation::rights()),
            RbacCommand::Verify => {
                needs.extend(proof::rights(&used.modes, &used.deliveries));
            }
            RbacCommand::Probe => needs.extend(proof::probe_rights(&used.modes)),
            RbacCommand::Rebuild => {
                // it looks for the objects of all modes and deliveries
                needs.extend(resources::all().flat_map(|kind| kind.access(Access::Read).into_iter().chain(kind.access(Access::List))));
            }
        }
    }
    Ok(needs)
}

/// What the commands need that look at all that is there, whoever made it.
fn looks(asked: &Rbac, used: &Used) -> Vec<Right> {
    let mut needs = Vec::new();
    let commands = asked.commands();
    if commands.iter().any(|command| command.looks()) {
        needs.extend(rights::rights());
    }
    if commands.contains(&RbacCommand::Doctor) {
        // a workload that only the cluster knows may be of any mode
        let is_any = asked.modes.is_empty();
        let modes: Vec<&dyn Mode> = if is_any { modes::all().collect() } else { used.modes.clone() };
        let deliveries: Vec<&dyn Delivery> = if is_any { deliveries::all().collect() } else { used.deliveries.clone() };
        needs.extend(doctor::rights::rights(&modes, &deliveries));
    }
    needs
}

/// The same right in all namespaces.
fn everywhere(right: Right) -> Right {
    match right.reach {
        Reach::Everywhere => right,
        Reach::Itself | Reach::Within | Reach::Namespace(_) => Right { reach: Reach::Everywhere, ..right },
    }
}

/// What access to the spec's own objects needs, where that depends on the objects.
fn own_access(nodes: &Nodes, access: Access) -> Result<Vec<Right>, Failure> {
    let mut rights = Vec::new();
    for node in nodes.values() {
        let own = resources::of(&node.kind).and_then(|kind| kind.own_access(&node.spec, access));
        rights.extend(own.map_err(|fault| Failure::from(&fault))?);
    }
    Ok(rights)
}
