//! A check that runs in the pod of a proof: a script for sh and curl that gets a token as the app would and then does what a delivery does
//! with it, and what it reports in the pod's termination message.
//!
//! A line is `token STATUS …` or `WORD STATUS …` for each further request. After `token 200` come the ids of application and object in the
//! token; after a status that the check did not want, what the service answered, and then it ends. 000 stands for no answer.

use crate::chain::{
    facts::Delivered,
    link::{Heals, Link, Meaning, MissingLink, START, Symptom, TOKEN},
    stage::{Otherwise, Program, Reached, Stage, Until},
    texts::field,
};
use serde_json::Value;

pub const IMAGE: &str = "docker.io/curlimages/curl:8.10.1";
/// What every such script begins with.
pub const BEGINNING: &str = include_str!("in_pod/token.sh");

/// The variable from which the Azure SDKs take the identity (azure-identity, `ManagedIdentityCredential`).
pub const CLIENT_ID: &str = "AZURE_CLIENT_ID";

/// `name` is what the script is called as a program.
pub(super) fn program(script: &str, name: &str, arguments: impl Iterator<Item = String>) -> Program {
    let mut command: Vec<String> = ["sh", "-c", script, name].map(str::to_owned).into();
    command.extend(arguments);
    Program { image: IMAGE, command }
}

/// The container of the check.
pub(super) fn container(title: &str) -> Link {
    Link::new(START, title, Vec::new()).symptoms(OF_CONTAINER)
}

const OF_CONTAINER: &[Symptom] = &[Symptom {
    any_of: &["curl: not found", "executable file not found", "exit code 126", "exit code 127"],
    none_of: &["iptables"],
    only_if: None,
    page: None,
    means: Meaning::Known {
        heals: Heals::Never,
        what: "the image of the proof has no sh or no curl",
        hint: |_, _| "Give the proof an image that has both, with `--image`.".into(),
    },
}];

/// Waits for the token, whose identity has to be the one that the pod is bound to.
pub(super) fn token_stage(delivered: &Delivered, asked: Vec<Asked>) -> Stage {
    let expected = delivered.parameters.get(CLIENT_ID).and_then(|id| id.known()).cloned();
    Stage {
        step: "token",
        waits_for: "waiting until the pod has a token".into(),
        in_vain: "the pod did not get a token".into(),
        until: Until::Pod(Box::new(move |pod| token(pod, expected.as_deref()))),
        link: TOKEN,
        otherwise: Otherwise::Chain,
        telling: &[],
        over: &[],
        report: Some(Box::new(move |pod| report(pod, &asked))),
    }
}

/// The container's last run that ended. Kubelet starts it again until it succeeds.
pub fn last_run(pod: &Value) -> Option<&Value> {
    let status = pod.pointer("/status/containerStatuses/0")?;
    status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))
}

/// The container's last run, if it succeeded.
pub(super) fn success(pod: &Value) -> Option<&Value> {
    last_run(pod).filter(|run| run.get("exitCode").and_then(Value::as_i64) == Some(0))
}

/// The status of a line, and what comes after it.
pub(super) fn line<'a>(run: &'a Value, word: &str) -> Option<(&'a str, &'a str)> {
    let mut lines = field(run, "/message").lines();
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

/// A request of a check after the token.
pub(super) struct Asked {
    /// The word of its line.
    pub(super) word: String,
    /// What it is for people: `secret conn`.
    pub(super) shown: String,
    /// The status that it wants.
    pub(super) status: &'static str,
}

/// What went wrong in the last run: first a line to read, then the whole answer.
pub(super) fn report(pod: &Value, asked: &[Asked]) -> Option<String> {
    let run = last_run(pod)?;
    let exit = run.get("exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
    if let Some((status, answer)) = line(run, "token").filter(|(status, _)| *status != "200") {
        return Some(format!("token request: {}\n{answer}", readable(status, answer)));
    }
    for Asked { word, shown, status: wanted } in asked {
        if let Some((status, answer)) = line(run, word).filter(|(status, _)| status != wanted) {
            return Some(format!("{shown}: {}\n{answer}", readable(status, answer)));
        }
    }
    let ended = match (field(run, "/reason"), field(run, "/message")) {
        ("", "") => String::new(),
        (reason, "") => format!(": {reason}"),
        (_, message) => format!(": {message}"),
    };
    Some(format!("the container ended with exit code {exit}{ended}"))
}

/// The codes and the first line of an error of Azure; of any other answer all.
pub fn readable(status: &str, answer: &str) -> String {
    let status = if status == "000" { String::new() } else { format!("{status} ") };
    if let (Some(code), Some(message)) = (element(answer, "Code"), element(answer, "Message")) {
        // the script makes one line of it
        let message = message.split("RequestId:").next().unwrap_or_default().trim();
        return format!("{status}{code}: {message}");
    }
    let Ok(body) = serde_json::from_str::<Value>(answer) else { return format!("{status}{answer}") };
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    if let Some(description) = text("/error_description") {
        return format!("{status}{description}");
    }
    let codes: Vec<&str> = ["/error/code", "/error/innererror/code"].into_iter().filter_map(text).collect();
    let message = text("/error/message").and_then(|message| message.lines().next()).unwrap_or_default();
    format!("{status}{}: {message}", codes.join(", "))
}

/// The text of an element of the XML with which a storage account answers.
fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(state: &str, exit: i32, message: &str) -> Value {
        json!({ "status": { "containerStatuses": [{ state: { "terminated": { "exitCode": exit, "message": message } } }] } })
    }

    fn asked() -> [Asked; 2] {
        ["conn", "key"].map(|name| Asked {
            word: if name == "conn" { "1" } else { "2" }.into(),
            shown: format!("secret {name}"),
            status: "200",
        })
    }

    #[test]
    fn the_token_of_another_identity_breaks_the_proof() {
        let it = pod("lastState", 1, "token 200 APP object\n1 403 {}\n");
        assert!(token(&it, Some("app")).unwrap().is_ok());
        let missing = token(&it, Some("other")).unwrap().unwrap_err();
        assert_eq!(missing.link, TOKEN);
        assert!(token(&pod("lastState", 1, "token 404 no identity\n"), Some("app")).is_none());
    }

    #[test]
    fn a_failed_run_is_reported_with_a_line_to_read_and_the_whole_answer() {
        let body = r#"{"error":{"code":"Forbidden","message":"Caller is not authorized.\r\nCaller: appid=1a","innererror":{"code":"ForbiddenByRbac"}}}"#;
        let text = report(&pod("lastState", 1, &format!("token 200 a b\n1 200 aaaa\n2 403 {body}\n")), &asked()).unwrap();
        assert_eq!(text, format!("secret key: 403 Forbidden, ForbiddenByRbac: Caller is not authorized.\n{body}"));
        let text = report(&pod("lastState", 1, "token 400 {\"error_description\":\"Identity not found\"}\n"), &asked()).unwrap();
        assert!(text.starts_with("token request: 400 Identity not found\n"));
        assert_eq!(report(&pod("lastState", 127, ""), &asked()).unwrap(), "the container ended with exit code 127");
        assert!(report(&pod("state", 0, "token 200 a b\n1 200 a\n2 200 b\n"), &asked()).is_none());
    }

    #[test]
    fn an_answer_in_xml_is_read_too() {
        let body = "\u{feff}<?xml version=\"1.0\"?><Error><Code>ContainerNotFound</Code><Message>It does not exist. RequestId:1 Time:2</Message></Error>";
        let text = report(&pod("state", 1, &format!("token 200 a b\n1 404 {body}\n")), &asked()).unwrap();
        assert_eq!(text, format!("secret conn: 404 ContainerNotFound: It does not exist.\n{body}"));
    }
}
