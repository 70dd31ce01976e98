//! Writes that Azure Resource Manager responds to before they are done. The response has an address to poll (`Azure-AsyncOperation`, or
//! `Location` with a 202), or the resource itself has the progress (`provisioningState`).
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>

use super::{
    ArmId, Error, Result,
    arm::{self, Arm, Precondition},
    failures::{self, absent},
    hosts, limits,
    pipeline::HttpResponse,
    wait::{OPERATION, Poll, Waiter},
};
use ::http::{HeaderMap, Method};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::sync::Mutex;
use url::Url;

/// The resource that is written. `what` names it in sentences for people (`the cluster aks`).
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub id: &'a ArmId,
    pub version: &'a str,
    pub what: &'a str,
}

/// The address that returns the progress of an operation.
#[derive(Clone, Debug, PartialEq)]
enum Tracker {
    /// Returns a body with a `status`.
    Operation(Url),
    /// Returns 202 until the operation is done.
    Location(Url),
    /// Is the resource itself.
    Resource,
}

/// Sends a PUT and returns the resource once the operation is done.
pub async fn put<T: DeserializeOwned>(
    arm: &Arm,
    patience: &Waiter,
    target: Target<'_>,
    only_if: Option<Precondition<'_>>,
    body: &impl Serialize,
) -> Result<T> {
    write(arm, patience, target, Method::PUT, only_if, body).await
}

/// Sends a PATCH and returns the resource once the operation is done.
pub async fn patch<T: DeserializeOwned>(arm: &Arm, patience: &Waiter, target: Target<'_>, body: &impl Serialize) -> Result<T> {
    write(arm, patience, target, Method::PATCH, None, body).await
}

/// Sends a DELETE and waits until the resource is deleted. An absent resource is a success.
pub async fn delete(arm: &Arm, patience: &Waiter, target: Target<'_>) -> Result<()> {
    let url = arm::url(target.id, &[], target.version)?;
    let Some(answer) = absent(arm.exchange(Method::DELETE, url.clone(), None::<&()>).await)? else { return Ok(()) };
    let tracker = match tracker(&url, &answer)? {
        Some(tracker) => tracker,
        // the deletion is done, with or without a body
        None if answer.status != 202 => return Ok(()),
        None => Tracker::Resource,
    };
    follow(arm, patience, target, Method::DELETE, tracker, answer).await.map(drop)
}

async fn write<T: DeserializeOwned>(
    arm: &Arm,
    patience: &Waiter,
    target: Target<'_>,
    method: Method,
    only_if: Option<Precondition<'_>>,
    body: &impl Serialize,
) -> Result<T> {
    let url = arm::url(target.id, &[], target.version)?;
    let answer = arm.exchange_if(method.clone(), url.clone(), only_if, Some(body)).await?;
    let tracker = match tracker(&url, &answer)? {
        Some(tracker) => tracker,
        None => match state(&answer) {
            State::Done if answer.status != 202 && !answer.body.is_empty() => return arm::parsed(hosts::ARM, &answer.body),
            State::Failed(error) => return Err(error),
            State::Done | State::Running(_) => Tracker::Resource,
        },
    };
    let last = follow(arm, patience, target, method, tracker, answer).await?;
    match last {
        Some(body) => arm::parsed(hosts::ARM, &body),
        None => arm::parsed(hosts::ARM, &arm.exchange(Method::GET, url, None::<&()>).await?.body),
    }
}

/// Returns where to poll. `Azure-AsyncOperation` has priority. A `Location` counts only with a 202: with a 201 it is the address of the new
/// resource.
fn tracker(asked: &Url, answer: &HttpResponse) -> Result<Option<Tracker>> {
    if let Some(url) = address(asked, &answer.headers, "azure-asyncoperation")? {
        return Ok(Some(Tracker::Operation(url)));
    }
    match answer.status {
        202 => Ok(address(asked, &answer.headers, "location")?.map(Tracker::Location)),
        _ => Ok(None),
    }
}

fn address(asked: &Url, headers: &HeaderMap, name: &str) -> Result<Option<Url>> {
    let Some(link) = headers.get(name).and_then(|value| value.to_str().ok()).filter(|link| !link.trim().is_empty()) else {
        return Ok(None);
    };
    // the address is signed: it is requested unchanged and kept out of messages
    let url =
        limits::link(asked, link.trim()).ok_or_else(|| Error::Protocol(format!("{} continues an operation elsewhere", hosts::ARM)))?;
    Ok(Some(url))
}

enum State {
    Done,
    /// The status as the service spells it; the set of possible words is not fixed.
    Running(String),
    Failed(Error),
}

fn word<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str).filter(|word| !word.is_empty())
}

/// Converts a status word: only three end an operation. A running operation may contain an error, which counts only at the end.
fn ended(word: Option<&str>, answer: &HttpResponse) -> State {
    match word {
        None => State::Done,
        Some(word) if word.eq_ignore_ascii_case("Succeeded") => State::Done,
        Some(word) if ["Failed", "Canceled", "Cancelled"].iter().any(|end| word.eq_ignore_ascii_case(end)) => {
            State::Failed(failures::failed_operation(hosts::ARM, word, &answer.body))
        }
        Some(word) => State::Running(word.to_owned()),
    }
}

fn json(answer: &HttpResponse) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Returns the state of a resource. A missing `provisioningState` means that it is done.
fn state(answer: &HttpResponse) -> State {
    ended(word(&json(answer), "/properties/provisioningState"), answer)
}

/// Polls until the operation is done. Returns the resource if the last response was one.
async fn follow(
    arm: &Arm,
    patience: &Waiter,
    target: Target<'_>,
    method: Method,
    tracker: Tracker,
    first: HttpResponse,
) -> Result<Option<bytes::Bytes>> {
    let deletes = method == Method::DELETE;
    let doing = if deletes { "deleted" } else { "ready" };
    let sentence = |word: Option<String>| {
        let word = word.map(|word| format!(" ({word})")).unwrap_or_default();
        format!("waiting until {} is {doing}{word}", target.what)
    };
    let wait = |word: Option<String>, headers: &HeaderMap| match failures::retry_after(headers) {
        Some(pause) => Poll::WaitFor(sentence(word), pause),
        None => Poll::Wait(sentence(word)),
    };
    let resource = arm::url(target.id, &[], target.version)?;
    // the first response has the pause before the first poll
    let first = Mutex::new(Some(wait(None, &first.headers)));
    let tracker = Mutex::new(tracker);
    let lock = |of: &Mutex<Tracker>| of.lock().unwrap_or_else(|poison| poison.into_inner()).clone();
    let what = if deletes { format!("the deletion of {}", target.what) } else { target.what.to_owned() };
    let step = || async {
        if let Some(step) = first.lock().unwrap_or_else(|poison| poison.into_inner()).take() {
            return Ok(step);
        }
        let now = lock(&tracker);
        let url = match &now {
            Tracker::Operation(url) | Tracker::Location(url) => url.clone(),
            Tracker::Resource => resource.clone(),
        };
        let answer = arm.exchange(Method::GET, url.clone(), None::<&()>).await;
        // the record of a deletion may be deleted with the resource
        let answer = if deletes { absent(answer)? } else { Some(answer?) };
        let Some(answer) = answer else { return Ok(Poll::Done(None)) };
        let (state, body) = match now {
            Tracker::Operation(_) => (ended(word(&json(&answer), "/status"), &answer), None),
            Tracker::Location(_) if answer.status == 202 => {
                // each response may have a new address
                if let Some(next) = address(&url, &answer.headers, "location")? {
                    *tracker.lock().unwrap_or_else(|poison| poison.into_inner()) = Tracker::Location(next);
                }
                let state = word(&json(&answer), "/status").map_or_else(|| "InProgress".to_owned(), str::to_owned);
                (State::Running(state), None)
            }
            Tracker::Location(_) => (state(&answer), is_resource(&answer).then(|| answer.body.clone())),
            Tracker::Resource if deletes => match state(&answer) {
                State::Done => (State::Running("Deleting".to_owned()), None),
                state => (state, None),
            },
            Tracker::Resource => (state(&answer), Some(answer.body.clone())),
        };
        match state {
            State::Done => Ok(Poll::Done(body)),
            State::Failed(error) => Err(error),
            State::Running(state) => Ok(wait(Some(state), &answer.headers)),
        }
    };
    patience.until(&what, OPERATION, step).await
}

/// Returns whether a body is a resource: some operations end with their own record instead of the resource.
fn is_resource(answer: &HttpResponse) -> bool {
    word(&json(answer), "/id").is_some() && json(answer).get("status").is_none()
}
