//! What `podid cluster uninstall` leaves alone, because somebody else installed it.

use crate::{
    chain::remarks::Planned,
    engine::{
        desired::{Intent, Node},
        plan::Warning,
        resource::Kind as _,
    },
    resources::{
        installation::{self, Installation},
        kind::spec_of,
    },
};

/// Warns of components that are to go and are not podid's.
pub fn warnings(planned: &Planned<'_>) -> Vec<Warning> {
    let unwanted = planned.desired.nodes.values().filter(|node| node.kind == Installation::KIND && node.intent == Intent::Absent);
    let silent = unwanted.filter(|node| planned.plan.action(&node.key).is_none());
    let warning = |node: &Node| {
        let name = spec_of::<Installation>(&node.kind, &node.spec)?.component;
        let seen = planned.observed.seen.get(&node.key)?.as_ref()?;
        let found: installation::Actual = serde_json::from_value((*seen.actual).clone()).ok()?;
        let installer = &found.running.first()?.installer;
        Some(Warning {
            key: node.key.clone(),
            text: format!("{name} is installed by {installer}, not by this app: it stays"),
            hint: Some(format!("Remove it as it was installed: {}.", installer.way_to_remove().replace("COMPONENT", &name))),
        })
    };
    silent.filter_map(warning).collect()
}
