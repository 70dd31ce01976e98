//! The program of a proof's pod: a script for sh and curl that gets a token and reads the secrets, and what it reports in the pod's
//! termination message. Of a secret only its version is reported.
//!
//! A line is `token STATUS …` or `N STATUS …` for the Nth secret. After 200 come the ids of application and object in the token, or the
//! version of the secret; after another status what the service answered, and then it ends. 000 stands for no answer.

use crate::chain::{
    facts::Delivered,
    link::{MissingLink, TOKEN},
    stage::{Program, Reached},
    texts::short,
};
use serde_json::Value;
use std::collections::BTreeMap;

const SCRIPT: &str = include_str!("check.sh");
const IMAGE: &str = "docker.io/curlimages/curl:8.10.1";
/// What the script is called as a program.
const NAME: &str = "podid-check";

pub(super) fn program(delivered: &Delivered) -> Program {
    let mut command: Vec<String> = ["sh", "-c", SCRIPT, NAME].map(str::to_owned).into();
    command.extend(delivered.objects.iter().map(|object| object.name.clone()));
    Program { image: IMAGE, command }
}

/// The container's last run that ended. Kubelet starts it again until it succeeds.
fn last_run(pod: &Value) -> Option<&Value> {
    let status = pod.pointer("/status/containerStatuses/0")?;
    status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))
}

fn text<'a>(run: &'a Value, field: &str) -> &'a str {
    run.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The status of a line, and what comes after it.
fn line<'a>(run: &'a Value, word: &str) -> Option<(&'a str, &'a str)> {
    let mut lines = text(run, "message").lines();
    let rest = lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
    Some(rest.split_once(' ').unwrap_or((rest, "")))
}

/// Whose token the pod got. `expected` is the client id of the identity that it is bound to.
pub(super) fn token(pod: &Value, expected: Option<&str>) -> Option<Result<Reached, MissingLink>> {
    let ("200", ids) = line(last_run(pod)?, "token")? else { return None };
    let (application, object) = ids.split_once(' ').unwrap_or((ids, ""));
    if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(application)) {
        let what = format!("the pod got the token of another identity (client id {application}), not the one of {expected}");
        let hint = "Look which identities pods with this label get: `kubectl get azureassignedidentities -A`.";
        return Some(Err(MissingLink::new(TOKEN, what).hint(hint)));
    }
    Some(Ok(Reached { detail: format!("client id {application}, object id {object}"), ..Reached::default() }))
}

/// The versions of the secrets, once all are read.
pub(super) fn versions(pod: &Value, names: &[String]) -> Option<Result<Reached, MissingLink>> {
    let run = last_run(pod)?;
    if run.get("exitCode").and_then(Value::as_i64) != Some(0) {
        return None;
    }
    let mut versions = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let ("200", version) = line(run, &(at + 1).to_string())? else { return None };
        versions.insert(name.clone(), Some(version.to_owned()));
    }
    let shown: Vec<String> =
        versions.iter().map(|(name, version)| format!("{name} version {}", short(version.as_deref().unwrap_or_default()))).collect();
    Some(Ok(Reached { detail: shown.join(", "), versions }))
}

/// What went wrong in the last run: first a line to read, then the whole answer.
pub(super) fn report(pod: &Value, names: &[String]) -> Option<String> {
    let run = last_run(pod)?;
    let exit = run.get("exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
    if let Some((status, answer)) = line(run, "token").filter(|(status, _)| *status != "200") {
        return Some(format!("token request: {}\n{answer}", readable(status, answer)));
    }
    for (at, name) in names.iter().enumerate() {
        if let Some((status, answer)) = line(run, &(at + 1).to_string()).filter(|(status, _)| *status != "200") {
            return Some(format!("secret {name}: {}\n{answer}", readable(status, answer)));
        }
    }
    let ended = match (text(run, "reason"), text(run, "message")) {
        ("", "") => String::new(),
        (reason, "") => format!(": {reason}"),
        (_, message) => format!(": {message}"),
    };
    Some(format!("the container ended with exit code {exit}{ended}"))
}

/// The codes and the first line of an error of Azure; of any other answer all.
fn readable(status: &str, answer: &str) -> String {
    let status = if status == "000" { String::new() } else { format!("{status} ") };
    let Ok(body) = serde_json::from_str::<Value>(answer) else { return format!("{status}{answer}") };
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    if let Some(description) = text("/error_description") {
        return format!("{status}{description}");
    }
    let codes: Vec<&str> = ["/error/code", "/error/innererror/code"].into_iter().filter_map(text).collect();
    let message = text("/error/message").and_then(|message| message.lines().next()).unwrap_or_default();
    format!("{status}{}: {message}", codes.join(", "))
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

    #[test]
    fn the_token_of_another_identity_breaks_the_proof() {
        let pod = pod("lastState", 1, "token 200 APP object\n1 403 {}\n");
        assert!(token(&pod, Some("app")).unwrap().is_ok());
        let missing = token(&pod, Some("other")).unwrap().unwrap_err();
        assert_eq!(missing.link, TOKEN);
        assert!(token(&super::tests::pod("lastState", 1, "token 404 no identity\n"), Some("app")).is_none());
    }

    #[test]
    fn a_failed_run_is_reported_with_a_line_to_read_and_the_whole_answer() {
        let body = r#"{"error":{"code":"Forbidden","message":"Caller is not authorized.\r\nCaller: appid=1a","innererror":{"code":"ForbiddenByRbac"}}}"#;
        let text = report(&pod("lastState", 1, &format!("token 200 a b\n1 200 aaaa\n2 403 {body}\n")), &names()).unwrap();
        assert_eq!(text, format!("secret key: 403 Forbidden, ForbiddenByRbac: Caller is not authorized.\n{body}"));
        let text = report(&pod("lastState", 1, "token 400 {\"error_description\":\"Identity not found\"}\n"), &names()).unwrap();
        assert!(text.starts_with("token request: 400 Identity not found\n"));
        assert_eq!(report(&pod("lastState", 127, ""), &names()).unwrap(), "the container ended with exit code 127");
        assert!(report(&pod("state", 0, "token 200 a b\n1 200 a\n2 200 b\n"), &names()).is_none());
    }
}
