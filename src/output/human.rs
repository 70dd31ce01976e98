//! Plans, reports and failures for people. Each function returns a text, which the caller prints.

use super::{
    Line, Text,
    wording::{count, done, symbol, time, value, verb},
};
use crate::{
    engine::{
        execute::Report,
        fault::Fault,
        key::Key,
        ledger::Origin,
        plan::{Act, Action, LeftOut, Plan, Summary, Warning},
        resource::Change,
    },
    failure::Failure,
};
use std::{collections::BTreeMap, fmt::Display, time::Duration};

/// Explains a fault to people.
pub type Explain<'a> = &'a dyn Fn(&Key, &Fault) -> Failure;

/// Shows every change with its fields, every refusal with its hint, and a summary. Unchanged resources are only counted unless `verbose`.
pub fn plan(plan: &Plan, verbose: u8) -> Text {
    let mut lines = Text::new();
    for listed in plan.actions.iter().filter(|a| verbose > 0 || is_listed(a)) {
        action(&mut lines, listed, verbose);
    }
    for (at, refusal) in plan.refused.iter().enumerate() {
        lines.push(Line::from("  ").red("! refused").plain(" ").bold(&refusal.key));
        lines.push(detail(&refusal.reason));
        lines.extend(refusal.changes.iter().map(|c| detail(format!("  {}", change(c, Act::Update)))));
        // a hint of several refusals is shown under the last one
        let again = plan.refused.get(at + 1).is_some_and(|next| next.way_out == refusal.way_out);
        lines.extend(refusal.way_out.iter().filter(|_| !again).map(detail));
    }
    for warning in &plan.warnings {
        lines.push(Line::from("  ").yellow("! warning").plain(" ").bold(&warning.key));
        lines.push(detail(&warning.text));
        lines.extend(warning.hint.iter().map(detail));
    }
    let mut text = Text::new();
    if !lines.is_empty() {
        text.push(format!("app {}:", plan.app));
        text.append(lines);
        text.push("");
    }
    text.extend(left_out(plan, verbose));
    text.push(Line::new().bold(summary(plan)));
    text
}

/// Says what a flag keeps out of the run, by kind; by name with `-v`.
fn left_out(plan: &Plan, verbose: u8) -> Option<Line> {
    let LeftOut { flag, keys } = &plan.left_out;
    let shown: Vec<String> = if verbose > 0 {
        keys.iter().map(Key::to_string).collect()
    } else {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        keys.iter().for_each(|key| *kinds.entry(key.kind()).or_default() += 1);
        kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect()
    };
    let names = if verbose > 0 { "" } else { " (-v names them)" };
    (!keys.is_empty()).then(|| Line::new().dim(format!("left out because of {flag}: {}{names}", shown.join(", "))))
}

/// Indents a line below that of an action.
fn detail(text: impl Display) -> Line {
    Line::from("              ").plain(text)
}

/// Shows the warnings of a plan, for a run that does not show the plan. None if it has none.
pub fn warnings(plan: &Plan) -> Option<Text> {
    let lines = |w: &Warning| {
        let warning = Line::new().yellow("warning:").plain(format!(" {}: {}", w.key, w.text));
        std::iter::once(warning).chain(w.hint.iter().map(hint)).collect::<Vec<_>>()
    };
    (!plan.warnings.is_empty()).then(|| plan.warnings.iter().flat_map(lines).collect())
}

/// Shows a warning with its hint.
pub fn warning(text: &str, way_out: &str) -> Text {
    [Line::new().yellow("warning:").plain(" ").plain(text), hint(way_out)].into_iter().collect()
}

fn hint(text: impl Display) -> Line {
    Line::new().green("hint:").plain(" ").plain(text)
}

/// Returns whether an action is shown. A kept resource is shown only with a reason: it is kept although it was to be deleted.
fn is_listed(action: &Action) -> bool {
    action.act != Act::Keep || !action.notes.is_empty() || (action.why.is_some() && action.origin != Origin::Existing)
}

/// Returns why a kept resource is shown.
fn reason(action: &Action) -> String {
    action.why.iter().chain(&action.notes.0).map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn action(lines: &mut Text, action: &Action, verbose: u8) {
    let sign = format!("{} {:<7}", symbol(action.act), verb(action.act));
    let line = Line::from("  ");
    let line = match action.act {
        Act::Create => line.green(sign),
        Act::Update | Act::Replace | Act::HandOver => line.yellow(sign),
        Act::Delete => line.red(sign),
        Act::Keep | Act::Adopt | Act::Forget => line.dim(sign),
    };
    let cluster = action.cluster.as_ref().filter(|_| verbose > 0).map(|c| format!(" on {c}")).unwrap_or_default();
    let unseen = action.unseen.then(|| "created, adopted or changed, as it is found; refused if it is another's and differs".to_owned());
    let why: Vec<String> = action.why.iter().cloned().chain(unseen).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    lines.push(line.plain(format!(" {}{cluster}{why}", action.key)));
    let act = if action.unseen { Act::Create } else { action.act };
    lines.extend(action.changes.iter().map(|c| detail(change(c, act))));
    lines.extend(action.notes.0.iter().map(detail));
    if verbose > 0 {
        lines.extend(action.commands.iter().map(|command| Line::new().dim(format!("              $ {command}"))));
    }
}

fn change(change: &Change, act: Act) -> String {
    if act == Act::Create {
        return format!("{}: {}", change.field, value(&change.to));
    }
    format!("{}: {} -> {}", change.field, value(&change.from), value(&change.to))
}

/// Returns `plan: 5 to create, 1 to update, 0 to delete, 9 unchanged`, or that there is nothing to do.
pub fn summary(plan: &Plan) -> String {
    let Summary { create, update, replace, delete, adopt, keep, .. } = plan.summary();
    let forget = plan.actions.iter().filter(|a| a.act == Act::Forget).count();
    match (create + update + replace + delete + forget + plan.refused.len(), adopt) {
        (0, 0) => return nothing(plan, keep),
        // adopting changes nothing but the state
        (0, _) => return format!("nothing to do: {adopt} to adopt, {keep} unchanged"),
        _ => {}
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

/// Shows what was done, and what was kept although it was to be deleted, with the reason. If something failed, shows all that was done;
/// `failures` shows what failed.
pub fn report(report: &Report, plan: &Plan, took: Duration, verbose: u8) -> Text {
    let mut lines = Text::new();
    let troubled = !report.failed.is_empty() || !report.not_started.is_empty();
    if troubled || verbose > 0 {
        for (key, act, took) in &report.done {
            lines.push(Line::from("  ").green("done       ").plain(format!(" {} {key} in {}", done(*act), time(*took))));
        }
    }
    for (key, act, _) in report.done.iter().filter(|(_, act, _)| *act == Act::Replace) {
        let why = plan.action(key).and_then(|a| a.why.as_deref()).unwrap_or_default();
        lines.push(Line::from("  ").yellow(done(*act)).plain(format!(" {key}: {why}")));
    }
    for kept in plan.actions.iter().filter(|a| a.act == Act::Keep && is_listed(a)) {
        lines.push(Line::from("  ").dim("kept").plain(format!(" {}: {}", kept.key, reason(kept))));
    }
    if let Some(why) = &report.unsaved {
        lines.push(Line::new().red(format!("could not save the state: {why}")));
        lines.push("missing from the state file:");
        lines.extend(report.done.iter().map(|(key, act, _)| Line::from(format!("  {} {key}", done(*act)))));
    }
    lines.extend(left_out(plan, verbose));
    let Summary { create, update, replace, delete, adopt, keep, failed, not_started } = report.summary(plan);
    let unchanged = !plan.has_changes() && !plan.actions.iter().any(|action| action.act == Act::Forget);
    if unchanged && !troubled && !report.interrupted && report.unsaved.is_none() {
        lines.push(Line::new().bold(match adopt {
            0 => nothing(plan, keep),
            _ => format!("nothing to do: {adopt} adopted, {keep} unchanged"),
        }));
        return lines;
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
    lines.push(Line::new().bold(format!("{word}: {}, in {}", parts.join(", "), time(took))));
    lines
}

/// Shows the result of a server-side dry run: `done` was accepted; `planned` could not be sent, with the reason.
pub fn rehearsal(report: &Report, planned: &[(&Key, Act, &str)]) -> Text {
    let accepted = |(key, act, _): &(Key, Act, Duration)| Line::from("  ").green(done(*act)).plain(format!(" {key} (server dry run)"));
    let mut lines: Text = report.done.iter().map(accepted).collect();
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for (key, act, why) in planned {
        let what = format!("{} {key}", verb(*act));
        match told.iter_mut().find(|(w, _)| w == why) {
            Some((_, all)) => all.push(what),
            None => told.push((why, vec![what])),
        }
    }
    for (why, what) in told {
        lines.push(Line::from("  ").dim("only planned:").plain(format!(" to {}: {why}", what.join(", "))));
    }
    let (accepted, failed) = (report.done.len(), report.failed.len());
    let mut parts = vec![format!("{accepted} accepted")];
    parts.extend((failed > 0).then(|| format!("{failed} not accepted")));
    parts.extend((!planned.is_empty()).then(|| format!("{} only planned", planned.len())));
    lines.push(Line::new().bold(format!("server dry run: {}; nothing was changed", parts.join(", "))));
    lines
}

/// Returns the failures, each cause once for all actions that it stopped. `explain` leaves the key out.
pub fn failures(report: &Report, explain: Explain<'_>) -> Vec<Failure> {
    let mut told: Vec<(Vec<String>, Failure)> = Vec::new();
    for (key, act, fault) in &report.failed {
        let (what, failure) = (format!("{} {key}", verb(*act)), explain(key, fault));
        match told.iter_mut().find_map(|(all, f)| f.takes(&failure).then_some(all)) {
            Some(all) => all.push(what),
            None => told.push((vec![what], failure)),
        }
    }
    let named = |(what, cause): (Vec<String>, Failure)| {
        let message = format!("could not {}: {}", what.join(", "), cause.message);
        Failure { message, ..cause }
    };
    told.into_iter().map(named).collect()
}

/// Shows what was not started, a line for each reason.
pub fn not_started(report: &Report) -> Text {
    let mut waited: Vec<(&str, Vec<String>)> = Vec::new();
    for (key, act, because) in &report.not_started {
        let what = format!("{} {key}", verb(*act));
        match waited.iter_mut().find(|(b, _)| b == because) {
            Some((_, all)) => all.push(what),
            None => waited.push((because, vec![what])),
        }
    }
    let line =
        |(because, what): (&str, Vec<String>)| Line::new().yellow("not started: to").plain(format!(" {}: {because}", what.join(", ")));
    waited.into_iter().map(line).collect()
}

/// Shows a failure: `error: could not …`, causes, hints.
pub fn failure(failure: &Failure) -> Text {
    let mut text = Text::new();
    text.push_message(Line::new().red("error:").plain(" "), "  ", &failure.message);
    for cause in &failure.causes {
        text.push_message(Line::from("  because "), "    ", cause);
    }
    for hint in &failure.hints {
        text.push_message(Line::new().green("hint:").plain(" "), "      ", hint);
    }
    text
}
