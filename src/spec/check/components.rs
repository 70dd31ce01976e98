//! What must hold of `cluster.components`.

use super::{names, unknown_word};
use crate::{
    components::{self, Component, Via},
    spec::{
        complaint::{Verdict, maybe, wrong},
        model::ComponentSpec,
    },
};
use std::collections::BTreeSet;

pub(super) fn check(all: &[ComponentSpec]) -> Verdict {
    let mut once = BTreeSet::new();
    for (at, wanted) in all.iter().enumerate() {
        let path = format!("cluster.components[{at}]");
        if wanted.name.is_empty() {
            return Err(wrong(path, "a component has no name"));
        }
        let Ok(component) = components::named(&wanted.name) else {
            return Err(unknown_word(path, &wanted.name, components::names().collect()));
        };
        if !once.insert(component.name()) {
            return Err(wrong(path, format!("the component `{}` is already in the spec", wanted.name)));
        }
        one(component, wanted).map_err(|complaint| complaint.below(&path))?;
    }
    Ok(())
}

/// What must hold of one component, with paths below it.
pub fn one(component: &dyn Component, wanted: &ComponentSpec) -> Verdict {
    let ways: Vec<&str> = component.ways().iter().map(|way| way.word()).collect();
    if let Some(via) = wanted.via.as_deref().filter(|via| !ways.contains(via)) {
        return Err(unknown_word("via".to_owned(), via, ways));
    }
    let is_helm = wanted.via.as_deref() == Some(Via::Helm.word());
    if wanted.chart.is_some() && !is_helm {
        return Err(wrong("chart", "a chart is installed by helm").hint("Write `via: helm` (--via helm)."));
    }
    if wanted.pin && is_helm {
        let why = "charts name an image by repository and tag, and compare the tag as a version, which a digest is not";
        return Err(wrong("pin", format!("images of a chart cannot be pinned: {why}")).hint("Leave out `pin`, or install via manifests."));
    }
    if wanted.pin && component.ways().first() == Some(&Via::Addon) {
        return Err(wrong("pin", format!("AKS chooses the images of {}", component.name())).hint("Leave out `pin`."));
    }
    maybe("namespace", names::dns_label, wanted.namespace.as_ref())?;
    let own = component.fields();
    let given = [
        ("namespaced", wanted.namespaced.is_some()),
        ("allowKubenet", wanted.allow_kubenet),
        ("rotation", wanted.rotation.is_some()),
        ("rotationInterval", wanted.rotation_interval.is_some()),
        ("ingressClass", wanted.ingress_class.is_some()),
    ];
    if let Some((field, _)) = given.into_iter().find(|(field, given)| *given && !own.contains(field)) {
        let of: Vec<&str> = components::all().filter(|other| other.fields().contains(&field)).map(Component::name).collect();
        return Err(wrong(field, format!("the component {} has no option `{field}`; {} has it", component.name(), of.join(", "))));
    }
    component.check(wanted)
}
