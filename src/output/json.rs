//! Plans, reports and failures for programs: one document each, with a version. The summary's names are fixed.

use super::human::Explain;
use crate::{
    engine::{
        execute::Report,
        key::Key,
        plan::{Act, Plan, Summary},
    },
    failure::Failure,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

pub const VERSION: u32 = 1;

pub fn plan(plan: &Plan) -> Value {
    document(plan, plan.actions.iter().map(object).collect(), plan.summary())
}

/// The plan, and beside each action what became of it.
pub fn report(report: &Report, plan: &Plan, explain: Explain<'_>, took: Duration) -> Value {
    let actions = plan
        .actions
        .iter()
        .map(|action| {
            let mut shown = object(action);
            if let Some(fields) = shown.as_object_mut() {
                fields.extend(result(report, explain, &action.key, action.act));
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
    json!({ "version": VERSION, "app": plan.app, "actions": actions, "refused": refused, "summary": object(&summary) })
}

fn result(report: &Report, explain: Explain<'_>, key: &Key, act: Act) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut say = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some((.., took)) = report.done.iter().find(|(k, ..)| k == key) {
        say("result", json!("done"));
        say("seconds", json!(rounded(*took)));
    } else if let Some((.., fault)) = report.failed.iter().find(|(k, ..)| k == key) {
        say("result", json!("failed"));
        say("error", error(&explain(key, fault)));
    } else if let Some((.., because)) = report.not_started.iter().find(|(k, ..)| k == key) {
        say("result", json!("not_started"));
        say("because", json!(because));
    } else {
        say("result", json!(if act == Act::Keep { "kept" } else { "recorded" }));
    }
    fields
}

/// On `-o json` a failure is a document too.
pub fn failure(failure: &Failure) -> Value {
    json!({ "version": VERSION, "error": error(failure), "exit": failure.kind.code() })
}

pub fn error(failure: &Failure) -> Value {
    json!({ "message": failure.message, "causes": failure.causes, "hints": failure.hints })
}

/// Milliseconds are as fine as anybody reads them.
fn rounded(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Plans hold only what serde can print.
fn object(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// As it is printed.
pub fn text(document: &Value) -> String {
    format!("{document:#}\n")
}
