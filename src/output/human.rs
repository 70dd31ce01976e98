//! Plans, reports and failures for people. Each gives a text; who prints it where is for the caller to say.

use super::{
    paint::Paint,
    tell::{count, done, symbol, time, value, verb},
};
use crate::{
    engine::{
        execute::Report,
        fault::Fault,
        key::Key,
        ledger::Origin,
        plan::{Act, Action, Plan, Summary, Warning},
        resource::Change,
    },
    failure::Failure,
};
use std::time::Duration;

/// What a fault means to people; `failure` knows.
pub type Explain<'a> = &'a dyn Fn(&Key, &Fault) -> Failure;

/// Every change with its fields, every refusal with its way out, a line that sums up. What stays is folded to a count unless `verbose`.
pub fn plan(plan: &Plan, paint: Paint, verbose: u8) -> String {
    let mut lines = Vec::new();
    for listed in plan.actions.iter().filter(|a| verbose > 0 || is_listed(a)) {
        action(&mut lines, listed, paint, verbose);
    }
    for (at, refusal) in plan.refused.iter().enumerate() {
        lines.push(format!("  {} {}", paint.red("! refused"), paint.bold(refusal.key.as_str())));
        lines.push(format!("              {}", refusal.reason));
        lines.extend(refusal.changes.iter().map(|c| format!("                {}", change(c, Act::Update))));
        // one way out of several refusals stands under the last
        let again = plan.refused.get(at + 1).is_some_and(|next| next.way_out == refusal.way_out);
        lines.extend(refusal.way_out.iter().filter(|_| !again).map(|way| format!("              {way}")));
    }
    for warning in &plan.warnings {
        lines.push(format!("  {} {}", paint.yellow("! warning"), paint.bold(warning.key.as_str())));
        lines.push(format!("              {}", warning.text));
        lines.extend(warning.hint.iter().map(|hint| format!("              {hint}")));
    }
    if !lines.is_empty() {
        lines.insert(0, format!("app {}:", plan.app));
        lines.push(String::new());
    }
    lines.push(paint.bold(&summary(plan)));
    lines.join("\n") + "\n"
}

/// What will not work as it is, for a run that shows no plan. None: nothing is known.
pub fn warnings(plan: &Plan, paint: Paint) -> Option<String> {
    let line = |w: &Warning| {
        let hint = w.hint.iter().map(|hint| format!("\n{} {hint}", paint.green("hint:"))).collect::<String>();
        format!("{} {}: {}{hint}\n", paint.yellow("warning:"), w.key, w.text)
    };
    (!plan.warnings.is_empty()).then(|| plan.warnings.iter().map(line).collect())
}

/// What stays is worth a line only if it says why: what is kept although it was to go.
fn is_listed(action: &Action) -> bool {
    action.act != Act::Keep || !action.notes.is_empty() || (action.why.is_some() && action.origin != Origin::Existing)
}

/// Why something is listed that stays.
fn reason(action: &Action) -> String {
    action.why.iter().chain(&action.notes.0).map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn action(lines: &mut Vec<String>, action: &Action, paint: Paint, verbose: u8) {
    let sign = format!("{} {:<7}", symbol(action.act), verb(action.act));
    let sign = match action.act {
        Act::Create => paint.green(&sign),
        Act::Update | Act::Replace | Act::HandOver => paint.yellow(&sign),
        Act::Delete => paint.red(&sign),
        Act::Keep | Act::Adopt | Act::Forget => paint.dim(&sign),
    };
    let cluster = action.cluster.as_ref().filter(|_| verbose > 0).map(|c| format!(" on {c}")).unwrap_or_default();
    let unseen = action.unseen.then(|| "created, adopted or changed, as it is found; refused if it is another's and differs".to_owned());
    let why: Vec<String> = action.why.iter().cloned().chain(unseen).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    lines.push(format!("  {sign} {}{cluster}{why}", action.key));
    let act = if action.unseen { Act::Create } else { action.act };
    lines.extend(action.changes.iter().map(|c| format!("              {}", change(c, act))));
    lines.extend(action.notes.0.iter().map(|note| format!("              {note}")));
    if verbose > 0 {
        lines.extend(action.commands.iter().map(|command| paint.dim(&format!("              $ {command}"))));
    }
}

fn change(change: &Change, act: Act) -> String {
    if act == Act::Create {
        return format!("{}: {}", change.field, value(&change.to));
    }
    format!("{}: {} -> {}", change.field, value(&change.from), value(&change.to))
}

/// `plan: 5 to create, 1 to update, 0 to delete, 9 unchanged`, or that there is nothing to do.
pub fn summary(plan: &Plan) -> String {
    let Summary { create, update, replace, delete, adopt, keep, .. } = plan.summary();
    let forget = plan.actions.iter().filter(|a| a.act == Act::Forget).count();
    if create + update + replace + delete + adopt + forget + plan.refused.len() == 0 {
        return nothing(plan, keep);
    }
    let mut parts = vec![format!("{create} to create"), format!("{update} to update")];
    parts.extend((replace > 0).then(|| format!("{replace} to replace")));
    parts.push(format!("{delete} to delete"));
    parts.extend((adopt > 0).then(|| format!("{adopt} to adopt")));
    parts.extend((forget > 0).then(|| format!("{forget} to forget")));
    parts.push(format!("{keep} unchanged"));
    parts.extend((!plan.refused.is_empty()).then(|| format!("{} refused", plan.refused.len())));
    format!("plan: {}", parts.join(", "))
}

fn nothing(plan: &Plan, keep: usize) -> String {
    let kept = |a: &Action| a.act == Act::Keep && is_listed(a);
    match (keep, plan.actions.iter().any(kept)) {
        (0, _) => format!("nothing to do: app {} has no resources", plan.app),
        (_, true) => format!("nothing to do: {} unchanged", count(keep, "resource", "resources")),
        (1, false) => "nothing to do: 1 resource is as it should be".into(),
        (_, false) => format!("nothing to do: {keep} resources are as they should be"),
    }
}

/// What was done, and what was kept although it was to go, with the reason; where something failed, everything that was done.
/// `troubles` says what failed.
pub fn report(report: &Report, plan: &Plan, took: Duration, paint: Paint, verbose: u8) -> String {
    let mut lines = Vec::new();
    let troubled = !report.failed.is_empty() || !report.not_started.is_empty();
    if troubled || verbose > 0 {
        for (key, act, took) in &report.done {
            lines.push(format!("  {} {} {key} in {}", paint.green("done       "), done(*act), time(*took)));
        }
    }
    for (key, act, _) in report.done.iter().filter(|(_, act, _)| *act == Act::Replace) {
        let why = plan.action(key).and_then(|a| a.why.as_deref()).unwrap_or_default();
        lines.push(format!("  {} {key}: {why}", paint.yellow(done(*act))));
    }
    for kept in plan.actions.iter().filter(|a| a.act == Act::Keep && is_listed(a)) {
        lines.push(format!("  {} {}: {}", paint.dim("kept"), kept.key, reason(kept)));
    }
    if let Some(why) = &report.unsaved {
        lines.push(paint.red(&format!("the state could not be saved: {why}")));
        lines.push("what the state file does not know:".into());
        lines.extend(report.done.iter().map(|(key, act, _)| format!("  {} {key}", done(*act))));
    }
    let Summary { create, update, replace, delete, adopt, keep, failed, not_started } = report.summary(plan);
    let untouched = report.done.is_empty() && adopt == 0 && !plan.has_changes();
    if untouched && !troubled && !report.interrupted && report.unsaved.is_none() {
        lines.push(paint.bold(&nothing(plan, keep)));
        return lines.join("\n") + "\n";
    }
    let mut parts = vec![format!("{create} created"), format!("{update} updated")];
    parts.extend((replace > 0).then(|| format!("{replace} replaced")));
    parts.push(format!("{delete} deleted"));
    parts.extend((adopt > 0).then(|| format!("{adopt} adopted")));
    parts.push(format!("{keep} unchanged"));
    parts.extend((failed > 0).then(|| format!("{failed} failed")));
    parts.extend((not_started > 0).then(|| format!("{not_started} not started")));
    let word = match (report.interrupted, troubled) {
        (true, _) => "interrupted",
        (false, true) => "not done",
        (false, false) => "done",
    };
    lines.push(paint.bold(&format!("{word}: {}, in {}", parts.join(", "), time(took))));
    lines.join("\n") + "\n"
}

/// What a server said to a run of which it kept nothing: `done` is what it would have taken. `planned`: what it could not be asked, and why.
pub fn rehearsal(report: &Report, planned: &[(&Key, Act, &str)], paint: Paint) -> String {
    let mut lines: Vec<String> =
        report.done.iter().map(|(key, act, _)| format!("  {} {key} (server dry run)", paint.green(done(*act)))).collect();
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for (key, act, why) in planned {
        let what = format!("{} {key}", verb(*act));
        match told.iter_mut().find(|(w, _)| w == why) {
            Some((_, all)) => all.push(what),
            None => told.push((why, vec![what])),
        }
    }
    for (why, what) in told {
        lines.push(format!("  {} to {}: {why}", paint.dim("only planned:"), what.join(", ")));
    }
    let (accepted, failed) = (report.done.len(), report.failed.len());
    let mut parts = vec![format!("{accepted} accepted")];
    parts.extend((failed > 0).then(|| format!("{failed} not accepted")));
    parts.extend((!planned.is_empty()).then(|| format!("{} only planned", planned.len())));
    lines.push(paint.bold(&format!("server dry run: {}; nothing was changed", parts.join(", "))));
    lines.join("\n") + "\n"
}

/// What failed, each cause told once however many it stopped, and what was not even begun for it. None: all went well.
/// `explain` leaves the key out.
pub fn troubles(report: &Report, explain: Explain<'_>, paint: Paint) -> Option<String> {
    let mut told: Vec<(Vec<String>, Failure)> = Vec::new();
    for (key, act, fault) in &report.failed {
        let (what, failure) = (format!("{} {key}", verb(*act)), explain(key, fault));
        match told.iter_mut().find_map(|(all, f)| f.takes(&failure).then_some(all)) {
            Some(all) => all.push(what),
            None => told.push((vec![what], failure)),
        }
    }
    let mut text = String::new();
    for (what, mut cause) in told {
        cause.message = format!("could not {}: {}", what.join(", "), cause.message);
        text += &failure(&cause, paint);
    }
    let mut waited: Vec<(&str, Vec<String>)> = Vec::new();
    for (key, act, because) in &report.not_started {
        let what = format!("{} {key}", verb(*act));
        match waited.iter_mut().find(|(b, _)| b == because) {
            Some((_, all)) => all.push(what),
            None => waited.push((because, vec![what])),
        }
    }
    for (because, what) in waited {
        text += &format!("{} {}: {because}\n", paint.yellow("not started: to"), what.join(", "));
    }
    (!text.is_empty()).then_some(text)
}

/// `error: could not …`, why, and what to run next.
pub fn failure(failure: &Failure, paint: Paint) -> String {
    let mut lines = vec![format!("{} {}", paint.red("error:"), failure.message)];
    lines.extend(failure.causes.iter().map(|cause| format!("  because {}", cause.replace('\n', "\n  "))));
    lines.extend(failure.hints.iter().map(|hint| format!("{} {}", paint.green("hint:"), hint.replace('\n', "\n      "))));
    lines.join("\n") + "\n"
}
