//! Plans, reports and failures for programs: one document each, with a version. The summary's names are fixed.

use super::{Text, clean, human::Explain};
use crate::{
    engine::{
        execute::Report,
        fault::Fault,
        key::Key,
        plan::{Act, Plan, Summary},
    },
    failure::Failure,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

pub const VERSION: u32 = 1;

pub fn plan(plan: &Plan) -> Value {
    document(plan, plan.actions.iter().map(object).collect(), plan.summary())
}

/// Returns the plan, with the result of each action.
pub fn report(report: &Report, plan: &Plan, explain: Explain<'_>, took: Duration) -> Value {
    let results = Results::of(report, explain);
    let actions = plan
        .actions
        .iter()
        .map(|action| {
            let mut shown = object(action);
            if let Some(fields) = shown.as_object_mut() {
                fields.extend(results.of_action(&action.key, action.act));
            }
            shown
        })
        .collect();
    let mut document = document(plan, actions, report.summary(plan));
    document["seconds"] = json!(rounded(took));
    document["interrupted"] = json!(report.interrupted);
    if let Some(why) = &report.unsaved {
        document["unsaved"] = json!(why);
    }
    document
}

fn document(plan: &Plan, actions: Vec<Value>, summary: Summary) -> Value {
    let refused: Vec<Value> = plan.refused.iter().map(object).collect();
    let mut document = json!({ "version": VERSION, "app": plan.app, "actions": actions, "refused": refused, "summary": object(&summary) });
    if !plan.warnings.is_empty() {
        document["warnings"] = plan.warnings.iter().map(object).collect();
    }
    if !plan.left_out.keys.is_empty() {
        document["left_out"] = plan.left_out.keys.iter().map(object).collect();
    }
    document
}

/// The results of the actions of a run, by key.
struct Results<'a> {
    done: BTreeMap<&'a Key, (Act, Duration)>,
    failed: BTreeMap<&'a Key, &'a Fault>,
    not_started: BTreeMap<&'a Key, &'a str>,
    explain: Explain<'a>,
}

impl<'a> Results<'a> {
    fn of(report: &'a Report, explain: Explain<'a>) -> Self {
        Self {
            done: report.done.iter().map(|(key, act, took)| (key, (*act, *took))).collect(),
            failed: report.failed.iter().map(|(key, _, fault)| (key, fault)).collect(),
            not_started: report.not_started.iter().map(|(key, _, because)| (key, because.as_str())).collect(),
            explain,
        }
    }

    fn of_action(&self, key: &Key, act: Act) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut say = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        if let Some((did, took)) = self.done.get(key) {
            say("result", json!("done"));
            // reading again just before the write may have changed the act
            if *did != act {
                say("did", json!(did));
            }
            say("seconds", json!(rounded(*took)));
        } else if let Some(fault) = self.failed.get(key) {
            say("result", json!("failed"));
            say("error", error(&(self.explain)(key, fault)));
        } else if let Some(because) = self.not_started.get(key) {
            say("result", json!("not_started"));
            say("because", json!(because));
        } else {
            say("result", json!(if act == Act::Keep { "kept" } else { "recorded" }));
        }
        fields
    }
}

/// Returns a failure as a document, for `-o json`.
pub fn failure(failure: &Failure) -> Value {
    json!({ "version": VERSION, "error": error(failure), "exit": failure.kind.code() })
}

pub fn error(failure: &Failure) -> Value {
    json!({ "message": failure.message, "causes": failure.causes, "hints": failure.hints })
}

/// Returns a duration in seconds, rounded to milliseconds.
fn rounded(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Serializes a part of a plan, which cannot fail.
fn object(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Formats a document as it is printed.
pub fn text(document: &Value) -> Text {
    Text::of_lines(&clean::json(&format!("{document:#}")))
}

/// Formats a document in one line.
pub fn line(document: &Value) -> Text {
    clean::json(&document.to_string()).into()
}
