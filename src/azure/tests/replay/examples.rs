//! Single responses, each for the call that would receive it: alone, and before a good response if a retry makes sense.

use super::{
    azure_of, calls, play,
    record::{Record, folder, read, say},
    refusals::{Means, means},
    tape::Tape,
};
use crate::{
    azure::{Error, failures::refusal},
    failure::Failure,
};
use ::http::HeaderMap;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The time limit for failures that do not go away.
const SHORT: Duration = Duration::from_secs(4);

#[tokio::test]
async fn each_recorded_response_is_interpreted_correctly() {
    let Some(file) = folder("examples.jsonl") else { return };
    let all: Vec<Record> = read(&file).into_iter().map(at_the_real_host).collect();
    assert!(!all.is_empty(), "{} holds no answer", file.display());
    let (sent, unsent): (Vec<&Record>, Vec<&Record>) = all.iter().partition(|record| calls::unsent(record).is_none());
    let (whole, cut): (Vec<&Record>, Vec<&Record>) = sent.into_iter().partition(|record| record.is_whole());
    let tapes = || whole.iter().flat_map(|record| tapes(record, &whole));
    let played: Vec<Vec<String>> = stream::iter(tapes()).map(once).buffer_unordered(8).collect().await;
    let wrong: Vec<String> = played.iter().flatten().cloned().collect();
    let (played, whole, cut, unsent) = (played.len(), whole.len(), cut.len(), unsent.len());
    say(&format!("replay: {whole} single answers in {played} calls of podid's client; {cut} were cut, podid sends nothing like {unsent}"));
    assert!(wrong.is_empty(), "{} things differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Checks the 403s of all operations, also of those that podid does not send yet.
#[test]
fn each_recorded_403_is_reported_with_action_scope_and_a_hint() {
    let Some(file) = folder("examples.jsonl") else { return };
    let all = read(&file);
    let refused: Vec<&Record> = all.iter().filter(|record| record.status == 403).collect();
    let differs = |record: &&Record| {
        let error = refusal(&record.host, record.status, &HeaderMap::new(), record.body.as_bytes());
        let failure = Failure::from(&error);
        let Error::Forbidden { action, scope, caller, .. } = &error else { return Some(format!("{}: {error:?}", record.op)) };
        let (causes, hints) = (failure.causes.join("\n"), failure.hints.join("\n"));
        let told = match (action, scope) {
            (Some(action), Some(scope)) => {
                let place = scope.split("/providers/Microsoft.Authorization/roleAssignments/").next().unwrap_or_default();
                let way = if record.code() == "ForbiddenByPolicy" {
                    "`az keyvault set-policy --name "
                } else {
                    "`az role assignment create --role \""
                };
                failure.message.contains(action)
                    && causes.contains(place)
                    && hints.contains(way)
                    && hints.contains(caller.as_deref().unwrap_or("nobody"))
            }
            // only the caller knows what was refused; the hint is chosen by code
            _ => causes.contains(&record.message().unwrap_or_default()) && !hints.is_empty() && hints != "Ask for a role that allows it.",
        };
        (!told).then(|| format!("{} {}: {failure:?}", record.op, record.code()))
    };
    let wrong: Vec<String> = refused.iter().filter_map(differs).collect();
    say(&format!("replay: {} single answers are 403s, each told with a way out", refused.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One call: the responses in their order, whether a grant was just made, and the time limit.
struct Call {
    name: String,
    records: Vec<Record>,
    patient: bool,
    limit: Option<Duration>,
}

async fn once(call: Call) -> Vec<String> {
    let tape = Arc::new(Tape::new(call.records, false));
    let fake = azure_of(&tape).await;
    let azure = fake.azure_with(|settings| settings.timeout = call.limit.or(settings.timeout), &[]);
    let played = play(&azure, &tape, 0, call.patient).await;
    played.wrong.into_iter().map(|one| format!("{}: {one}", call.name)).collect()
}

/// Returns the calls for a response: alone; also with patience, if that makes a difference; and before a good response, if the client
/// retries.
fn tapes(record: &Record, all: &[&Record]) -> Vec<Call> {
    let name = |how: &str| format!("{} {} {}{how}", record.op, record.status, record.code());
    let alone = [vec![record.clone()], after(record)].concat();
    if record.is_success() {
        return vec![Call { name: name(""), records: alone, patient: false, limit: None }];
    }
    let passes = |patient| matches!(means(record, patient), Means::Later | Means::Throttled | Means::Failed);
    let patiences: &[bool] = if passes(true) == passes(false) { &[false] } else { &[false, true] };
    let good = all.iter().find(|other| other.op == record.op && other.is_success());
    let mut calls = Vec::new();
    for patient in patiences.iter().copied() {
        let limit = passes(patient).then_some(SHORT);
        let how = if patient { ", patiently" } else { "" };
        calls.push(Call { name: name(how), records: alone.clone(), patient, limit });
        if let Some(good) = good.filter(|_| passes(patient)) {
            let Record { method, host, path, query, .. } = record.clone();
            let good = Record { method, host, path, query, ..(*good).clone() };
            let records = [vec![record.clone(), good.clone()], after(&good)].concat();
            calls.push(Call { name: name(", then a good answer"), records, patient, limit: None });
        }
    }
    calls
}

/// Returns the records for the client's next request, if this response does not end the call (wire.md 2 and 4).
fn after(record: &Record) -> Vec<Record> {
    let mut answer = record.answer();
    let next = |op: &str, method: &str, path: &str, query: &str, status: u16, body: Value| {
        let (op, method, path, query) = (op.to_owned(), method.to_owned(), path.to_owned(), query.to_owned());
        Record { op, method, path, query, status, req_body: String::new(), body: body.to_string(), ..record.clone() }
    };
    if let Some(link) = answer.get("nextLink").and_then(Value::as_str).and_then(|link| url::Url::parse(link).ok()) {
        return vec![next(&record.op, "GET", link.path(), link.query().unwrap_or_default(), 200, json!({ "value": [] }))];
    }
    match record.op.as_str() {
        "vault.PUT" if record.is_success() => {
            answer["properties"]["provisioningState"] = json!("Succeeded");
            vec![next("vault.GET", "GET", &record.path, "", 200, answer)]
        }
        "vault.PUT" if record.code() == "ConflictError" => {
            let location = record.asked()["location"].as_str().unwrap_or_default().to_owned();
            let (subscription, name) =
                (calls::scope(record).subscription_id().to_owned(), record.path.rsplit('/').next().unwrap_or_default());
            let path = format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}");
            vec![next("deletedVault.GET", "GET", &path, "", 404, json!({ "error": { "code": "DeletedVaultNotFound", "message": "none" } }))]
        }
        "deletedSecret.recover.POST" => {
            let name = record.path.split('/').nth(2).unwrap_or_default();
            let there = record.is_success();
            answer["value"] = json!("of a test");
            let body = if there { answer } else { json!({ "error": { "code": "SecretNotFound", "message": "none" } }) };
            vec![next("secret.GET", "GET", &format!("/secrets/{name}"), "", if there { 200 } else { 404 }, body)]
        }
        _ => Vec::new(),
    }
}

/// Sets Azure's host in records of tools that recorded their own address.
fn at_the_real_host(mut record: Record) -> Record {
    if record.host.starts_with("localhost:") && record.path.starts_with("/subscriptions/") {
        record.host = "management.azure.com".to_owned();
    }
    record
}
