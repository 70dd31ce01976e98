//! A report as JUnit XML, which CI servers show as tests: what was looked at passes unless it has an error; warnings are output of a test
//! that passes, and what is suppressed is skipped.

use super::finding::{Finding, Report};
use crate::chain::page::Severity;
use std::fmt::Write as _;

/// Escapes a text for an attribute or an element; characters that XML 1.0 does not have become `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

fn text(finding: &Finding) -> String {
    let mut text = finding.what.clone();
    for (word, lines) in [("read", &finding.evidence), ("because", &finding.causes), ("follows", &finding.consequences)] {
        for line in lines {
            let _ = write!(text, "\n{word}: {line}");
        }
    }
    for hint in &finding.hints {
        let _ = write!(text, "\n{hint}");
    }
    let _ = write!(text, "\npodid explain {}", finding.page.code);
    text
}

fn case(xml: &mut String, finding: &Finding) {
    let name = format!("{} {}", finding.page.code, finding.page.title);
    let _ = write!(xml, "    <testcase classname=\"{}\" name=\"{}\"", escaped(&finding.resource), escaped(&name));
    let (code, what, text) = (finding.page.code, escaped(&finding.what), escaped(&text(finding)));
    let _ = match (&finding.suppressed, finding.severity) {
        (Some(reason), _) => writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(reason)),
        (None, Severity::Error) => writeln!(xml, "><failure type=\"{code}\" message=\"{what}\">{text}</failure></testcase>"),
        (None, severity) => writeln!(xml, "><system-out>{}: {text}</system-out></testcase>", severity.word()),
    };
}

pub fn document(report: &Report) -> String {
    let with_findings: Vec<String> = report.findings.iter().flat_map(Finding::concerned).collect();
    let sound: Vec<&String> = report.checked.iter().filter(|one| !with_findings.contains(one)).collect();
    let (tests, failures, skipped) = (report.findings.len() + sound.len(), report.count(Severity::Error), report.suppressed().count());
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"");
    let _ = writeln!(xml, "<testsuites name=\"podid\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">");
    let _ = writeln!(xml, "  <testsuite name=\"podid {}\" {counts}>", report.tool);
    report.open().into_iter().chain(report.suppressed()).for_each(|finding| case(&mut xml, finding));
    for one in sound {
        let _ = writeln!(xml, "    <testcase classname=\"{0}\" name=\"{0}\"/>", escaped(one));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::tests::example;

    #[test]
    fn errors_fail_and_other_texts_are_escaped() {
        let xml = document(&example());
        assert!(xml.contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("message=\"the right of &lt;shop&gt; &amp; &quot;web&quot; is missing\""), "{xml}");
        assert!(xml.contains("<testcase classname=\"shop/api\" name=\"shop/api\"/>"), "{xml}");
        assert_eq!(xml.matches("<failure").count(), 1);
        assert_eq!(xml.matches("<testcase").count(), 4);
        assert_eq!(escaped("a\u{1b}[31m\u{0}"), "a?[31m?");
    }
}
