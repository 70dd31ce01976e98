//! `podid cluster rbac`: the Roles that the chosen commands need, from the tables beside the code that sends the requests. Asks nobody.

use crate::{
    azure::ArmId,
    cli::{
        Format, Global, Rbac,
        cluster::{RbacCommand, Subject},
    },
    deliveries,
    engine::{nodes::Nodes, resource::Kind},
    exit::Exit,
    failure::Failure,
    modes::{self, Mode},
    output::{Line, Terminal, Text, json, table, yaml},
    proof,
    resources::{
        self, Cloud,
        access::{Access, Named, Reach, Right},
        kind::{Resource, spec_of},
        namespace::Namespace,
        secret_provider_class::SecretProviderClass,
    },
    spec::{
        expand,
        known::{ClusterRef, KnownResources},
        load::{self, Loaded},
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const RBAC: &str = "rbac.authorization.k8s.io";
/// As Roles list them: what looks, then what changes.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "patch", "delete", "bind", "escalate"];

pub fn rbac(terminal: &Terminal, global: &Global, asked: &Rbac) -> Result<Exit, Failure> {
    let loaded = loaded(asked)?;
    let nodes = loaded.as_ref().map(nodes).transpose()?.unwrap_or_default();
    let mut places = loaded.as_ref().map(|loaded| places(loaded, &nodes)).unwrap_or_default();
    for namespace in &asked.namespaces {
        places.entry(namespace.clone()).or_default();
    }
    if places.is_empty() {
        return Err(Failure::new(Exit::Usage, "the spec has no workloads, so there is no namespace").hint("Name one with `--namespace`."));
    }
    let modes = modes_of(loaded.as_ref())?;
    let app = global.app.clone().or_else(|| loaded.map(|l| l.spec.metadata.name));
    let name = asked.name.clone().unwrap_or_else(|| app.map_or_else(|| "podid".to_owned(), |app| format!("podid-{app}")));
    let granted = granted(asked, &places, &needs(asked, &modes, &nodes)?);
    let format = if asked.as_yaml { Format::Yaml } else { global.output };
    let text = match format {
        Format::Table => rows(&granted, terminal.width),
        Format::Json => json::text(&json!({ "apiVersion": "v1", "kind": "List", "items": objects(asked, &name, &granted) })),
        Format::Yaml => {
            let mut text = preface(asked, &granted);
            text.append(documents(&objects(asked, &name, &granted)));
            text
        }
    };
    terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, "could not write the answer").because(e.to_string()))?;
    Ok(Exit::Done)
}

/// What is proved in a namespace, where a spec says it. None of it is known of a namespace that only a flag names.
#[derive(Default)]
struct Known {
    classes: Option<Vec<SecretProviderClass>>,
}

type Places = BTreeMap<String, Known>;

/// The modes of the spec's workloads; without a spec, all that there are.
fn modes_of(loaded: Option<&Loaded>) -> Result<Vec<&'static dyn Mode>, Failure> {
    let Some(loaded) = loaded else { return Ok(modes::all().collect()) };
    let mut used: Vec<&'static dyn Mode> = Vec::new();
    for workload in &loaded.spec.workloads {
        let mode = modes::named(workload.mode.as_deref()).map_err(|fault| Failure::from(&fault))?;
        if !used.iter().any(|other| other.name() == mode.name()) {
            used.push(mode);
        }
    }
    Ok(used)
}

fn loaded(asked: &Rbac) -> Result<Option<Loaded>, Failure> {
    let default = Path::new(crate::cli::DEFAULT_SPEC);
    match &asked.file {
        Some(file) => Ok(Some(load::load(file)?)),
        None if !asked.namespaces.is_empty() => Ok(None),
        None if default.exists() => Ok(Some(load::load(default)?)),
        None => Err(Failure::new(Exit::Usage, "no namespace given").hint("Name them with `--namespace`, or the spec with `-f SPEC`.")),
    }
}

/// The spec's own expansion says where things lie; the cluster and the groups do not matter for that.
fn nodes(loaded: &Loaded) -> Result<Nodes, Failure> {
    let subscription = "00000000-0000-0000-0000-000000000000";
    let id = ArmId::resource(subscription, "any", crate::azure::id::CLUSTER, "any");
    let cluster = ClusterRef { id, context: String::new(), principal_id: None };
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

fn needs(asked: &Rbac, modes: &[&'static dyn Mode], nodes: &Nodes) -> Result<Vec<Right>, Failure> {
    let all = |access| resources::all().filter(|kind| !is_namespace(kind.kind())).flat_map(move |kind| kind.access(access));
    // of namespaces that are somebody else's podid only sees whether they are there
    let namespace = |access| <Namespace as Resource>::access(if asked.make_namespaces { access } else { Access::Read });
    let emptied = || resources::all().filter(|_| asked.make_namespaces).flat_map(|kind| kind.access(Access::Content));
    let bound = |access| modes.iter().flat_map(|mode| mode.kinds()).flat_map(move |kind| resources::access(kind, access));
    let delivered = |access| deliveries::all().flat_map(|delivery| delivery.kinds()).flat_map(move |kind| resources::access(kind, access));
    let mut own = BTreeMap::new();
    for access in [Access::Read, Access::Write, Access::Delete] {
        own.insert(access, own_access(nodes, access)?);
    }
    let own = |access| own.get(&access).into_iter().flatten().cloned();
    let mut needs = Vec::new();
    for command in &asked.commands {
        match command {
            RbacCommand::Plan | RbacCommand::Status => {
                needs.extend(namespace(Access::Read));
                needs.extend(all(Access::Read));
                needs.extend(own(Access::Read));
            }
            RbacCommand::Diff => {
                needs.extend(namespace(Access::Write));
                needs.extend(all(Access::Write));
                needs.extend(own(Access::Write));
            }
            RbacCommand::Up => {
                needs.extend(namespace(Access::Write));
                needs.extend(all(Access::Write));
                // what the spec no longer names goes
                needs.extend(all(Access::Delete));
                needs.extend(own(Access::Write).chain(own(Access::Delete)));
            }
            RbacCommand::Down => {
                needs.extend(namespace(Access::Delete));
                needs.extend(emptied());
                needs.extend(all(Access::Delete));
                needs.extend(own(Access::Delete));
            }
            RbacCommand::Bind => {
                needs.extend(namespace(Access::Write));
                needs.extend(bound(Access::Write));
            }
            RbacCommand::Unbind => {
                needs.extend(namespace(Access::Delete));
                needs.extend(emptied());
                needs.extend(bound(Access::Delete));
            }
            RbacCommand::Mount => {
                needs.extend(<Namespace as Resource>::access(Access::Read));
                needs.extend(delivered(Access::Write));
                needs.extend(delivered(Access::Delete));
            }
            RbacCommand::Verify => {
                needs.extend(proof::rights(modes, &deliveries::all().collect::<Vec<_>>()));
            }
            RbacCommand::Rebuild => {
                needs.extend(namespace(Access::Read));
                needs.extend(all(Access::Read));
                needs.extend(all(Access::List));
            }
        }
    }
    Ok(needs)
}

fn is_namespace(kind: &str) -> bool {
    kind == <Namespace as Kind<Cloud>>::KIND
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

/// Namespace (None: the whole cluster), group, resource and names.
type On = (Option<String>, String, String, Vec<String>);

/// What is given where.
#[derive(Default)]
struct Granted {
    rules: BTreeMap<On, BTreeSet<&'static str>>,
    left_out: Vec<Right>,
}

fn granted(asked: &Rbac, places: &Places, needs: &[Right]) -> Granted {
    let mut granted = Granted::default();
    // what another of the commands cannot do without is given anyway
    let is_given = |right: &Right| {
        let covers = |other: &&Right| {
            other.without.is_none()
                && other.named == Named::Any
                && (&other.group, &other.resource, &other.reach) == (&right.group, &right.resource, &right.reach)
        };
        let verbs: BTreeSet<&str> = needs.iter().filter(covers).flat_map(|other| other.verbs).copied().collect();
        right.verbs.iter().all(|verb| verbs.contains(verb))
    };
    for right in needs.iter().filter(|right| right.without.is_none() || !is_given(right)) {
        if right.without.is_some() && !asked.optional {
            granted.leave_out(right.clone());
            continue;
        }
        let own_names = || if let Named::These(names) = &right.named { names.clone() } else { Vec::new() };
        match &right.reach {
            Reach::Everywhere => {
                granted.give(None, right, own_names());
                continue;
            }
            Reach::Namespace(namespace) => {
                granted.give((!asked.make_namespaces).then(|| namespace.clone()), right, own_names());
                continue;
            }
            Reach::Itself | Reach::Within => {}
        }
        for (namespace, known) in places {
            // what is to make the namespace cannot lie in it
            let at = (!asked.make_namespaces).then(|| namespace.clone());
            match (&right.reach, names(right, known)) {
                (Reach::Itself, _) => granted.give(at, right, vec![namespace.clone()]),
                (_, Names::These(names)) if names.is_empty() => {}
                (_, Names::These(names)) => granted.give(at, right, names),
                (_, Names::Any) => granted.give(at, right, Vec::new()),
                (_, Names::Unknown) if asked.optional => granted.give(at, right, Vec::new()),
                (_, Names::Unknown) => granted.leave_out(
                    right
                        .clone()
                        .optional("a workload that reads a secret through a Kubernetes Secret is not proved; name the spec with -f"),
                ),
            }
        }
    }
    granted
}

impl Granted {
    fn give(&mut self, namespace: Option<String>, right: &Right, names: Vec<String>) {
        self.rules.entry((namespace, right.group.to_string(), right.resource.to_string(), names)).or_default().extend(right.verbs);
    }

    fn leave_out(&mut self, right: Right) {
        if !self.left_out.contains(&right) {
            self.left_out.push(right);
        }
    }
}

enum Names {
    Any,
    These(Vec<String>),
    /// Only a spec would tell whether, and of which.
    Unknown,
}

fn names(right: &Right, known: &Known) -> Names {
    match &right.named {
        Named::Any => return Names::Any,
        Named::These(names) => return Names::These(names.clone()),
        Named::Synced => {}
    }
    // Secrets are not asked for on suspicion
    let Some(classes) = &known.classes else { return Names::Unknown };
    let synced: BTreeSet<String> = classes.iter().flat_map(|class| class.synced.iter().map(|s| s.secret.clone())).collect();
    Names::These(synced.into_iter().collect())
}

fn in_order(verbs: &BTreeSet<&'static str>) -> Vec<&'static str> {
    VERBS.into_iter().filter(|verb| verbs.contains(verb)).collect()
}

fn full(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn rows(granted: &Granted, width: Option<u16>) -> Text {
    let mut rows: Vec<Vec<String>> = granted
        .rules
        .iter()
        .map(|((namespace, group, resource, names), verbs)| {
            let place = namespace.clone().unwrap_or_else(|| "(all)".to_owned());
            vec![place, full(group, resource), in_order(verbs).join(", "), names.join(", "), String::new()]
        })
        .collect();
    rows.extend(granted.left_out.iter().map(|right| {
        let place = if right.reach == Reach::Everywhere { "(all)" } else { "" };
        let lost = format!("left out (--optional): {}", right.without.unwrap_or_default());
        vec![place.to_owned(), full(&right.group, &right.resource), right.verbs.join(", "), String::new(), lost]
    }));
    table::list(&["NAMESPACE", "RESOURCE", "VERBS", "NAMES", "NOTE"], &rows, "nothing is needed", width)
}

/// Group, verbs, names, and the resources that have them in common.
type Rule<'a> = (&'a str, Vec<&'a str>, &'a Vec<String>, Vec<&'a str>);

/// Rules of one place; resources with the same verbs and names stand together.
fn rules(granted: &Granted, at: Option<&str>) -> Vec<Value> {
    let mut together: Vec<Rule<'_>> = Vec::new();
    for ((namespace, group, resource, names), verbs) in &granted.rules {
        if namespace.as_deref() != at {
            continue;
        }
        let verbs = in_order(verbs);
        match together.iter_mut().find(|(g, v, n, _)| *g == *group && *v == verbs && *n == names) {
            Some((.., resources)) => resources.push(resource),
            None => together.push((group, verbs, names, vec![resource])),
        }
    }
    let rule = |(group, verbs, names, resources): &Rule<'_>| {
        let mut rule = json!({ "apiGroups": [group], "resources": resources });
        if !names.is_empty() {
            rule["resourceNames"] = json!(names);
        }
        rule["verbs"] = json!(verbs);
        rule
    };
    together.iter().map(rule).collect()
}

fn objects(asked: &Rbac, name: &str, granted: &Granted) -> Vec<Value> {
    let places: BTreeSet<Option<&String>> = granted.rules.keys().map(|(namespace, ..)| namespace.as_ref()).collect();
    let mut objects = Vec::new();
    for place in places {
        let (role, binding) = if place.is_some() { ("Role", "RoleBinding") } else { ("ClusterRole", "ClusterRoleBinding") };
        let mut metadata = json!({ "name": name });
        if let Some(namespace) = place {
            metadata["namespace"] = json!(namespace);
        }
        let api_version = format!("{RBAC}/v1");
        let rules = rules(granted, place.map(String::as_str));
        objects.push(json!({ "apiVersion": api_version, "kind": role, "metadata": metadata, "rules": rules }));
        if !asked.subjects.is_empty() {
            let subjects: Vec<Value> = asked.subjects.iter().map(subject).collect();
            let of = json!({ "apiGroup": RBAC, "kind": role, "name": name });
            objects.push(json!({ "apiVersion": api_version, "kind": binding, "metadata": metadata, "roleRef": of, "subjects": subjects }));
        }
    }
    objects
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::User(name) => json!({ "apiGroup": RBAC, "kind": "User", "name": name }),
        Subject::Group(name) => json!({ "apiGroup": RBAC, "kind": "Group", "name": name }),
        Subject::ServiceAccount { namespace, name } => json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace }),
    }
}

/// What a reader of the YAML should know.
fn preface(asked: &Rbac, granted: &Granted) -> Text {
    let commands: Vec<String> = asked.commands.iter().map(RbacCommand::word).collect();
    let mut lines = vec![format!("# what podid needs for {}", commands.join(", "))];
    lines.push(if asked.make_namespaces {
        "# cluster-wide, because a Role cannot be in a namespace that does not exist yet".to_owned()
    } else {
        "# the namespaces must exist; --make-namespaces adds the permissions to create them".to_owned()
    });
    let mut lost: Vec<(&str, Vec<String>)> = Vec::new();
    for right in &granted.left_out {
        let place = if right.reach == Reach::Everywhere { " in all namespaces" } else { "" };
        let what = format!("{} {}{place}", right.verbs.join(", "), full(&right.group, &right.resource));
        let without = right.without.unwrap_or_default();
        match lost.iter_mut().find(|(w, _)| *w == without) {
            Some((_, all)) => all.push(what),
            None => lost.push((without, vec![what])),
        }
    }
    for (without, what) in lost {
        lines.push(format!("# left out (add with --optional); without them, {without}:"));
        lines.extend(what.iter().map(|what| format!("#   {what}")));
    }
    lines.into_iter().map(Line::from).collect()
}

fn documents(objects: &[Value]) -> Text {
    let mut all = Text::new();
    for object in objects {
        if !all.is_empty() {
            all.push("---");
        }
        all.append(yaml::text(object));
    }
    all
}
