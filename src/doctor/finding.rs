//! A finding: what is wrong with one workload or resource, what was read, why, and what fixes it. And a report of findings.

use super::names::{Names, has_placeholder};
use crate::chain::{
    commands::Reach,
    page::{Page, Severity},
};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub page: &'static Page,
    pub severity: Severity,
    /// What it is about: `shop/web` for a workload, or a key such as `vault/kv-shop`.
    pub resource: String,
    /// The workloads concerned, as their own findings would have them as the resource; empty: the resource is the workload, or none is.
    pub workloads: Vec<String>,
    /// The cluster in which it was found.
    pub cluster: Option<String>,
    /// The word of the link of the chain.
    pub link: Option<&'static str>,
    /// A clause: `the service account shop/web does not exist`.
    pub what: String,
    /// What was read, and where.
    pub evidence: Vec<String>,
    pub causes: Vec<String>,
    /// Whole sentences that say what to do, with commands in backquotes.
    pub hints: Vec<String>,
    /// What is broken because of it, as clauses.
    pub consequences: Vec<String>,
    /// Commands that look further, with all names. None: those of its page, whose words in capitals stand for names.
    pub look: Option<Vec<String>>,
    /// Why it does not count.
    pub suppressed: Option<String>,
}

impl Finding {
    pub fn new(page: &'static Page, resource: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            page,
            severity: page.severity,
            resource: resource.into(),
            workloads: Vec::new(),
            cluster: None,
            link: None,
            what: what.into(),
            evidence: Vec::new(),
            causes: Vec::new(),
            hints: Vec::new(),
            consequences: Vec::new(),
            look: None,
            suppressed: None,
        }
    }

    #[must_use]
    pub fn read(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts the names in which its words in capitals stand for.
    #[must_use]
    pub fn named(mut self, names: &Names) -> Self {
        self.hints.iter_mut().for_each(|hint| *hint = names.fill(hint));
        let fitting = self.page.native.iter().filter(|command| names.fits(command));
        let look = fitting.map(|command| names.fill(command)).filter(|command| !has_placeholder(command));
        self.look = Some(look.collect());
        self
    }

    /// Sends its commands of kubectl and helm to the cluster in which it was found.
    pub fn send(&mut self, reach: &Reach) {
        if *reach != Reach::default() {
            reach.texts(&mut self.hints);
            self.look = Some(self.further().iter().map(|command| reach.command(command)).collect());
        }
    }

    /// The commands of podid in its hints that change something, ready to be run.
    pub fn podid(&self) -> Vec<String> {
        self.commands().filter(|command| command.starts_with("podid ") && !only_looks(command) && !has_placeholder(command)).collect()
    }

    /// The commands of podid in its hints that show more.
    pub fn looks(&self) -> Vec<String> {
        self.commands().filter(|command| command.starts_with("podid ") && only_looks(command)).collect()
    }

    /// The commands of other programs in its hints; without one, those that look.
    pub fn native(&self) -> Vec<String> {
        let own: Vec<String> = self.commands().filter(|command| is_native(command) && !has_placeholder(command)).collect();
        if own.is_empty() { self.further() } else { own }
    }

    /// The commands of other programs that look further.
    pub fn further(&self) -> Vec<String> {
        let of_page = || self.page.native.iter().map(|command| (*command).to_owned()).collect();
        self.look.clone().unwrap_or_else(of_page)
    }

    fn commands(&self) -> impl Iterator<Item = String> {
        let quoted = |hint: &String| hint.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        self.hints.iter().flat_map(quoted)
    }

    /// The workloads concerned; of a finding about something else, that.
    pub fn concerned(&self) -> Vec<String> {
        if self.workloads.is_empty() { vec![self.resource.clone()] } else { self.workloads.clone() }
    }

    /// Whether another finding is about the same fault of the cluster, seen from another workload.
    fn is_same_fault(&self, other: &Self) -> bool {
        let is_open = self.suppressed.is_none() && other.suppressed.is_none();
        is_open
            && self.cluster.is_some()
            && self.page.code.is_of_cluster()
            && (self.page, self.severity, &self.what, &self.cluster) == (other.page, other.severity, &other.what, &other.cluster)
    }

    /// Makes one finding of two about the same fault.
    fn merge(&mut self, other: Self) {
        self.workloads = self.concerned();
        self.workloads.extend(other.concerned().into_iter().filter(|one| !self.workloads.contains(one)).collect::<Vec<_>>());
        self.resource = format!("cluster/{}", self.cluster.as_deref().unwrap_or_default());
        for (own, others) in
            [(&mut self.evidence, other.evidence), (&mut self.causes, other.causes), (&mut self.consequences, other.consequences)]
        {
            let new: Vec<String> = others.into_iter().filter(|text| !own.contains(text)).collect();
            own.extend(new);
        }
    }

    /// Distinguishes it from other findings of the same code, so that programs recognise it in the next run.
    pub fn fingerprint(&self) -> String {
        format!("{}/{}/{}", self.page.code, self.resource.to_lowercase(), self.link.unwrap_or_default())
    }

    pub fn document(&self) -> Value {
        let mut document = json!({
            "code": self.page.code,
            "severity": self.severity,
            "resource": self.resource,
            "workloads": self.concerned(),
            "title": self.what,
            "link": self.link,
            "evidence": self.evidence,
            "causes": self.causes,
            "hints": self.hints,
            "podid": self.podid(),
            "look": self.looks(),
            "native": self.native(),
            "consequences": self.consequences,
            "explain": format!("podid explain {}", self.page.code),
        });
        if let Some(reason) = &self.suppressed {
            document["suppressed"] = json!(reason);
        }
        document
    }
}

/// Words of commands that change nothing.
const LOOKS: [&str; 17] = [
    "components",
    "diff",
    "doctor",
    "explain",
    "graph",
    "inventory",
    "lint",
    "list",
    "logs",
    "output",
    "plan",
    "probe",
    "show",
    "status",
    "verify",
    "who-can",
    "why",
];

fn only_looks(command: &str) -> bool {
    // `podid vault secret list`: no command has more words
    let mut words = command.split_whitespace().skip(1).take_while(|word| !word.starts_with('-')).take(3);
    words.any(|word| LOOKS.contains(&word))
}

fn is_native(command: &str) -> bool {
    ["az ", "kubectl ", "helm "].iter().any(|program| command.starts_with(program))
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `doctor` or `lint`.
    pub tool: &'static str,
    pub findings: Vec<Finding>,
    /// What was looked at: workloads, or names of checks.
    pub checked: Vec<String>,
    /// The clusters that were looked at.
    pub clusters: Vec<String>,
    /// What could not be looked at, as sentences.
    pub unseen: Vec<String>,
    /// The spec that was read.
    pub file: Option<String>,
}

impl Report {
    /// Findings that count, the worst first; what is equal keeps its order.
    pub fn open(&self) -> Vec<&Finding> {
        let mut open: Vec<&Finding> = self.findings.iter().filter(|finding| finding.suppressed.is_none()).collect();
        open.sort_by_key(|finding| finding.severity);
        open
    }

    /// Reports each fault of a cluster once, with all workloads that it concerns.
    pub fn merge(&mut self) {
        let mut merged: Vec<Finding> = Vec::new();
        for finding in std::mem::take(&mut self.findings) {
            match merged.iter_mut().find(|one| one.is_same_fault(&finding)) {
                Some(one) => one.merge(finding),
                None => merged.push(finding),
            }
        }
        self.findings = merged;
    }

    pub fn suppressed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.suppressed.is_some())
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.open().iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether there is a finding of this severity or a worse one.
    pub fn has(&self, at_least: Severity) -> bool {
        self.open().iter().any(|finding| finding.severity <= at_least)
    }

    pub fn document(&self) -> Value {
        let suppressed = self.suppressed().count();
        json!({
            "version": 1,
            "findings": self.open().into_iter().chain(self.suppressed()).map(Finding::document).collect::<Vec<_>>(),
            "checked": self.checked, "clusters": self.clusters,
            "unseen": self.unseen,
            "summary": {
                "error": self.count(Severity::Error),
                "warning": self.count(Severity::Warning),
                "info": self.count(Severity::Info),
                "suppressed": suppressed,
            },
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::chain::pages;

    pub fn example() -> Report {
        let error = Finding {
            link: Some("grant"),
            causes: vec!["no assignment names the principal".into()],
            consequences: vec!["the pod web-1 did not get its secrets".into()],
            ..Finding::new(&pages::GRANT, "shop/web", "the right of <shop> & \"web\" is missing")
                .read("the role assignments at the vault kv")
                .hint("Write it again: `podid up`, or `az role assignment create`.")
        };
        let warning = Finding::new(&pages::EXPIRED, "vault/kv/secret/conn", "the secret conn has expired");
        let quiet = Finding { suppressed: Some("known".into()), ..Finding::new(&pages::NO_POD, "shop/job", "the workload has no pod") };
        Report {
            tool: "doctor",
            findings: vec![warning, error, quiet],
            clusters: Vec::new(),
            checked: vec!["shop/web".into(), "shop/api".into()],
            unseen: Vec::new(),
            file: Some("podid.yaml".into()),
        }
    }

    #[test]
    fn a_fault_of_a_cluster_is_one_finding_with_its_workloads() {
        let of = |workload: &str, cluster: &str, page: &'static Page| Finding {
            cluster: Some(cluster.into()),
            consequences: vec![format!("{workload} has no token")],
            ..Finding::new(page, workload, "the namespace shop does not exist")
        };
        let findings = vec![
            of("shop/web", "blue", &pages::CLUSTER),
            of("shop/api", "blue", &pages::CLUSTER),
            of("shop/web", "green", &pages::CLUSTER),
            of("shop/web", "blue", &pages::VAULT),
            of("shop/api", "blue", &pages::VAULT),
        ];
        let mut report = Report { findings, ..Report::default() };
        report.findings.push(Finding { suppressed: Some("known".into()), ..of("shop/job", "blue", &pages::CLUSTER) });
        report.merge();
        let shown: Vec<(&str, usize)> = report.findings.iter().map(|one| (one.resource.as_str(), one.concerned().len())).collect();
        assert_eq!(shown, [("cluster/blue", 2), ("shop/web", 1), ("shop/web", 1), ("shop/api", 1), ("shop/job", 1)]);
        assert_eq!(report.findings[0].consequences.len(), 2);
    }

    #[test]
    fn the_worst_comes_first_and_what_is_suppressed_does_not_count() {
        let report = example();
        let order: Vec<&str> = report.open().iter().map(|finding| finding.severity.word()).collect();
        assert_eq!(order, ["error", "warning"]);
        assert!(report.has(Severity::Error) && report.count(Severity::Info) == 0);
        let document = report.document();
        assert_eq!(document["findings"][0]["podid"], json!(["podid up"]));
        assert_eq!(document["findings"][0]["native"], json!(["az role assignment create"]));
        assert_eq!(document["findings"][2]["suppressed"], "known");
        assert_eq!(document["summary"], json!({ "error": 1, "warning": 1, "info": 0, "suppressed": 1 }));
    }
}
