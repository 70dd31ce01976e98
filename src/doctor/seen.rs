//! What a walk saw, before it is known what of it is the cause.

use crate::chain::{
    link::{Link, MissingLink, POD, UNKNOWN},
    page::{Page, Severity},
    pages,
};

/// Something that is not as it should be.
pub struct Seen {
    pub missing: MissingLink,
    pub severity: Severity,
    /// What was read, and where.
    pub evidence: String,
    /// It may pass by itself, and is not older than that may take.
    pub is_young: bool,
    /// A component reports it: podid did not see it by itself.
    pub is_told: bool,
    /// Its page says more than that of its link.
    pub is_special: bool,
}

impl Seen {
    pub fn of(missing: MissingLink, link: Option<&Link>, evidence: impl Into<String>) -> Self {
        let own = link.filter(|link| link.name == missing.link).map_or(missing.link.page, |link| link.page);
        let page = missing.page.unwrap_or(own);
        let (severity, is_special) = (missing.severity.unwrap_or(page.severity), page != own);
        Self { severity, missing: missing.page(page), evidence: evidence.into(), is_young: false, is_told: false, is_special }
    }

    /// What a component reports.
    pub fn told(missing: MissingLink, link: Option<&Link>, evidence: impl Into<String>) -> Self {
        Self { is_told: true, ..Self::of(missing, link, evidence) }
    }

    /// Takes over what the same fault, seen again, says more exactly.
    pub fn learn(&mut self, again: Self) {
        if again.is_special && !self.is_special {
            self.missing.page = again.missing.page;
            self.is_special = true;
        }
    }

    pub fn page(&self) -> &'static Page {
        self.missing.page.unwrap_or(self.missing.link.page)
    }
}

/// A link that nobody has is a pod's, or nobody's.
pub fn unknown(what: String, text: &str) -> MissingLink {
    MissingLink::new(UNKNOWN, what).because(text.to_owned())
}

/// The subject of findings about pods.
pub fn lacking(what: String) -> MissingLink {
    MissingLink::new(POD, what).page(&pages::TEMPLATE)
}
