//! How a report of findings is answered: for people, as a document, as SARIF or as JUnit XML; and the exit code that it leads to.

use crate::{
    chain::page::Severity,
    cli::{Format, ReportFormat, doctor::Verdict},
    converge::{answer, render},
    doctor::{
        finding::{Finding, Report},
        junit, sarif,
        suppress::{Suppression, suppress},
    },
    exit::Exit,
    failure::Failure,
    output::{Line, Text, json},
    session::Session,
    spec::model::Spec,
};

/// What the spec suppresses, after what the command does.
pub fn suppressions(verdict: &Verdict, spec: Option<&Spec>) -> Vec<Suppression> {
    let of_spec = spec.into_iter().flat_map(|spec| &spec.suppress).filter_map(|entry| {
        // the codes were checked when the spec was read
        let suppression: Suppression = entry.code.parse().ok()?;
        Some(Suppression { resource: entry.resource.clone(), reason: entry.reason.clone(), ..suppression })
    });
    verdict.suppress.iter().cloned().chain(of_spec).collect()
}

pub fn report(session: &Session, mut report: Report, verdict: &Verdict, suppressed: &[Suppression]) -> Result<Exit, Failure> {
    let unused = suppress(&mut report, suppressed);
    report.merge();
    for one in unused {
        let at = one.resource.as_ref().map(|resource| format!(" at {resource}")).unwrap_or_default();
        session.terminal.say(format!("nothing was found that the suppression of {}{at} is for", one.code));
    }
    let text = match (session.global.report, session.global.output) {
        (Some(ReportFormat::Sarif), _) => json::text(&sarif::document(&report)),
        (Some(ReportFormat::Junit), _) => Text::of_lines(&junit::document(&report)),
        (None, Format::Json | Format::Yaml) => render(session, &report.document()),
        (None, Format::Table) => shown(&report),
    };
    answer(session, text)?;
    let differs = verdict.exit_code.0.is_some_and(|severity| report.has(severity));
    Ok(if differs { Exit::Differs } else { Exit::Done })
}

fn shown(report: &Report) -> Text {
    let mut lines = Text::new();
    for finding in report.open() {
        one(&mut lines, finding);
    }
    for finding in report.suppressed() {
        let reason = finding.suppressed.as_deref().unwrap_or_default();
        lines.push(Line::new().dim(format!("suppressed {} {}: {} ({reason})", finding.page.code, finding.resource, finding.what)));
    }
    for gap in &report.unseen {
        lines.push(Line::new().dim(format!("not looked at: {gap}")));
    }
    lines.push(summary(report));
    lines
}

fn one(lines: &mut Text, finding: &Finding) {
    let word = finding.severity.word();
    let line = match finding.severity {
        Severity::Error => Line::new().red(word),
        Severity::Warning => Line::new().yellow(word),
        Severity::Info => Line::new().dim(word),
    };
    lines.push(line.plain(" ").bold(finding.page.code).plain(format!(" {}: {}", finding.resource, finding.what)));
    if !finding.workloads.is_empty() {
        let all = finding.workloads.join(", ");
        lines.push_message(Line::from(format!("  {:<8} ", "concerns")), "           ", &all);
    }
    for (word, texts) in
        [("read", &finding.evidence), ("because", &finding.causes), ("follows", &finding.consequences), ("fix", &finding.hints)]
    {
        for text in texts {
            lines.push_message(Line::from(format!("  {word:<8} ")), "           ", text);
        }
    }
    if finding.hints.is_empty() {
        finding.further().iter().for_each(|command| lines.push(format!("  {:<8} `{command}`", "look")));
    }
    lines.push(format!("  {:<8} podid explain {}", "more", finding.page.code));
}

fn summary(report: &Report) -> String {
    let plural = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let infos = report.count(Severity::Info);
    let suppressed = report.suppressed().count();
    let more = if suppressed > 0 { format!(", {suppressed} suppressed") } else { String::new() };
    let what = if report.tool == "doctor" { plural(report.checked.len(), "workload") } else { plural(report.checked.len(), "check") };
    let place = if report.clusters.is_empty() { String::new() } else { format!(" of {}", report.clusters.join(", ")) };
    format!("{}, {}, {infos} info{more}; {what}{place} examined", plural(errors, "error"), plural(warnings, "warning"))
}
