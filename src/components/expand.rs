//! From a wanted component to its part of a graph.

use super::component::{Component, Via};
use crate::{
    engine::{
        desired::{Condition, Intent},
        fault::Fault,
        input::DependsOn,
        key::Key,
        resource::Kind as _,
    },
    resources::{
        component::{self, Component as Working},
        feature::{self, Feature},
        helm_release::{self, Chart, HelmRelease},
        image::{self, Image},
        installation::{self, Installation},
        object,
        world::ClusterTarget,
    },
    spec::{graph::Graph, model::ComponentSpec},
};
use serde_json::{Value, json};

/// Adds a component: who installs it, what installs it, and that it works.
pub fn expand(component: &dyn Component, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Key, Fault> {
    if let Some(adopted) = component.adopt(wanted, graph)? {
        return Ok(adopted);
    }
    let target = graph.target()?;
    let via = via(component, wanted, &target)?;
    let decides = installation::key(&target.name, component.name());
    let installation = Installation {
        target: target.clone(),
        component: component.name().to_owned(),
        via: via.word().to_owned(),
        strict: wanted.via.is_some(),
        namespace: (via != Via::Addon).then(|| wanted.namespace.as_deref().unwrap_or(component.namespace()).to_owned()),
        version: wanted.version.clone(),
        options: component.options(wanted),
        signs: component.signs(),
        replaces: component.replaces().map(str::to_owned),
        unasked: false,
    };
    graph.add_in_cluster(&decides, &installation, Intent::Present, &target)?;
    let before = graph.desired.nodes.mark();
    let mut installs = component.install(via, wanted, graph)?;
    let added = graph.desired.nodes.added_since(before);
    installs.retain(|key| added.contains(key));
    // an image that somebody else's installation does not use is not asked for
    let is_image = |key: &&Key| graph.desired.nodes.get(key).is_some_and(|node| node.kind == Image::KIND);
    installs.extend(added.iter().filter(is_image).cloned().collect::<Vec<_>>());
    for key in &installs {
        if let Some(node) = graph.desired.nodes.get_mut(key) {
            node.when = Some(Condition { ours: decides.clone(), or: None });
        }
    }
    let after = std::iter::once(&decides).chain(&installs).map(DependsOn::of).collect();
    let works = Working { target: target.clone(), name: component.name().to_owned(), works: component.works(wanted), after };
    let key = component::key(&target.name, component.name());
    graph.add_in_cluster(&key, &works, Intent::Present, &target)?;
    if let Some(node) = graph.desired.nodes.get_mut(&key) {
        node.follows = Some(decides);
    }
    Ok(key)
}

/// The way that the user asked for, or the component's default. A cluster outside of Azure has no add-ons.
fn via(component: &dyn Component, wanted: &ComponentSpec, target: &ClusterTarget) -> Result<Via, Fault> {
    let outside = target.is_outside();
    let ways: Vec<Via> = component.ways().iter().copied().filter(|way| !(outside && *way == Via::Addon)).collect();
    let found = ways.iter().copied().find(|way| wanted.via.as_deref().is_none_or(|via| via == way.word()));
    found.ok_or_else(|| {
        let known: Vec<&str> = ways.iter().map(|way| way.word()).collect();
        let asked = wanted.via.as_ref().map(|via| format!(" via {via}")).unwrap_or_default();
        let wherever = if outside { format!(": the cluster {} is not one of AKS", target.name) } else { String::new() };
        let way_out = if known.is_empty() {
            "Leave it out of `components`.".to_owned()
        } else {
            format!("It can be installed via: {}.", known.join(", "))
        };
        Fault::refused(format!("podid cannot install {}{asked}{wherever}", component.name()), way_out)
    })
}

/// Definitions whose objects the programs of a component make and delete themselves.
const INTERNAL: [&str; 1] = ["azureassignedidentities.aadpodidentity.k8s.io"];

/// Adds manifests as objects of the cluster, and returns their keys.
pub fn objects(target: &ClusterTarget, manifests: Vec<Value>, after: &[Key], graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
    let mut keys = Vec::new();
    for (key, mut object) in object::in_order(target, manifests, after)? {
        object.is_internal = object.manifest["metadata"]["name"].as_str().is_some_and(|name| INTERNAL.contains(&name));
        graph.add_in_cluster(&key, &object, Intent::Present, target)?;
        keys.push(key);
    }
    Ok(keys)
}

/// Adds a setting of the managed cluster.
pub fn feature(name: &str, on: Value, off: Option<Value>, note: Option<&str>, graph: &mut Graph<'_>) -> Result<Key, Fault> {
    let id = graph.cluster_ref()?.id.clone();
    let cluster = graph.cluster_key()?;
    let key = feature::key(id.name(), name);
    let note = note.map(str::to_owned);
    let after = vec![DependsOn::of(&cluster)];
    graph.add(&key, &Feature { cluster: id, name: name.to_owned(), on, off, note, after }, Intent::Present)?;
    Ok(key)
}

/// An image as a manifest names it: by its tag, or by the digest that the tag has when podid first resolves it.
pub fn image(wanted: &ComponentSpec, repository: &str, tag: &str, graph: &mut Graph<'_>) -> Result<Value, Fault> {
    if !wanted.pin {
        return Ok(json!(format!("{repository}:{tag}")));
    }
    let key = image::key(repository, tag);
    graph.add(&key, &Image { repository: repository.to_owned(), tag: tag.to_owned() }, Intent::Present)?;
    Ok(serde_json::to_value(image::REFERENCE.of(&key))?)
}

/// A chart that installs a component: the one that the user names, or the published one.
pub struct Release<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub repository: &'a str,
    pub chart: &'a str,
    pub version: &'a str,
    pub values: Value,
    /// What the plan says of a chart that nobody maintains.
    pub retired: Option<&'a str>,
}

/// Adds a helm release in a namespace of its own.
pub fn helm(wanted: &ComponentSpec, release: Release<'_>, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
    let target = graph.target()?;
    let namespace = wanted.namespace.as_deref().unwrap_or(release.namespace);
    let within = graph.namespace(&target, namespace, Intent::Present)?;
    let chart = match &wanted.chart {
        Some(chart) => Chart::of_user(chart, wanted.version.as_deref()),
        None => Chart {
            repository: Some(release.repository.to_owned()),
            name: release.chart.to_owned(),
            version: Some(wanted.version.as_deref().unwrap_or(release.version).to_owned()),
        },
    };
    let key = helm_release::key(&target.name, namespace, release.name);
    let release = HelmRelease {
        target: target.clone(),
        namespace: namespace.to_owned(),
        name: release.name.to_owned(),
        chart,
        values: release.values,
        retired: release.retired.map(str::to_owned),
        after: vec![DependsOn::of(&within)],
    };
    graph.add_in_cluster(&key, &release, Intent::Present, &target)?;
    Ok(vec![key, within])
}
