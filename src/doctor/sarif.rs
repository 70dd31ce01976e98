//! A report as SARIF 2.1.0, which code hosts and editors show: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use super::finding::{Finding, Report};
use crate::chain::page::{Page, Severity};
use serde_json::{Value, json};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = env!("CARGO_PKG_NAME");

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(page: &Page) -> Value {
    let list = |title: &str, items: &[&str], ticks: &str| {
        if items.is_empty() {
            return String::new();
        }
        let items: String = items.iter().map(|item| format!("- {ticks}{item}{ticks}\n")).collect();
        format!("\n{title}:\n\n{items}")
    };
    let markdown =
        format!("{}\n{}{}", page.means, list("Causes", page.causes, ""), list("Commands", &[page.podid, page.native].concat(), "`"));
    json!({
        "id": page.code,
        "shortDescription": { "text": page.title },
        "fullDescription": { "text": page.means },
        "help": { "text": format!("podid explain {}", page.code), "markdown": markdown },
        "defaultConfiguration": { "level": level(page.severity) },
    })
}

fn result(finding: &Finding, rules: &[&'static Page], file: Option<&str>) -> Value {
    let index = rules.iter().position(|rule| *rule == finding.page).unwrap_or_default();
    let details = finding.causes.iter().chain(&finding.hints);
    let text = details.fold(finding.what.clone(), |text, more| format!("{text}\n{more}"));
    let mut location = json!({ "logicalLocations": [{ "fullyQualifiedName": finding.resource, "kind": "resource" }] });
    // code hosts show only results that have a place in a file
    if let Some(file) = file {
        location["physicalLocation"] = json!({ "artifactLocation": { "uri": file }, "region": { "startLine": 1 } });
    }
    let mut result = json!({
        "ruleId": finding.page.code,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location],
        "partialFingerprints": { "podidFinding/v1": finding.fingerprint() },
    });
    if let Some(reason) = &finding.suppressed {
        result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    result
}

pub fn document(report: &Report) -> Value {
    let mut rules: Vec<&'static Page> = Vec::new();
    for finding in &report.findings {
        if !rules.contains(&finding.page) {
            rules.push(finding.page);
        }
    }
    let file = report.file.as_deref();
    let results: Vec<Value> = report.open().into_iter().chain(report.suppressed()).map(|finding| result(finding, &rules, file)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": HOME,
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|page| rule(page)).collect::<Vec<_>>(),
            } },
            "automationDetails": { "id": format!("{HOME}/{}/", report.tool) },
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::tests::example;

    /// What the schema requires of a log: version and runs; of a run: tool.driver.name; of a rule: id; of a result: message.
    #[test]
    fn a_log_has_what_the_schema_asks_for() {
        let log = document(&example());
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["name"], "podid");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(["error", "warning", "note", "none"].contains(&result["level"].as_str().unwrap()));
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            assert!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].is_string());
        }
        assert_eq!(run["results"][2]["suppressions"][0]["kind"], "external");
    }
}
