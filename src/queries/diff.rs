//! `podid diff`: line by line what `up` would change. For Kubernetes objects the server itself says, by a dry run of the very apply; where it
//! cannot (the namespace is not there yet, a value is not known yet), and for Azure, it is what the plan says.

use crate::{
    cli::Format,
    cluster,
    converge::{self, Goal, Looked, answer, is_made, missing_namespace, render},
    engine::{
        fault::Fault,
        key::Key,
        ledger::{Ledger, Origin},
        plan::{Act, Action},
        resource::{Change, Owner, Side},
    },
    exit::Exit,
    failure::{Failure, explain},
    output::{Line, Text, unified},
    resources::{
        self,
        manifest::{Outlook, Rendered, Terms, labels, outlook, shown},
        ownership,
    },
    session::Session,
};
use futures::future::try_join_all;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What one node of the plan comes to.
#[derive(Serialize)]
struct Entry {
    key: Key,
    act: Act,
    /// Who says so: the server's dry run, or the plan.
    by: By,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    /// NAMESPACE/KIND/NAME of an object, or the key.
    name: String,
    live: Option<Value>,
    merged: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Server,
    Plan,
}

pub async fn diff(session: &Session, file: Option<PathBuf>, exit_code: bool) -> Result<Exit, Failure> {
    let goal = Goal::Plan { file, out: None, exit_code };
    let inputs = session.unless_interrupted(converge::inputs(session, &goal)).await??;
    let looked = session.unless_interrupted(converge::look(session, &goal, &inputs)).await??;
    let plan = &looked.plan;
    let actions = plan.actions.iter().filter(|a| a.act.changes());
    let mut entries = session.unless_interrupted(try_join_all(actions.map(|a| of_action(session, &looked, a)))).await??;
    // what needs a decision differs too: shown as it would be, once decided
    let refused = plan.refused.iter().filter_map(|r| inputs.desired.nodes.get(&r.key));
    let refused = try_join_all(refused.map(|node| of_refused(session, &looked, &inputs.ledger, &node.key, &node.kind)));
    entries.extend(session.unless_interrupted(refused).await??.into_iter().flatten());
    say_what_is_planned(session, &entries);
    for refusal in &plan.refused {
        let mut text = Text::from(format!("refused {}: {}", refusal.key, refusal.reason));
        text.extend(refusal.way_out.iter().map(|way| Line::from(format!("hint: {way}"))));
        session.terminal.complain(text);
    }
    for action in plan.actions.iter().filter(|a| !a.notes.is_empty()) {
        session.terminal.say(format!("{}: {}", action.key, action.notes.0.join("; ")));
    }
    let differs = !entries.is_empty() || !plan.refused.is_empty();
    let text = |entry: &Entry| unified::diff(&entry.name, entry.live.as_ref(), entry.merged.as_ref());
    match session.global.output {
        Format::Table => {
            let mut all = Text::new();
            entries.iter().for_each(|entry| all.append(unified::shown(&text(entry))));
            answer(session, all)?;
        }
        Format::Json | Format::Yaml => {
            let listed: Vec<Value> = entries
                .iter()
                .map(|entry| {
                    let mut listed = json!(entry);
                    listed["diff"] = json!(text(entry));
                    listed
                })
                .collect();
            let document = json!({ "version": 1, "app": plan.app, "differs": differs, "changes": listed, "refused": json!(plan.refused) });
            answer(session, render(session, &document))?;
        }
    }
    Ok(if exit_code && differs { Exit::Differs } else { Exit::Done })
}

/// Each reason once, with all that it holds for.
fn say_what_is_planned(session: &Session, entries: &[Entry]) {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in entries {
        let (By::Plan, Some(why)) = (entry.by, &entry.because) else { continue };
        match told.iter_mut().find(|(w, _)| w == why) {
            Some((_, all)) => all.push(entry.key.as_str()),
            None => told.push((why, vec![entry.key.as_str()])),
        }
    }
    for (why, keys) in told {
        session.terminal.say(format!("{why}; shown as planned: {}", keys.join(", ")));
    }
}

fn failed(key: &Key, fault: &Fault) -> Failure {
    explain(key, fault)
}

async fn of_action(session: &Session, looked: &Looked, action: &Action) -> Result<Entry, Failure> {
    let told = |fault: Fault| failed(&action.key, &fault);
    let mine = action.origin == Origin::Created;
    let Some(rendered) = rendered(looked, &action.kind, &action.work.placed, mine).await.map_err(told)? else {
        return Ok(of_azure(looked, action));
    };
    let entry =
        |by, because, live, merged| Entry { key: action.key.clone(), act: action.act, by, because, name: name(&rendered), live, merged };
    let live = live(looked, &rendered).await.map_err(told)?;
    if action.act == Act::Delete {
        return Ok(entry(By::Server, None, live, None));
    }
    if let Some(unknown) = &rendered.unknown {
        let merged = overlaid(live.as_ref(), &rendered.manifest);
        let namespace = rendered.place.at.namespace.as_deref().filter(|n| live.is_none() && is_made(&looked.plan, action, n));
        let because = namespace.map_or_else(|| format!("waiting for outputs of {unknown}"), not_there);
        return Ok(entry(By::Plan, Some(because), live, Some(merged)));
    }
    if live.as_ref().is_some_and(|l| l.pointer("/metadata/deletionTimestamp").is_some()) {
        let because = "it is being deleted and will be created again".to_owned();
        return Ok(entry(By::Plan, Some(because), live, Some(rendered.manifest.clone())));
    }
    let terms = terms(session, mine);
    let merged = match merged(looked, &rendered, terms).await {
        Err(fault) => match missing_namespace(&fault).filter(|name| is_made(&looked.plan, action, name)) {
            Some(name) => return Ok(entry(By::Plan, Some(not_there(&name)), live, Some(rendered.manifest.clone()))),
            None if is_kind_missing(&fault) => {
                let because = format!("the kind {} is not defined yet", rendered.place.at.api.kind);
                return Ok(entry(By::Plan, Some(because), live, Some(rendered.manifest.clone())));
            }
            None => return Err(told(fault)),
        },
        Ok(merged) => merged,
    };
    Ok(entry(By::Server, None, live, merged))
}

/// As it would be if the conflicts were decided for podid. None: of a thing that is not even there.
async fn of_refused(session: &Session, looked: &Looked, ledger: &Ledger, key: &Key, kind: &str) -> Result<Option<Entry>, Failure> {
    let told = |fault: Fault| failed(key, &fault);
    let app = &looked.plan.app;
    let Some(placed) = looked.observed.placed.get(key) else { return Ok(None) };
    let plain = async |mine| rendered(looked, kind, placed, mine).await.map(|r| r.filter(|r| r.unknown.is_none()));
    let Some(rendered) = plain(false).await.map_err(told)? else { return Ok(None) };
    let Some(live) = live(looked, &rendered).await.map_err(told)? else { return Ok(None) };
    let mine = match ledger.get(app, key).map(|e| e.origin) {
        Some(Origin::Created) => true,
        Some(Origin::Adopted | Origin::Extended) => false,
        Some(Origin::Existing) | None => ownership::owner(app, &labels(&live)) == Owner::Ours,
    };
    let Some(rendered) = plain(mine).await.map_err(told)? else { return Ok(None) };
    let terms = Terms { force_conflicts: true, ..terms(session, mine) };
    let merged = merged(looked, &rendered, terms).await.map_err(told)?;
    let because = Some("refused".to_owned());
    Ok(Some(Entry { key: key.clone(), act: Act::Update, by: By::Server, because, name: name(&rendered), live: Some(live), merged }))
}

fn is_kind_missing(fault: &Fault) -> bool {
    matches!(fault, Fault::Cloud(error) if matches!(error.downcast_ref(), Some(cluster::Error::KindMissing { .. })))
}

fn not_there(namespace: &str) -> String {
    format!("the namespace {namespace} does not exist yet")
}

fn terms(session: &Session, mine: bool) -> Terms {
    Terms { adopt: session.global.adopt, force_conflicts: session.global.force_conflicts, mine, local: false }
}

fn name(rendered: &Rendered) -> String {
    let at = &rendered.place.at;
    let parts = at.namespace.iter().map(String::as_str).chain([at.api.kind.as_str(), at.name.as_str()]);
    parts.collect::<Vec<_>>().join("/")
}

async fn rendered(looked: &Looked, kind: &str, placed: &Value, mine: bool) -> Result<Option<Rendered>, Fault> {
    resources::of(kind)?.rendered(placed.clone(), &looked.plan.app, mine, &looked.reader).await
}

/// As it is there, seen when it was planned.
async fn live(looked: &Looked, rendered: &Rendered) -> Result<Option<Value>, Fault> {
    let cluster = looked.reader.cluster(&rendered.place.target).await?;
    match cluster.get(&rendered.place.at).await {
        // a plan with such a kind defines it before
        Err(cluster::Error::KindMissing { .. }) => Ok(None),
        found => Ok(found.map_err(Fault::cloud)?.map(|live| shown(&live))),
    }
}

async fn merged(looked: &Looked, rendered: &Rendered, terms: Terms) -> Result<Option<Value>, Fault> {
    let cluster = looked.reader.cluster(&rendered.place.target).await?;
    let live = cluster.get(&rendered.place.at).await.map_err(Fault::cloud)?.unwrap_or_default();
    match outlook(&cluster, &rendered.place, &live, &rendered.manifest, terms).await? {
        Outlook::Would { object, .. } => Ok(Some(shown(&object))),
        Outlook::Conflicts(fields) => Err(crate::resources::conflict::fault(&fields, terms.mine)),
    }
}

/// The manifest laid over what is there, field by field.
fn overlaid(live: Option<&Value>, manifest: &Value) -> Value {
    fn lay(under: &mut Value, over: &Value) {
        match (under, over) {
            (Value::Object(under), Value::Object(over)) => {
                over.iter().for_each(|(name, value)| lay(under.entry(name.clone()).or_insert(Value::Null), value));
            }
            (under, over) => *under = over.clone(),
        }
    }
    let mut merged = live.cloned().unwrap_or_default();
    lay(&mut merged, manifest);
    merged
}

/// The plan's fields: those that change, or all that a creation sets and a deletion takes away.
fn of_azure(looked: &Looked, action: &Action) -> Entry {
    let fields = |of: fn(&Change) -> &Value| {
        let fields: Map<String, Value> =
            action.changes.iter().filter(|c| !of(c).is_null()).map(|c| (c.field.clone(), of(c).clone())).collect();
        Some(Value::Object(fields))
    };
    let kind = resources::of(&action.kind).ok().filter(|k| k.side() == Side::Azure);
    let summary = || {
        let summary = kind.and_then(|k| k.creation_summary(&action.work.placed).ok()).unwrap_or_default();
        Some(Value::Object(summary.into_iter().filter(|(_, v)| !v.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()))
    };
    let there = looked.observed.seen.get(&action.key).is_some_and(Option::is_some);
    let (live, merged) = match action.act {
        Act::Delete => (summary(), None),
        Act::Create => (None, fields(|c| &c.to)),
        _ if there => (fields(|c| &c.from), fields(|c| &c.to)),
        _ => (None, summary()),
    };
    let name = format!("azure/{}", action.key);
    let because = action.unseen.then(|| "it cannot be read yet".to_owned());
    Entry { key: action.key.clone(), act: action.act, by: By::Plan, because, name, live, merged }
}
