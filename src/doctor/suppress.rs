//! Findings that somebody has decided to live with: by their code, at one resource or at any, with a reason.

use super::{catalog, finding::Report};
use crate::chain::page::Code;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq)]
pub struct Suppression {
    pub code: Code,
    /// As the finding has it, in any casing; None: any.
    pub resource: Option<String>,
    pub reason: String,
}

impl Suppression {
    fn fits(&self, code: Code, resource: &str) -> bool {
        self.code == code && self.resource.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(resource))
    }
}

/// `CODE` or `CODE=RESOURCE`, as `--suppress` takes it.
impl FromStr for Suppression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (code, resource) = text.split_once('=').map_or((text, None), |(code, resource)| (code, Some(resource)));
        if resource.is_some_and(|resource| resource.trim().is_empty()) {
            return Err("the resource after `=` is empty".into());
        }
        let page = catalog::page(code).map_err(|hint| format!("there is no code {code}. {hint}"))?;
        Ok(Self { code: page.code, resource: resource.map(str::to_owned), reason: "--suppress".into() })
    }
}

/// Marks what does not count. Returns suppressions that fit nothing.
pub fn suppress<'a>(report: &mut Report, all: &'a [Suppression]) -> Vec<&'a Suppression> {
    for finding in &mut report.findings {
        let fits = all.iter().find(|one| one.fits(finding.page.code, &finding.resource));
        finding.suppressed = fits.map(|one| one.reason.clone());
    }
    let is_used = |one: &&Suppression| !report.findings.iter().any(|finding| one.fits(finding.page.code, &finding.resource));
    all.iter().filter(is_used).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::tests::example;

    #[test]
    fn a_code_is_suppressed_at_one_resource_or_at_all() {
        let mut report = example();
        report.findings.iter_mut().for_each(|finding| finding.suppressed = None);
        let all: Vec<Suppression> = ["podid6001=SHOP/web", "PODID8003", "PODID7001"].iter().map(|text| text.parse().unwrap()).collect();
        let unused = suppress(&mut report, &all);
        assert_eq!(unused.iter().map(|one| one.code.0).collect::<Vec<_>>(), [7001]);
        assert_eq!(report.open().len(), 1, "the one that is only info");
        assert!("PODID6001=".parse::<Suppression>().is_err());
        assert!("PODID6002".parse::<Suppression>().unwrap_err().contains("Did you mean PODID"));
    }
}
