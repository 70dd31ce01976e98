//! Changes settings of a managed cluster. AKS has no PATCH for them: the whole document is read, changed and put back, with its etag, so
//! that a change that somebody else makes meanwhile is not undone.
//! <https://learn.microsoft.com/azure/aks/use-etags>

use super::{
    ArmId, Error, Result,
    arm::{self, Arm},
    clusters::{VERSION, running},
    failures::absent,
    fields, hosts,
    operations::{self, Target},
    wait::{OPERATION, Poll, Waiter},
};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Conflicts that waiting does not end.
const LASTING: &[&str] = &["MissingSubscriptionRegistration", "ScopeLocked", "ResourceGroupBeingDeleted"];

/// Returns the etag. Some API versions return none: <https://github.com/Azure/AKS/blob/master/CHANGELOG.md>, 2025-09-21.
fn etag(document: &Value) -> Option<&str> {
    let found = ["/eTag", "/etag", "/properties/eTag"].iter().find_map(|place| document.pointer(place));
    found.and_then(Value::as_str).filter(|etag| !etag.is_empty())
}

/// Sets these fields below `properties`. A change that is running is awaited first: it may be that of a run that was killed.
pub async fn set(arm: &Arm, patience: &Waiter, id: &ArmId, wanted: &Value) -> Result<Option<Value>> {
    let what = format!("the cluster {}", id.name());
    let wanted = json!({ "properties": wanted });
    let last: Mutex<Option<Error>> = Mutex::default();
    let step = || async {
        let Some(body) = absent(arm.body(id, VERSION).await)? else { return Ok(Poll::Done(None)) };
        let mut document: Value = arm::parsed(hosts::ARM, &body)?;
        if let Some(state) = running(&document) {
            return Ok(Poll::Wait(format!("Waiting until {what} is ready ({state}).")));
        }
        if fields::holds(&document, &wanted) {
            return Ok(Poll::Done(Some(document)));
        }
        let etag = etag(&document).map(str::to_owned);
        fields::merge(&mut document, &wanted);
        match operations::put(arm, patience, Target { id, version: VERSION, what: &what }, etag.as_deref(), &document).await {
            Err(error @ Error::Conflict { .. }) if !lasts(&error) => {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(Poll::Wait(format!("Waiting until another change of {what} has ended.")))
            }
            done => done.map(|document| Poll::Done(Some(document))),
        }
    };
    let done = patience.until(&format!("the change of {what}"), OPERATION, step).await;
    match (done, last.into_inner().unwrap_or_else(PoisonError::into_inner)) {
        (Err(Error::NotYet { .. }), Some(conflict)) => Err(conflict),
        (done, _) => done,
    }
}

fn lasts(error: &Error) -> bool {
    matches!(error, Error::Conflict { code, .. } if LASTING.contains(&code.as_str()))
}
