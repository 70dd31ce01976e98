//! Creates, changes and deletes managed clusters. AKS has no PATCH for settings: the whole document is read, changed and put back, with its
//! etag, so that a change that somebody else makes meanwhile is not undone.
//! <https://learn.microsoft.com/azure/aks/use-etags>

use super::{
    ArmId, Error, Result, Tags, Write,
    arm::{self, Arm, Precondition},
    clusters::{VERSION, running},
    failures::absent,
    fields, hosts,
    operations::{self, Target},
    wait::{OPERATION, Poll, Waiter},
};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Conflicts that waiting does not end.
const LASTING: &[&str] = &["MissingSubscriptionRegistration", "ScopeLocked", "ResourceGroupBeingDeleted", "QuotaExceeded"];

impl Write {
    /// Sets these fields below a managed cluster's `properties`, if they differ, and waits until the cluster has them. All others stay as
    /// they are. Returns the document; None if there is no such cluster.
    pub async fn set_cluster_fields(&self, id: &ArmId, fields: &Value) -> Result<Option<Value>> {
        self.call(set(&self.core.arm, &self.patience, id, fields, false)).await
    }

    /// Waits until no operation runs on a cluster. One whose last operation failed is put again as it is, which makes AKS try again.
    pub async fn settle_cluster(&self, id: &ArmId) -> Result<Option<Value>> {
        self.call(set(&self.core.arm, &self.patience, id, &json!({}), true)).await
    }

    /// Creates a cluster and waits for it. One that exists is returned as it is: somebody else created it at the same time.
    pub async fn create_cluster(&self, id: &ArmId, body: &Value) -> Result<Value> {
        self.call(create(&self.core.arm, &self.patience, id, body)).await
    }

    /// Replaces the tags of a cluster.
    pub async fn tag_cluster(&self, id: &ArmId, tags: &Tags) -> Result<Value> {
        let what = format!("the cluster {}", id.name());
        let body = json!({ "tags": tags });
        self.call(operations::patch(&self.core.arm, &self.patience, Target { id, version: VERSION, what: &what }, &body)).await
    }

    /// Deletes a cluster with its nodes, and waits for that.
    pub async fn delete_cluster(&self, id: &ArmId) -> Result<()> {
        let what = format!("the cluster {}", id.name());
        let (arm, patience) = (&self.core.arm, &self.patience);
        let delete = || async { operations::delete(arm, patience, Target { id, version: VERSION, what: &what }).await.map(Poll::Done) };
        self.call(unconflicted(patience, &what, delete)).await
    }
}

/// Returns the etag. Some API versions return none: <https://github.com/Azure/AKS/blob/master/CHANGELOG.md>, 2025-09-21.
fn etag(document: &Value) -> Option<&str> {
    let found = ["/eTag", "/etag", "/properties/eTag"].iter().find_map(|place| document.pointer(place));
    found.and_then(Value::as_str).filter(|etag| !etag.is_empty())
}

/// Repeats a step while another change of the cluster is in its way. When the time is up, that conflict is the error.
async fn unconflicted<T, F: Future<Output = Result<Poll<T>>>>(patience: &Waiter, what: &str, mut step: impl FnMut() -> F) -> Result<T> {
    let last: Mutex<Option<Error>> = Mutex::default();
    let keep = |error: Error| *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    let done = patience
        .until(&format!("the change of {what}"), OPERATION, || {
            let step = step();
            async {
                match step.await {
                    Err(error @ Error::Conflict { .. }) if !lasts(&error) => {
                        keep(error);
                        Ok(Poll::Wait(format!("waiting until another change of {what} has ended")))
                    }
                    other => other,
                }
            }
        })
        .await;
    match (done, last.into_inner().unwrap_or_else(PoisonError::into_inner)) {
        (Err(Error::NotYet { .. }), Some(conflict)) => Err(conflict),
        (done, _) => done,
    }
}

fn lasts(error: &Error) -> bool {
    matches!(error, Error::Conflict { code, .. } if LASTING.contains(&code.as_str()))
}

async fn read(arm: &Arm, id: &ArmId) -> Result<Option<Value>> {
    absent(arm.body(id, VERSION).await)?.map(|body| arm::parsed(hosts::ARM, &body)).transpose()
}

/// Sets these fields below `properties`. `again`: also puts a cluster whose last operation failed as it is.
async fn set(arm: &Arm, patience: &Waiter, id: &ArmId, wanted: &Value, again: bool) -> Result<Option<Value>> {
    let wanted = json!({ "properties": wanted });
    let edit = |document: &mut Value| {
        let failed = document.pointer("/properties/provisioningState").is_some_and(|state| state != "Succeeded");
        let differs = !fields::holds(document, &wanted);
        if differs {
            fields::merge(document, &wanted);
        }
        Ok(differs || (again && failed))
    };
    change(arm, patience, id, edit).await
}

/// Changes a document; `edit` returns whether it is to be put, and is called again with a new document after a conflict. A change that is
/// running is awaited first: it may be that of a run that was killed.
pub async fn change(arm: &Arm, patience: &Waiter, id: &ArmId, edit: impl Fn(&mut Value) -> Result<bool>) -> Result<Option<Value>> {
    let what = format!("the cluster {}", id.name());
    let step = || async {
        let Some(mut document) = read(arm, id).await? else { return Ok(Poll::Done(None)) };
        if let Some(state) = running(&document) {
            return Ok(Poll::Wait(format!("waiting until {what} is ready ({state})")));
        }
        let etag = etag(&document).map(str::to_owned);
        if !edit(&mut document)? {
            return Ok(Poll::Done(Some(document)));
        }
        let target = Target { id, version: VERSION, what: &what };
        operations::put(arm, patience, target, etag.as_deref().map(Precondition::Etag), &document).await.map(|done| Poll::Done(Some(done)))
    };
    unconflicted(patience, &what, step).await
}

async fn create(arm: &Arm, patience: &Waiter, id: &ArmId, body: &Value) -> Result<Value> {
    let what = format!("the cluster {}", id.name());
    let step = || async {
        match read(arm, id).await? {
            Some(document) => match running(&document) {
                Some(state) => Ok(Poll::Wait(format!("waiting until {what} is ready ({state})"))),
                None => Ok(Poll::Done(document)),
            },
            None => {
                let target = Target { id, version: VERSION, what: &what };
                operations::put(arm, patience, target, Some(Precondition::Absent), body).await.map(Poll::Done)
            }
        }
    };
    unconflicted(patience, &what, step).await
}
