//! How controllers write: through the API server's own functions, so that defaults, admission, field owners and generations are the same as
//! for any client. Also keeps what failed recently, and when the controllers have to run again.

use super::super::call::{Call, Validation};
use super::super::delete::{self, DeleteOptions};
use super::super::facts::Facts;
use super::super::label_selector;
use super::super::status::{Outcome, Refusal};
use super::super::store::{Store, meta};
use super::super::write;
use crate::attempt::{Panicked, Undo as _, caught};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const MANAGER: &str = "kube-controller-manager";
/// The first pause after a failure, and the longest one; each pause is twice the last.
const BACKOFF: [SignedDuration; 2] = [SignedDuration::from_millis(200), SignedDuration::from_secs(30)];

/// When the controllers of one cluster run again, and which objects wait for a retry.
#[derive(Default)]
pub struct RetryState {
    next_run: Option<Timestamp>,
    /// By uid: the number of failures in a row, and the time of the next attempt.
    failed: BTreeMap<String, (u32, Timestamp)>,
    /// The time of the last search for old events.
    pub swept: Option<Timestamp>,
}

impl RetryState {
    pub fn begin(&mut self) {
        self.next_run = None;
    }

    /// Returns the time until the next run; never zero.
    pub fn next_run(&self) -> Option<Duration> {
        let left = self.next_run?.duration_since(Timestamp::now());
        Some(Duration::try_from(left).unwrap_or_default().max(Duration::from_millis(1)))
    }

    pub fn run_again_at(&mut self, time: Timestamp) {
        self.next_run = Some(self.next_run.map_or(time, |earlier| earlier.min(time)));
    }

    /// Returns whether it is too early to retry an object.
    pub fn is_backing_off(&mut self, uid: &str) -> bool {
        let until = self.failed.get(uid).map(|(_, until)| *until).filter(|until| *until > Timestamp::now());
        if let Some(until) = until {
            self.run_again_at(until);
        }
        until.is_some()
    }

    pub fn record_failure(&mut self, uid: &str) {
        let times = self.failed.get(uid).map_or(0, |(times, _)| *times);
        let pause = BACKOFF[0].checked_mul(1 << times.min(16)).unwrap_or(BACKOFF[1]).min(BACKOFF[1]);
        let until = Timestamp::now() + pause;
        self.failed.insert(uid.to_owned(), (times.saturating_add(1), until));
        self.run_again_at(until);
    }

    pub fn forget_failures(&mut self, uid: &str) {
        self.failed.remove(uid);
    }
}

pub struct ControllerClient<'a> {
    pub store: &'a mut Store,
    pub facts: &'a Facts,
    pub retries: &'a mut RetryState,
}

impl ControllerClient<'_> {
    /// Works on one object, given by its uid, unless it is backing off.
    pub fn unless_backing_off(&mut self, uid: &str, act: impl FnOnce(&mut Self)) {
        if !self.retries.is_backing_off(uid) {
            self.isolated(act, uid);
        }
    }

    /// Works on one object, given by its uid. A panic is undone and does not affect other objects.
    pub fn isolated(&mut self, act: impl FnOnce(&mut Self), uid: &str) {
        self.store.begin();
        match caught(|| act(self)) {
            Ok(()) => self.store.commit(),
            Err(Panicked) => {
                self.store.undo();
                self.retries.record_failure(uid);
            }
        }
    }

    fn call(&self, qualified: &str, namespace: &str, name: &str, sub: &str, manager: &str) -> Outcome<Call> {
        let resource = self.store.catalog.stored(qualified).ok_or_else(Refusal::page_not_found)?;
        Ok(Call {
            resource,
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: name.to_owned(),
            sub: sub.to_owned(),
            dry_run: false,
            manager: manager.to_owned(),
            validation: Validation::Ignore,
            force: false,
            user: None,
        })
    }

    pub fn create(&mut self, qualified: &str, namespace: &str, object: &Value) -> Outcome<Value> {
        let call = self.call(qualified, namespace, "", "", MANAGER)?;
        write::create(self.store, self.facts, &call, object.to_string().as_bytes(), &mut Vec::new()).map(|reply| reply.body)
    }

    pub fn update(&mut self, qualified: &str, object: &Value) -> Outcome<Value> {
        self.replace(qualified, object, "", MANAGER)
    }

    pub fn update_status(&mut self, qualified: &str, object: &Value) -> Outcome<Value> {
        self.replace(qualified, object, "status", MANAGER)
    }

    pub fn replace(&mut self, qualified: &str, object: &Value, sub: &str, manager: &str) -> Outcome<Value> {
        let call = self.call(qualified, meta(object, "namespace"), meta(object, "name"), sub, manager)?;
        write::replace(self.store, &call, object.to_string().as_bytes(), &mut Vec::new()).map(|reply| reply.body)
    }

    pub fn delete(&mut self, qualified: &str, object: &Value) -> Outcome<()> {
        let call = self.call(qualified, meta(object, "namespace"), meta(object, "name"), "", MANAGER)?;
        delete::delete(self.store, &call, &DeleteOptions::default()).map(drop)
    }

    /// Lists the objects of a kind in one namespace.
    pub fn list(&self, qualified: &str, namespace: &str) -> Vec<Value> {
        self.store.with_prefix(&format!("{qualified}/{namespace}/")).map(|(_, object)| object.clone()).collect()
    }
}

pub fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Adds seconds to a time, and stops at the last time that can be represented.
pub fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

pub fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

pub fn controller(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// Returns the owner reference from an object to its controller.
pub fn owned_by(owner: &Value) -> Value {
    serde_json::json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

impl ControllerClient<'_> {
    /// Claims objects for an owner: adopts matching objects without a controller, and releases own objects that no longer match
    /// (kubernetes, `pkg/controller/controller_ref_manager.go`).
    pub fn claim(&mut self, qualified: &str, owner: &Value, candidates: Vec<Value>) -> Vec<Value> {
        let uid = meta(owner, "uid").to_owned();
        let owner_deleted = !owner["metadata"]["deletionTimestamp"].is_null();
        let mut ours = Vec::new();
        for object in candidates {
            let fits = label_selector::matches(&owner["spec"]["selector"], &object["metadata"]["labels"]);
            let mut changed = object.clone();
            let deleted = !object["metadata"]["deletionTimestamp"].is_null();
            match controller(&object).map(|c| c["uid"] == uid.as_str()) {
                Some(true) if fits => {
                    ours.push(object);
                    continue;
                }
                Some(true) if !owner_deleted => {
                    if let Some(owners) = changed["metadata"]["ownerReferences"].as_array_mut() {
                        owners.retain(|reference| reference["uid"] != uid.as_str());
                    }
                    let _ = self.update(qualified, &changed);
                }
                None if fits && !owner_deleted && !deleted => {
                    let mut owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
                    owners.push(owned_by(owner));
                    changed["metadata"]["ownerReferences"] = owners.into();
                    ours.extend(self.update(qualified, &changed));
                }
                _ => {}
            }
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_failures_get_longer() {
        let mut retries = RetryState::default();
        assert!(!retries.is_backing_off("u") && retries.next_run().is_none());
        retries.record_failure("u");
        assert!(retries.is_backing_off("u") && retries.next_run().unwrap() <= Duration::from_millis(200));
        retries.begin();
        retries.record_failure("u");
        assert!(retries.next_run().unwrap() > Duration::from_millis(200));
        retries.forget_failures("u");
        assert!(!retries.is_backing_off("u"));
    }
}
