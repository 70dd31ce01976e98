//! The marks that say whose a thing is: tags on ARM resources and secrets, labels on objects, words in a role assignment's description.

use crate::engine::resource::Owner;
use std::collections::BTreeMap;

pub const MANAGED_BY: &str = "managed-by";
pub const PODID: &str = "podid";
pub const APP: &str = "podid-app";

/// The names of the short-lived pods that podid makes begin so: those of proofs, and those of probes.
pub const VERIFY_POD: &str = "podid-verify-";
pub const PROBE_POD: &str = "podid-probe-";

/// Whether a pod of this name is one of podid's own, and no workload.
pub fn is_own_pod(name: &str) -> bool {
    [VERIFY_POD, PROBE_POD].iter().any(|prefix| name.starts_with(prefix))
}

pub fn marks(app: &str) -> BTreeMap<String, String> {
    [(MANAGED_BY.to_owned(), PODID.to_owned()), (APP.to_owned(), app.to_owned())].into()
}

pub fn owner(app: &str, tags: &BTreeMap<String, String>) -> Owner {
    match tag(tags, APP) {
        Some(other) if other != app => Owner::OtherApp(other.clone()),
        Some(_) if marked_by_any(tags) => Owner::Ours,
        _ => Owner::Unmarked,
    }
}

/// The app whose marks these tags are.
pub fn app(tags: &BTreeMap<String, String>) -> Option<String> {
    tag(tags, APP).filter(|_| marked_by_any(tags)).cloned()
}

/// Whether some app's podid made it.
pub fn marked_by_any(tags: &BTreeMap<String, String>) -> bool {
    tag(tags, MANAGED_BY).is_some_and(|v| v == PODID)
}

/// A tag by its name, in which Azure ignores case ("Use tags to organize your Azure resources").
fn tag<'a>(tags: &'a BTreeMap<String, String>, name: &str) -> Option<&'a String> {
    tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `managed-by=podid podid-app=claims`, in a role assignment's description.
pub fn description(app: &str) -> String {
    format!("{MANAGED_BY}={PODID} {APP}={app}")
}

/// As `owner`, for what has a description and no tags.
pub fn described(app: &str, description: Option<&str>) -> Owner {
    let words = description.unwrap_or_default().split_whitespace().filter_map(|word| word.split_once('='));
    owner(app, &words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Whether a description says what it should: this app's words, or those of another app that shares the assignment.
pub fn is_described(app: &str, description: Option<&str>) -> bool {
    description == Some(self::description(app).as_str()) || app_of(description).is_some_and(|other| other != app)
}

/// The app that a description names.
pub fn app_of(description: Option<&str>) -> Option<String> {
    let mut words = description.unwrap_or_default().split_whitespace();
    let ours = words.clone().any(|w| w.split_once('=') == Some((MANAGED_BY, PODID)));
    words.find_map(|w| w.split_once('=').filter(|(name, _)| *name == APP)).filter(|_| ours).map(|(_, app)| app.to_owned())
}

/// What the tags should be: those that are there, and our marks.
pub fn marked(app: &str, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = tags.clone();
    for (name, value) in marks(app) {
        let known = all.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned();
        all.insert(known.unwrap_or(name), value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_respelled_tag_is_the_same_tag() {
        let tags: BTreeMap<String, String> = [("Managed-By", "podid"), ("Podid-App", "shop")].map(|(k, v)| (k.into(), v.into())).into();
        assert_eq!(owner("shop", &tags), Owner::Ours);
        assert_eq!(marked("shop", &tags), tags);
        assert_eq!(marked("other", &tags).get("Podid-App").map(String::as_str), Some("other"));
        assert_eq!(marked("other", &tags).len(), 2);
    }
}
