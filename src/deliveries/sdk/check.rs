//! The program of a proof's pod: a script that gets a token and reads the secrets, with a line `N STATUS VERSION` for the Nth secret. Of a
//! secret only its version is reported.

use crate::{
    chain::{
        facts::Delivered,
        link::MissingLink,
        stage::{Program, Reached},
        texts::short,
    },
    deliveries::in_pod::{self, Asked},
};
use serde_json::Value;
use std::collections::BTreeMap;

const SCRIPT: &str = concat!(include_str!("../in_pod/token.sh"), include_str!("check.sh"));
/// What the script is called as a program.
const NAME: &str = "podid-check";

pub(super) fn program(delivered: &Delivered) -> Program {
    in_pod::program(SCRIPT, NAME, delivered.objects.iter().map(|object| object.name.clone()))
}

/// What the script asks for.
pub(super) fn asked(names: &[String]) -> Vec<Asked> {
    let one = |(at, name): (usize, &String)| Asked { word: (at + 1).to_string(), shown: format!("secret {name}"), status: "200" };
    names.iter().enumerate().map(one).collect()
}

/// The versions of the secrets, once all are read.
pub(super) fn versions(pod: &Value, names: &[String]) -> Option<Result<Reached, MissingLink>> {
    let run = in_pod::success(pod)?;
    let mut versions = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let ("200", version) = in_pod::line(run, &(at + 1).to_string())? else { return None };
        versions.insert(name.clone(), Some(version.to_owned()));
    }
    let shown: Vec<String> =
        versions.iter().map(|(name, version)| format!("{name} version {}", short(version.as_deref().unwrap_or_default()))).collect();
    Some(Ok(Reached { detail: shown.join(", "), versions }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(state: &str, exit: i32, message: &str) -> Value {
        json!({ "status": { "containerStatuses": [{ state: { "terminated": { "exitCode": exit, "message": message } } }] } })
    }

    fn names() -> Vec<String> {
        ["conn", "key"].map(str::to_owned).into()
    }

    #[test]
    fn versions_count_only_once_the_container_has_succeeded() {
        let message = "token 200 app object\n1 200 aaaa\n2 200 bbbb\n";
        let reached = versions(&pod("state", 0, message), &names()).unwrap().unwrap();
        assert_eq!(reached.versions["key"].as_deref(), Some("bbbb"));
        assert!(versions(&pod("lastState", 1, message), &names()).is_none());
        assert!(versions(&pod("state", 0, "token 200 app object\n1 200 aaaa\n"), &names()).is_none());
        assert!(versions(&json!({ "status": {} }), &names()).is_none());
    }
}
