//! Deliveries without an object in the cluster: how the graph and the state know them.

use super::{delivery::Wanted, vault_facts::vault_facts};
use crate::{
    chain::{
        facts::{Delivered, Parameters},
        remarks::{Planned, SecretsOf},
    },
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, resolve},
        ledger::Ledger,
        resource::Kind as _,
    },
    resources::delivery::{self, PodSecrets},
    spec::graph::Graph,
};
use serde::Deserialize as _;

/// Adds what the pods of a workload get to the graph, and returns the parameters. Nothing is written for it.
pub(super) fn add(name: &'static str, wanted: Wanted, parameters: Parameters, graph: &mut Graph<'_>) -> Result<Parameters, Fault> {
    let target = graph.target()?;
    let key = delivery::key(&target.name, &wanted.namespace, &wanted.name);
    let kind = PodSecrets {
        delivery: name.to_owned(),
        target: target.clone(),
        namespace: wanted.namespace,
        name: wanted.name,
        subject: wanted.subject,
        vault_name: wanted.vault.names().to_owned(),
        objects: wanted.objects,
        parameters: parameters.clone(),
        vault: DependsOn::of(&wanted.vault),
    };
    // it is no object of the cluster, and comes after no component
    graph.add(&key, &kind, Intent::Existing)?.cluster = Some(target.name);
    Ok(parameters)
}

/// Lists what the state knows of one delivery.
pub(super) fn recall(name: &'static str, ledger: &Ledger, app: &str) -> Result<Vec<Delivered>, Fault> {
    let known = ledger.known(app);
    let mut found = Vec::new();
    for entry in ledger.of_app(app).filter(|entry| entry.kind == PodSecrets::KIND) {
        // the entry is saved before the run has made what it refers to
        let secrets = PodSecrets::deserialize(resolve(&entry.spec, &known))?;
        if secrets.delivery != name {
            continue;
        }
        found.push(Delivered {
            delivery: name,
            app: entry.app.clone(),
            by: entry.by,
            cluster: secrets.target,
            namespace: secrets.namespace,
            name: secrets.name,
            subject: secrets.subject,
            vault: vault_facts(ledger, app, secrets.vault_name),
            objects: secrets.objects,
            synced: Vec::new(),
            parameters: secrets.parameters,
            keys: vec![entry.key.clone()],
        });
    }
    Ok(found)
}

/// Lists what this graph brings to pods by one delivery.
pub(super) fn planned(name: &str, planned: &Planned<'_>, effect: &'static str) -> Vec<SecretsOf> {
    let nodes = planned.desired.nodes.values().filter(|node| node.kind == PodSecrets::KIND && node.intent == Intent::Existing);
    let of = nodes.filter_map(|node| {
        let secrets = planned.placed::<PodSecrets>(node).filter(|secrets| secrets.delivery == name)?;
        Some(SecretsOf {
            key: node.key.clone(),
            shown: format!("{}/{}", secrets.namespace, secrets.name),
            vault: secrets.vault_name,
            names: secrets.objects.into_iter().map(|object| object.name).collect(),
            effect,
        })
    });
    of.collect()
}
