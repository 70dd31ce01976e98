//! The entries of `suppress:`: codes that exist, each with a reason.

use crate::{
    doctor::catalog,
    spec::{
        complaint::{Verdict, wrong},
        model::SuppressSpec,
    },
};

pub(super) fn check(all: &[SuppressSpec]) -> Verdict {
    for (at, entry) in all.iter().enumerate() {
        let path = format!("suppress[{at}]");
        if let Err(hint) = catalog::page(&entry.code) {
            return Err(wrong(format!("{path}.code"), format!("there is no code {}", entry.code)).hint(hint));
        }
        for (field, text) in [("reason", Some(&entry.reason)), ("resource", entry.resource.as_ref())] {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return Err(wrong(format!("{path}.{field}"), "it is empty"));
            }
        }
    }
    Ok(())
}
