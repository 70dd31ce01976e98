//! One hop of a probe.

use crate::chain::link::MissingLink;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// It does not work, and this workload does not need it.
    Warning,
    Broken,
    /// It was not tried, because one before it is broken.
    Skipped,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// `dns`, `tcp`, `tls`, `proxy`, `token` or `read`.
    pub hop: &'static str,
    pub host: String,
    /// How long it took; None: it did not end, or was not tried.
    pub seconds: Option<f64>,
    pub verdict: Verdict,
    /// What was found: an address, an issuer, a version.
    pub detail: String,
    pub fault: Option<MissingLink>,
}

impl Hop {
    pub(super) fn ok(hop: &'static str, host: &str, seconds: f64, detail: String) -> Self {
        Self { hop, host: host.to_owned(), seconds: Some(seconds.max(0.0)), verdict: Verdict::Ok, detail, fault: None }
    }

    pub(super) fn broken(hop: &'static str, host: &str, seconds: f64, fault: MissingLink) -> Self {
        let seconds = (seconds > 0.0).then_some(seconds);
        Self { hop, host: host.to_owned(), seconds, verdict: Verdict::Broken, detail: fault.what.clone(), fault: Some(fault) }
    }

    pub(super) fn skipped(hop: &'static str, host: &str, why: &str) -> Self {
        Self { hop, host: host.to_owned(), seconds: None, verdict: Verdict::Skipped, detail: format!("not tried: {why}"), fault: None }
    }

    pub fn document(&self) -> Value {
        let mut document = json!({
            "hop": self.hop, "host": self.host, "verdict": self.verdict, "detail": self.detail,
            "seconds": self.seconds.map(|seconds| (seconds * 10_000.0).round() / 10_000.0),
        });
        if let Some(fault) = &self.fault {
            let code = fault.page.unwrap_or(fault.link.page).code;
            document["code"] = json!(code);
            document["link"] = json!(fault.link);
            document["title"] = json!(fault.what);
            document["causes"] = json!(fault.causes);
            document["hints"] = json!(fault.hints);
            document["explain"] = json!(format!("podid explain {code}"));
        }
        document
    }
}
