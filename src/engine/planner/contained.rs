//! Keeps what would take a resource that stays with it: a group with a vault whose data is kept, a cluster with a namespace of others.

use super::{
    super::{
        desired::Intent,
        fault::Fault,
        input::needs,
        plan::{Act, Action},
        resource::Backend,
    },
    Planner,
};

impl<W: Backend> Planner<'_, W> {
    /// Turns deletions of such resources into keeping them. One that is kept this way may in turn be in another one.
    pub(super) fn keep_containers(&mut self) -> Result<(), Fault> {
        loop {
            let staying = self.actions.values().filter(|a| stays(a));
            let kept: Vec<_> = staying.map(|a| (a.key.clone(), a.work.node.as_ref().map(|n| needs(&n.spec)).unwrap_or_default())).collect();
            let mut changed = false;
            for action in self.actions.values_mut().filter(|a| a.act == Act::Delete) {
                if !self.kinds.of(&action.kind)?.contains_dependents() {
                    continue;
                }
                if let Some((content, _)) = kept.iter().find(|(_, needs)| needs.contains(&action.key)) {
                    action.act = Act::Keep;
                    action.why = Some(format!("{content} stays in it"));
                    changed = true;
                }
            }
            if !changed {
                return Ok(());
            }
        }
    }
}

/// Returns whether a resource that is not wanted any more is kept all the same.
fn stays(action: &Action) -> bool {
    action.act == Act::Keep && action.work.node.as_ref().is_some_and(|node| node.intent == Intent::Absent)
}
