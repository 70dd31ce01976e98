//! The logs of the components that a workload's chain needs, on the nodes of its pods: the known texts in them become evidence of the link
//! that is broken, or a finding of their own where no link explains them. Which texts are known, the links themselves say.

use super::{
    beyond,
    case::{self, Case},
    reports::Reports,
    seen::Seen,
};
use crate::{
    chain::{
        link::{Link, Meaning, MissingLink, START, Symptom, UNKNOWN},
        page::{Page, Severity},
        texts::{cut, field},
        view::View,
    },
    components,
    resources::running::{self, Sign},
    survey::{
        Survey,
        kinds::{AZURE_IDENTITY, AZURE_IDENTITY_BINDING, POD},
    },
};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// A name that is shorter stands in too many lines.
const SHORTEST_NAME: usize = 4;
/// How many lines of one meaning are shown.
const SHOWN: usize = 2;

/// A component's pod whose log is read.
struct Source {
    pod: Value,
    container: String,
    program: String,
}

/// Lines that mean the same.
struct KnownText {
    link: Option<usize>,
    symptom: &'static Symptom,
    page: &'static Page,
    /// The newest first, each with where it is from.
    lines: Vec<(String, String)>,
    count: usize,
}

/// Reads the logs, and adds what they say.
pub async fn look(case: &Case<'_>, view: &View<'_>, reports: &Reports<'_>, seen: &mut Vec<Seen>) {
    let Some(survey) = view.survey else { return };
    let mut own: Option<Vec<String>> = None;
    let mut found: Vec<KnownText> = Vec::new();
    let oldest = case::oldest_pod(case, survey);
    for source in sources(case, survey, reports).await {
        let now = reports.errors(&source.pod, &source.container, false).await;
        // what a container that crashes again and again said at its end
        let before = if crashes(&source) { reports.errors(&source.pod, &source.container, true).await } else { Arc::default() };
        let place = format!("the log of {} ({})", source.program, field(&source.pod, "/metadata/name"));
        // what was written before the pods were made was about others, or about what was mended since
        let now = now.iter().filter(|line| oldest.zip(line.at).is_none_or(|(made, at)| at >= made));
        for line in now.chain(before.iter()).map(|line| line.text.as_str()) {
            let Some((link, symptom, page)) = meaning(case, line) else { continue };
            if !concerns(line, own.get_or_insert_with(|| own_names(case)), reports.names(all_names)) {
                continue;
            }
            let shown_line = (place.clone(), masked(line));
            match found.iter_mut().find(|one| one.page == page && one.link == link) {
                Some(same) => {
                    same.count += 1;
                    if same.lines.len() < SHOWN && !same.lines.contains(&shown_line) {
                        same.lines.push(shown_line);
                    }
                }
                None => found.push(KnownText { link, symptom, page, lines: vec![shown_line], count: 1 }),
            }
        }
    }
    for one in found {
        add(case, view, one, seen);
    }
}

/// The component's pods: those of a DaemonSet only on the nodes of the workload's pods.
async fn sources(case: &Case<'_>, survey: &Survey, reports: &Reports<'_>) -> Vec<Source> {
    let target = &case.target;
    let needed: BTreeSet<&str> = target.mode.needs().iter().chain(target.delivery.needs()).map(|one| one.name).collect();
    let signs: Vec<Sign> = components::all().filter(|one| needed.contains(one.name())).flat_map(components::Component::signs).collect();
    let nodes: BTreeSet<String> = case
        .workloads
        .iter()
        .flat_map(|workload| case::pods(workload, survey))
        .map(|pod| field(pod, "/spec/nodeName").to_owned())
        .filter(|node| !node.is_empty())
        .collect();
    let namespaces: BTreeSet<&String> =
        reports.installed().iter().filter(|(name, _)| needed.contains(name)).map(|(_, namespace)| namespace).collect();
    let mut found = Vec::new();
    for namespace in namespaces {
        for pod in reports.pods(namespace).await.iter() {
            let is_daemon = field(pod, "/metadata/ownerReferences/0/kind") == "DaemonSet";
            if is_daemon && !nodes.contains(field(pod, "/spec/nodeName")) {
                continue;
            }
            for sign in &signs {
                if let Some(container) = running::container(pod, sign) {
                    found.push(Source { pod: pod.clone(), container: container.to_owned(), program: sign.program.clone() });
                }
            }
        }
    }
    found
}

/// Whether the container was started again, and is not ready.
fn crashes(source: &Source) -> bool {
    let all = source.pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let own = all.into_iter().find(|status| field(status, "/name") == source.container);
    own.is_some_and(|own| {
        let restarts = own.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
        restarts > 0 && own.get("ready").and_then(Value::as_bool) != Some(true)
    })
}

/// The first link of the chain that knows a line; then what Azure's own interfaces say.
fn meaning(case: &Case<'_>, line: &str) -> Option<(Option<usize>, &'static Symptom, &'static Page)> {
    if let Some((link, symptom)) = case.target.symptom(line) {
        let at = case.target.links.iter().position(|one| std::ptr::eq(one, link));
        return Some((at, symptom, symptom.page.unwrap_or(link.page)));
    }
    let symptom = beyond::TEXTS.iter().find(|symptom| symptom.fits(line))?;
    Some((None, symptom, symptom.page?))
}

/// The words by which a line is about the workload.
fn own_names(case: &Case<'_>) -> Vec<String> {
    let (bound, delivered) = (&case.target.bound, &case.target.delivered);
    let mut own: Vec<String> = Vec::new();
    for workload in &case.workloads {
        own.push(format!("{}/{}", workload.namespace, workload.name));
        own.extend(workload.pods.iter().map(|pod| pod.name.clone()));
    }
    own.extend(bound.objects.values().map(|name| format!("{}/{name}", bound.namespace)));
    own.push(format!("{}/{}", bound.namespace, bound.subject));
    own.push(format!("{}:{}", bound.namespace, bound.subject));
    own.push(format!("{}/{}", delivered.namespace, delivered.name));
    own.push(format!("userassignedidentities/{}", bound.identity.name));
    own.push(format!("{}.vault", delivered.vault.name));
    own.extend(bound.identity.client_id().into_iter().flat_map(|id| [id.to_owned(), redacted(id)]));
    folded(own).collect()
}

/// The words by which a line is about any workload, as `mentioned` finds them.
fn all_names(survey: &Survey) -> HashSet<String> {
    let mut all: Vec<String> = Vec::new();
    let full = |object: &Value| format!("{}/{}", field(object, "/metadata/namespace"), field(object, "/metadata/name"));
    let kinds = [&AZURE_IDENTITY, &AZURE_IDENTITY_BINDING];
    all.extend(kinds.into_iter().flat_map(|kind| survey.cluster.of_kind(kind).iter()).map(full));
    // a component's pod that names itself reports of nobody else
    let signs: Vec<Sign> = components::all().flat_map(components::Component::signs).collect();
    let is_component = |pod: &Value| signs.iter().any(|sign| running::container(pod, sign).is_some());
    for pod in survey.cluster.of_kind(&POD).iter().filter(|pod| !is_component(pod)) {
        all.extend([full(pod), field(pod, "/metadata/name").to_owned()]);
    }
    for identity in survey.azure.identities.iter() {
        all.extend([identity.client_id.clone(), redacted(&identity.client_id)]);
        all.push(format!("userassignedidentities/{}", identity.id.name()));
    }
    all.extend(survey.azure.vaults.iter().map(|vault| format!("{}.vault", vault.id.name())));
    folded(all).collect()
}

fn folded(names: Vec<String>) -> impl Iterator<Item = String> {
    let is_name = |name: &String| name.len() > SHORTEST_NAME && !name.starts_with(['/', '.', ':']);
    names.into_iter().map(|name| name.to_lowercase()).filter(is_name)
}

/// A line that names nobody concerns all.
fn concerns(line: &str, own: &[String], all: &HashSet<String>) -> bool {
    let line = line.to_lowercase();
    own.iter().any(|name| has_name(&line, name)) || !mentioned(&line).iter().any(|name| all.contains(name) && !own.contains(name))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

/// Whether a line has a name as a whole: `shop/web` is not in `shop/web-admin`.
fn has_name(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_none_or(|c| !is_of_name(c));
        before && line[at + name.len()..].chars().next().is_none_or(|c| !is_of_name(c))
    })
}

/// The words of a line, and pairs of them that one character joins: `web-1`, `shop/web-1`, `kv.vault`; and client ids as NMI writes them.
fn mentioned(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut last, mut at): (Option<&str>, usize) = (None, 0);
    for word in line.split(|c: char| !is_of_name(c)) {
        if let Some(last) = last.filter(|last| !last.is_empty() && !word.is_empty()) {
            let from = at.checked_sub(1 + last.len());
            // a joint of several bytes is none of a name
            found.extend(from.and_then(|from| line.get(from..at + word.len())).filter(|joint| joint.starts_with(last)).map(str::to_owned));
        }
        found.push(word.to_owned());
        last = Some(word);
        at += word.len();
        at += line[at..].chars().next().map_or(0, char::len_utf8);
    }
    let hidden = line.match_indices("##### redacted #####").filter_map(|(at, mark)| {
        let (from, to) = (at.checked_sub(4)?, at + mark.len() + 4);
        line.get(from..to).map(str::to_owned)
    });
    found.extend(hidden);
    found
}

/// As NMI writes a client id (`utils.RedactClientID`).
fn redacted(id: &str) -> String {
    match (id.get(..4), id.len().checked_sub(4).and_then(|from| id.get(from..))) {
        (Some(first), Some(last)) => format!("{first}##### redacted #####{last}"),
        _ => id.to_owned(),
    }
}

/// Without what looks like a token.
fn masked(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("eyJ") {
        let (before, token) = rest.split_at(at);
        let end = token.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.=".contains(c))).unwrap_or(token.len());
        shown.push_str(before);
        shown.push_str(if end > 20 { "***" } else { &token[..end] });
        rest = &token[end..];
    }
    shown + rest
}

fn add(case: &Case<'_>, view: &View<'_>, text: KnownText, seen: &mut Vec<Seen>) {
    let link: Option<&Link> = text.link.and_then(|at| case.target.links.get(at));
    let more = if text.count > 1 { format!(" ({} such lines)", text.count) } else { String::new() };
    let evidence: Vec<String> = text.lines.iter().map(|(place, line)| format!("{place}: {}{more}", cut(line))).collect();
    let line = text.lines.first().map(|(_, line)| line.as_str()).unwrap_or_default();
    let rank = |one: &Seen| case.target.rank(one.missing.link);
    let is_vague = |one: &Seen| one.missing.link == UNKNOWN || one.missing.link == START;
    let errors = || seen.iter().filter(|one| one.severity == Severity::Error && !is_vague(one));
    let same = errors().find(|one| link.is_some_and(|link| link.name == one.missing.link) || one.page() == text.page);
    let first = errors().min_by_key(|one| rank(one));
    let is_waiting = matches!(text.symptom.means, Meaning::Waiting);
    // what only waited, and what repeats a finding, is evidence of that finding
    if let Some(known) = same.or(first.filter(|_| is_waiting)) {
        let missing = MissingLink { causes: Vec::new(), hints: Vec::new(), ..known.missing.clone() };
        let more: Vec<Seen> = evidence.into_iter().map(|evidence| Seen::told(missing.clone(), None, evidence)).collect();
        seen.extend(more);
        return;
    }
    let name = link.map_or(UNKNOWN, |link| link.name);
    let missing = match (&text.symptom.means, link) {
        (Meaning::Known { what, hint, .. }, Some(link)) => MissingLink::new(name, *what).hint(hint(view, link)),
        (Meaning::Read(read), Some(link)) => read(view, link, line).missing,
        _ => MissingLink::new(name, text.page.title),
    };
    let page = if matches!(text.symptom.means, Meaning::Read(_)) { missing.page.unwrap_or(text.page) } else { text.page };
    let missing = missing.page(page);
    let first = first.map(rank);
    let mut evidence = evidence.into_iter();
    let mut one = Seen::told(missing, link, evidence.next().unwrap_or_default());
    let known = (one.missing.link, one.missing.what.clone());
    if let Some(first) = first {
        // a log remembers what was mended since; what comes after the broken link follows from it
        one.severity = Severity::Warning;
        one.is_young = link.is_some_and(|link| case.target.rank(link.name) > first);
        one.missing
            .causes
            .push("a component reported it since the workload's pods were made; no check of the link finds it wrong now".to_owned());
    }
    let severity = one.severity;
    seen.push(one);
    // the finding has all of its evidence
    if severity == Severity::Error {
        let again = |evidence| Seen::told(MissingLink::new(known.0, known.1.clone()).page(page), link, evidence);
        let more: Vec<Seen> = evidence.map(again).collect();
        seen.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_another_workload_does_not_concern_this_one() {
        let all: HashSet<String> =
            ["shop/web", "web-1", "shop/web-admin", "other-1", "kv-other.vault", "1a2b##### redacted #####3c4d"].map(str::to_owned).into();
        let own = ["shop/web".to_owned(), "web-1".to_owned()];
        let concern = |line: &str| concerns(line, &own, &all);
        assert!(concern("failed for pod shop/web"));
        assert!(!concern("failed for pod shop/web-admin"), "its name only begins alike");
        assert!(!concern("pod other-1: no identity"));
        assert!(concern("failed to update iptables"), "it names nobody");
        assert!(concern("shop/web-admin and shop/web"));
        assert!(!concern("Get https://kv-other.vault.azure.net/secrets: 429"));
        assert!(!concern("no azure identity found for request clientID 1a2b##### REDACTED #####3c4d"));
        assert!(concern("é»web/é no identity ß") && mentioned("a/b c\u{e9}d").contains(&"a/b".to_owned()));
    }

    #[test]
    fn client_ids_are_known_as_nmi_writes_them_and_tokens_are_hidden() {
        assert_eq!(redacted("4f4e0000-1111-2222-3333-444444442b3c"), "4f4e##### redacted #####2b3c");
        assert_eq!(redacted("é"), "é");
        assert_eq!(masked("token eyJhbGciOiJSUzI1NiIsInR5cCI6.eyJhdWQ.x_y-z, eyJx"), "token ***, eyJx");
    }
}
