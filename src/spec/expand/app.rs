//! Adds the app of a workload to the graph: the objects that deploy it, or what an existing one gets. Both have what the identity mode and the
//! deliveries say of the pod template.

use crate::{
    apps::manifests::{self, App, EnvValue, Expose},
    chain::facts::{Bound, Delivered, Parameters, PodPatch, VaultFacts},
    deliveries::{
        self,
        delivery::{Delivery, Wanted},
    },
    engine::{desired::Intent, fault::Fault, input::DependsOn, key::Key, ledger::Ledger},
    modes,
    resources::{
        adopted_class::{self, AdoptedClass},
        kind::spec_of,
        object::{self, Object},
        wiring::{self, Wiring},
        workload::WorkloadKind,
        world::ClusterTarget,
    },
    spec::{
        app::{synced, workload_ref},
        graph::Graph,
        model::{self, app::EnvSpec},
        names::object_name,
        request::{Deploy, NeedsOf, Wire},
    },
};
use serde_json::Value;

/// What the pods of an app need, and the resources that give it to them.
pub(super) struct Needs {
    patch: PodPatch,
    keys: Vec<Key>,
}

impl Needs {
    pub(super) fn of(bound: &Bound, delivered: &[Delivered]) -> Result<Self, Fault> {
        let mut needs = Self { patch: modes::of(bound)?.pod(bound), keys: bound.keys.clone() };
        for one in delivered {
            needs.patch = needs.patch.and(deliveries::of(one)?.pod(one));
            needs.keys.extend(one.keys.iter().cloned());
        }
        Ok(needs)
    }
}

/// Expands what brings secrets to pods, and returns what it brings. The keys are those that the delivery adds.
pub(super) fn delivered(
    delivery: &'static dyn Delivery,
    wanted: Wanted,
    graph: &mut Graph<'_>,
    deliver: impl FnOnce(&dyn Delivery, Wanted, &mut Graph<'_>) -> Result<Parameters, Fault>,
) -> Result<Delivered, Fault> {
    let mut delivered = Delivered {
        delivery: delivery.name(),
        app: graph.context.app.to_owned(),
        by: graph.desired.by,
        cluster: graph.target()?,
        namespace: wanted.namespace.clone(),
        name: wanted.name.clone(),
        subject: wanted.subject.clone(),
        vault: VaultFacts { name: wanted.vault.names().to_owned(), resource_group: None, uri: None, rbac: None },
        objects: wanted.objects.clone(),
        synced: wanted.synced.clone(),
        parameters: Parameters::new(),
        keys: Vec::new(),
    };
    let before = graph.desired.nodes.mark();
    delivered.parameters = deliver(delivery, wanted, graph)?;
    delivered.keys = graph.desired.nodes.added_since(before);
    Ok(delivered)
}

/// `app` or `wire` of a workload of the spec.
pub(super) fn of_workload(workload: &model::Workload, bound: &Bound, delivered: &[Delivered], graph: &mut Graph<'_>) -> Result<(), Fault> {
    if workload.app.is_none() && workload.wire.is_none() {
        return Ok(());
    }
    let needs = Needs::of(bound, delivered)?;
    if let Some(wire) = &workload.wire {
        let (kind, name) = workload_ref(wire).map_err(|rule| Fault::refused(rule, "Correct `wire` in the spec."))?;
        return extend(kind, &workload.namespace, name, None, needs, graph);
    }
    let Some(spec) = &workload.app else { return Ok(()) };
    let value = |value: &EnvSpec| match value {
        EnvSpec::Plain(text) => Some(EnvValue::Plain(text.clone())),
        EnvSpec::Secret(name) => {
            let sync = synced(workload, name)?.sync.as_ref()?;
            Some(EnvValue::Secret { secret: sync.secret.clone(), key: sync.key.clone()? })
        }
    };
    let app = App {
        name: workload.name.clone(),
        namespace: workload.namespace.clone(),
        image: spec.image.clone(),
        replicas: spec.replicas.unwrap_or(1),
        port: spec.port,
        expose: spec.expose,
        host: spec.host.clone(),
        path: spec.path.clone(),
        gateway_class: spec.gateway_class.clone(),
        pull_secret: spec.pull_secret.clone(),
        env: spec.env.iter().filter_map(|(name, given)| Some((name.clone(), value(given)?))).collect(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        pods: spec.pods(),
    };
    deploy(&app, &needs, graph)
}

pub(super) fn of_deploy(request: &Deploy, graph: &mut Graph<'_>) -> Result<(), Fault> {
    let needs = known_needs(&request.needs, &request.app.namespace, &request.app.name, graph)?;
    deploy(&request.app, &needs, graph)
}

pub(super) fn of_wire(request: &Wire, graph: &mut Graph<'_>) -> Result<(), Fault> {
    let Wire { workload, namespace, name, container, needs } = request;
    // what is taken back is known by its fields, and the binding may not exist any more
    let needs =
        if graph.removes { Needs { patch: PodPatch::default(), keys: Vec::new() } } else { known_needs(needs, namespace, name, graph)? };
    extend(*workload, namespace, name, container.clone(), needs, graph)
}

/// What the state knows of a namespace's identity and secrets.
fn known_needs(of: &NeedsOf, namespace: &str, name: &str, graph: &Graph<'_>) -> Result<Needs, Fault> {
    let cluster = graph.cluster_ref()?.id.name().to_owned();
    let memory = graph.context.memory;
    let (bound, delivered) = recalled(of, &cluster, namespace, name, memory.ledger(), memory.app())?;
    Needs::of(&bound, &delivered)
}

/// The binding and the deliveries of an app that are meant.
pub fn recalled(
    of: &NeedsOf,
    cluster: &str,
    namespace: &str,
    name: &str,
    ledger: &Ledger,
    app: &str,
) -> Result<(Bound, Vec<Delivered>), Fault> {
    let is_here = |target: &ClusterTarget, within: &str| target.name.eq_ignore_ascii_case(cluster) && within == namespace;
    let mut bound = modes::recall(ledger, app)?;
    bound.retain(|bound| is_here(&bound.cluster, &bound.namespace));
    bound.dedup_by(|a, b| a.mode == b.mode && a.name == b.name && a.subject == b.subject);
    let mut delivered = deliveries::recall(ledger, app)?;
    delivered.retain(|one| is_here(&one.cluster, &one.namespace));
    let chosen = chosen(delivered, of.mount.as_deref(), namespace, name)?;
    if let Some(subject) = chosen.iter().find_map(|one| one.subject.as_ref()) {
        bound.retain(|bound| bound.subject == *subject);
    }
    match (bound.len(), bound.pop()) {
        (1, Some(bound)) => Ok((bound, chosen)),
        (0, _) | (_, None) => Err(Fault::refused(
            format!("no identity is bound in the namespace {namespace}: there is nothing that {name} could be given"),
            format!("Bind one first: `podid bind -n {namespace}`; a workload of a spec has it from the spec: `podid up`."),
        )),
        (_, Some(_)) => Err(Fault::refused(
            format!("several identities are bound in the namespace {namespace}"),
            "Name the mount of the one that is meant with `--mount NAME`, or write the workload into a spec.",
        )),
    }
}

/// The deliveries that a workload gets: the named one; those that a spec made for a workload of this name; or the only one.
fn chosen(delivered: Vec<Delivered>, mount: Option<&str>, namespace: &str, name: &str) -> Result<Vec<Delivered>, Fault> {
    let names: Vec<String> = delivered.iter().map(|one| one.name.clone()).collect();
    let of = |wanted: &str| -> Vec<Delivered> {
        let further = |one: &Delivered| one.name == format!("{wanted}-{}", object_name(&one.vault.name));
        delivered.iter().filter(|one| one.name == wanted || further(one)).cloned().collect()
    };
    if let Some(mount) = mount {
        let found = of(mount);
        let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return if found.is_empty() {
            Err(Fault::refused(
                format!("the state has no mount {mount} in the namespace {namespace}"),
                format!("The mounts there are: {listed}."),
            ))
        } else {
            Ok(found)
        };
    }
    let own = of(name);
    match (own.is_empty(), names.len()) {
        (false, _) => Ok(own),
        (true, 0 | 1) => Ok(delivered),
        (true, _) => Err(Fault::refused(
            format!("it is not clear which mount of the namespace {namespace} {name} gets: {}", names.join(", ")),
            "Name it with `--mount NAME`.",
        )),
    }
}

fn deploy(app: &App, needs: &Needs, graph: &mut Graph<'_>) -> Result<(), Fault> {
    check_marks(app, &needs.patch)?;
    let target = graph.target()?;
    let namespace = graph.namespace(&target, &app.namespace, Intent::Existing)?;
    let app = &with_class(app, graph)?;
    let manifests::Manifests { deployment, service, gateway, route } = app.manifests(&needs.patch)?;
    let mut after = needs.keys.clone();
    after.push(namespace.clone());
    let deployment = add(deployment, &after, &target, graph)?;
    // what leads to the pods becomes ready once they are
    let service = service.map(|service| add(service, &[namespace.clone(), deployment], &target, graph)).transpose()?;
    // the kinds of the Gateway API come with application routing
    graph.comes_after(&["ingress"])?;
    let gateway = gateway.map(|gateway| add(gateway, std::slice::from_ref(&namespace), &target, graph)).transpose()?;
    if let Some(route) = route {
        let after: Vec<Key> = [Some(namespace), service, gateway].into_iter().flatten().collect();
        add(route, &after, &target, graph)?;
    }
    Ok(())
}

/// A Gateway without a class of its own gets the one that the cluster's apps are to use.
fn with_class(app: &App, graph: &Graph<'_>) -> Result<App, Fault> {
    if app.expose != Expose::Gateway || app.gateway_class.is_some() {
        return Ok(app.clone());
    }
    let key = adopted_class::key(graph.cluster_ref()?.id.name());
    let memory = graph.context.memory;
    let wanted = graph.desired.nodes.get(&key).and_then(|node| spec_of::<AdoptedClass>(&node.kind, &node.spec));
    let Some(class) = wanted.or_else(|| memory.recorded(&key)) else { return Ok(app.clone()) };
    let recorded = memory.ledger().get(memory.app(), &key).filter(|entry| entry.placed["name"] == class.name.as_str());
    let kind = recorded.and_then(|entry| entry.outputs.get(adopted_class::OF_KIND)?.as_str());
    if kind.is_some_and(|kind| kind != adopted_class::GATEWAY) {
        let (reason, way_out) = adopted_class::serves_no_gateway(&class.name);
        return Err(Fault::refused(reason, way_out));
    }
    Ok(App { gateway_class: Some(class.name), ..app.clone() })
}

/// What binds the pods is known here only: no label or annotation of the user's may take its place.
fn check_marks(app: &App, patch: &PodPatch) -> Result<(), Fault> {
    let labels = app.pods.labels.keys().filter(|key| patch.labels.contains_key(*key)).map(|key| ("label", key));
    let annotations = app.pods.annotations.keys().filter(|key| patch.annotations.contains_key(*key)).map(|key| ("annotation", key));
    match labels.chain(annotations).next() {
        None => Ok(()),
        Some((what, key)) => Err(Fault::refused(
            format!("the {what} {key} of {}/{} is podid's own: it gives the pods their identity", app.namespace, app.name),
            format!("Leave out the {what}; podid sets it."),
        )),
    }
}

fn add(manifest: Value, after: &[Key], target: &ClusterTarget, graph: &mut Graph<'_>) -> Result<Key, Fault> {
    let key = object::key(&target.name, &manifest)?;
    let kind = Object { target: target.clone(), manifest, shared: false, is_internal: false, after: rests_on(after) };
    graph.add_in_cluster(&key, &kind, Intent::Present, target)?;
    Ok(key)
}

/// The references to what an object rests on. That of earlier commands is not looked at again, but it is kept as long as the object is.
fn rests_on(keys: &[Key]) -> Vec<DependsOn> {
    let mut keys: Vec<&Key> = keys.iter().collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().map(DependsOn::of).collect()
}

fn extend(
    workload: WorkloadKind,
    namespace: &str,
    name: &str,
    container: Option<String>,
    needs: Needs,
    graph: &mut Graph<'_>,
) -> Result<(), Fault> {
    let target = graph.target()?;
    let within = graph.namespace(&target, namespace, Intent::Existing)?;
    let key = wiring::key(&target.name, workload, namespace, name);
    let mut after = needs.keys;
    after.push(within);
    let kind = Wiring {
        target: target.clone(),
        workload,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        container,
        patch: needs.patch,
        after: rests_on(&after),
    };
    graph.add_in_cluster(&key, &kind, Intent::Present, &target)
}
