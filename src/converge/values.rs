//! The values of secrets around a plan: which are needed before anything is changed, which are asked for, and what is said of them.

use super::failures::one_failure;
use crate::{
    engine::{
        desired::{Desired, Intent, Node},
        key::Key,
        plan::{Act, Action, Plan},
    },
    failure::Failure,
    output::{prompt, stdin},
    resources::{
        kind::spec_of,
        secret::Secret,
        values::{self, SecretSource, Values},
    },
    session::Session,
};
use secrecy::SecretString;
use std::sync::Arc;

fn source(node: &Node) -> Option<(Secret, SecretSource)> {
    let mut secret: Secret = spec_of(&node.kind, &node.spec)?;
    let source = secret.value.take()?;
    Some((secret, source))
}

fn wanted(desired: &Desired) -> impl Iterator<Item = (&Key, Secret, SecretSource)> {
    let present = desired.nodes.values().filter(|n| n.intent == Intent::Present);
    present.filter_map(|node| source(node).map(|(secret, source)| (&node.key, secret, source)))
}

/// Files and variables that are to give values: better found missing now than half-way.
pub(super) fn check(desired: &Desired, values: &Values) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for (key, _, source) in wanted(desired) {
        if matches!(source, SecretSource::File(_) | SecretSource::Env(_))
            && let Err(fault) = values.of(key, &source)
        {
            missing.push((key, Failure::from(&fault)));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(one_failure(missing.into_iter())) }
}

pub(super) fn give_stdin(session: &Session, desired: &Desired, values: &Values) -> Result<(), Failure> {
    for (key, _, source) in wanted(desired) {
        if source == SecretSource::Stdin {
            let value = stdin::value(&session.terminal, values::LIMIT)?;
            values.give(key, &source, value).map_err(|e| Failure::from(&e))?;
        }
    }
    Ok(())
}

async fn asked(session: &Session, name: String) -> Result<SecretString, Failure> {
    session.ask(move |terminal, stopped| prompt::secret_value(terminal, &name, stopped)).await
}

/// Of a command whose user is there to type the value: also where the secret has one.
pub(super) async fn ask_first(session: &Session, desired: &Desired, values: &Arc<Values>) -> Result<(), Failure> {
    for (key, secret, source) in wanted(desired) {
        if source == SecretSource::Ask {
            values.give(key, &source, asked(session, secret.name).await?).map_err(|e| Failure::from(&e))?;
        }
    }
    Ok(())
}

/// Of a spec: only for secrets that are really to be made.
pub(super) async fn ask_for(session: &Session, plan: &Plan, values: &Arc<Values>) -> Result<(), Failure> {
    for action in plan.actions.iter().filter(|a| is_set(a)) {
        if let Some((secret, from @ SecretSource::Prompt)) = action.work.node.as_deref().and_then(source) {
            values.give(&action.key, &from, asked(session, secret.name).await?).map_err(|e| Failure::from(&e))?;
        }
    }
    Ok(())
}

/// Whether a value is set by it, as far as can be known.
fn is_set(action: &Action) -> bool {
    action.act == Act::Create || action.act == Act::Update && (action.unseen || action.changes.iter().any(|c| c.field == "value"))
}

/// The secrets that a plan sets, with their values, as far as these can be known now.
pub(super) fn set_by(plan: &Plan, values: &Values) -> impl Iterator<Item = (Key, SecretString)> {
    let known = |action: &Action| {
        let (_, source) = action.work.node.as_deref().and_then(source)?;
        let value = source.comparable().then(|| values.of(&action.key, &source).ok()).flatten()?;
        Some((action.key.clone(), value))
    };
    plan.actions.iter().filter(|a| is_set(a)).filter_map(known)
}

/// What people should know of the values that a plan sets, or does not set although they asked for it.
pub(super) fn remark(plan: &mut Plan, sets: Option<&SecretSource>, values: &Values) {
    for action in &mut plan.actions {
        let Some((secret, source)) = action.work.node.as_deref().filter(|n| n.intent == Intent::Present).and_then(source) else { continue };
        if is_set(action) && matches!(source, SecretSource::File(_) | SecretSource::Env(_)) {
            action.notes.0.extend(values.change_note(&action.key, &source));
        }
        if !action.act.changes() && matches!(sets, Some(SecretSource::Generate(_))) {
            let (vault, name) = (secret.vault_key.names(), &secret.name);
            action.notes.0.push(format!(
                "value: kept, because --generate applies only to new secrets; replace it with `podid vault secret set {name} --vault {vault} --prompt`"
            ));
        }
    }
}
