//! How controllers write: through the API server's own functions, so that defaults, admission, field owners and generations are as for any
//! client. Also what they remember from round to round: when to look again, and what failed lately.

use super::super::Facts;
use super::super::call::{Call, Validation};
use super::super::erase::{self, Options};
use super::super::status::{Outcome, Refusal};
use super::super::store::{Store, meta};
use super::super::write;
use crate::attempt::{Panicked, Undo as _, caught};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const WRITER: &str = "kube-controller-manager";
/// A controller that failed waits this long at first, then longer, up to the second.
const PAUSES: [SignedDuration; 2] = [SignedDuration::from_millis(200), SignedDuration::from_secs(30)];

/// Of one cluster, as long as it runs.
#[derive(Default)]
pub struct Memory {
    wake: Option<Timestamp>,
    /// By uid: how often it failed in a row, and when it may be tried again.
    failed: BTreeMap<String, (u32, Timestamp)>,
    /// When old events were looked for.
    pub swept: Option<Timestamp>,
}

impl Memory {
    pub fn begin(&mut self) {
        self.wake = None;
    }

    /// How long from now; never zero.
    pub fn wake(&self) -> Option<Duration> {
        let left = self.wake?.duration_since(Timestamp::now());
        Some(Duration::try_from(left).unwrap_or_default().max(Duration::from_millis(1)))
    }

    pub fn look_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |earlier| earlier.min(time)));
    }

    /// Whether it is too early to try again what failed.
    pub fn rests(&mut self, uid: &str) -> bool {
        let until = self.failed.get(uid).map(|(_, until)| *until).filter(|until| *until > Timestamp::now());
        if let Some(until) = until {
            self.look_at(until);
        }
        until.is_some()
    }

    pub fn failed(&mut self, uid: &str) {
        let times = self.failed.get(uid).map_or(0, |(times, _)| *times);
        let pause = PAUSES[0].checked_mul(1 << times.min(16)).unwrap_or(PAUSES[1]).min(PAUSES[1]);
        let until = Timestamp::now() + pause;
        self.failed.insert(uid.to_owned(), (times.saturating_add(1), until));
        self.look_at(until);
    }

    pub fn went_well(&mut self, uid: &str) {
        self.failed.remove(uid);
    }
}

pub struct Hand<'a> {
    pub store: &'a mut Store,
    pub facts: &'a Facts,
    pub memory: &'a mut Memory,
}

impl Hand<'_> {
    /// Does something for one object, by its uid, unless that failed a moment ago.
    pub fn apart(&mut self, uid: &str, act: impl FnOnce(&mut Self)) {
        if !self.memory.rests(uid) {
            self.alone(act, uid);
        }
    }

    /// Does something for one object, by its uid. If that panics, all of it is undone, and no other object has to wait for it.
    pub fn alone(&mut self, act: impl FnOnce(&mut Self), uid: &str) {
        self.store.begin();
        match caught(|| act(self)) {
            Ok(()) => self.store.commit(),
            Err(Panicked) => {
                self.store.undo();
                self.memory.failed(uid);
            }
        }
    }

    fn call(&self, qualified: &str, namespace: &str, name: &str, sub: &str, writer: &str) -> Outcome<Call> {
        let resource = self.store.catalog.stored(qualified).ok_or_else(Refusal::page_not_found)?;
        Ok(Call {
            resource,
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: name.to_owned(),
            sub: sub.to_owned(),
            dry_run: false,
            writer: writer.to_owned(),
            validation: Validation::Ignore,
            force: false,
            by: None,
        })
    }

    pub fn create(&mut self, qualified: &str, namespace: &str, object: &Value) -> Outcome<Value> {
        let call = self.call(qualified, namespace, "", "", WRITER)?;
        write::create(self.store, self.facts, &call, object.to_string().as_bytes(), &mut Vec::new()).map(|reply| reply.body)
    }

    pub fn update(&mut self, qualified: &str, object: &Value) -> Outcome<Value> {
        self.replace(qualified, object, "", WRITER)
    }

    pub fn update_status(&mut self, qualified: &str, object: &Value) -> Outcome<Value> {
        self.replace(qualified, object, "status", WRITER)
    }

    pub fn replace(&mut self, qualified: &str, object: &Value, sub: &str, writer: &str) -> Outcome<Value> {
        let call = self.call(qualified, meta(object, "namespace"), meta(object, "name"), sub, writer)?;
        write::replace(self.store, &call, object.to_string().as_bytes(), &mut Vec::new()).map(|reply| reply.body)
    }

    pub fn delete(&mut self, qualified: &str, object: &Value) -> Outcome<()> {
        let call = self.call(qualified, meta(object, "namespace"), meta(object, "name"), "", WRITER)?;
        erase::one(self.store, &call, &Options::default()).map(drop)
    }

    /// Of one namespace; without those that a finalizer still holds if `alive`.
    pub fn list(&self, qualified: &str, namespace: &str) -> Vec<Value> {
        self.store.under(&format!("{qualified}/{namespace}/")).map(|(_, object)| object.clone()).collect()
    }
}

/// Whether a LabelSelector takes these labels.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let named = selector["matchLabels"].as_object().into_iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    let told = selector["matchExpressions"].as_array().into_iter().flatten().all(|rule| {
        let value = labels.get(rule["key"].as_str().unwrap_or_default());
        let among = value.is_some_and(|value| rule["values"].as_array().is_some_and(|all| all.contains(value)));
        match rule["operator"].as_str() {
            Some("In") => among,
            Some("NotIn") => !among,
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    });
    named && told
}

pub fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// So many seconds later, or the last time that there is.
pub fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

pub fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

pub fn controller(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// The reference of a controller to what it makes.
pub fn owned_by(owner: &Value) -> Value {
    serde_json::json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

impl Hand<'_> {
    /// Those that a selector takes: what is nobody's is taken over, what is ours and no longer selected is let go
    /// (kubernetes, `pkg/controller/controller_ref_manager.go`).
    pub fn claim(&mut self, qualified: &str, owner: &Value, candidates: Vec<Value>) -> Vec<Value> {
        let uid = meta(owner, "uid").to_owned();
        let going = !owner["metadata"]["deletionTimestamp"].is_null();
        let mut ours = Vec::new();
        for object in candidates {
            let fits = selects(&owner["spec"]["selector"], &object["metadata"]["labels"]);
            let mut changed = object.clone();
            let dying = !object["metadata"]["deletionTimestamp"].is_null();
            match controller(&object).map(|c| c["uid"] == uid.as_str()) {
                Some(true) if fits => {
                    ours.push(object);
                    continue;
                }
                Some(true) if !going => {
                    if let Some(owners) = changed["metadata"]["ownerReferences"].as_array_mut() {
                        owners.retain(|reference| reference["uid"] != uid.as_str());
                    }
                    let _ = self.update(qualified, &changed);
                }
                None if fits && !going && !dying => {
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
    use serde_json::json;

    #[test]
    fn a_selector_asks_for_all_that_it_says() {
        let labels = json!({"app": "a", "tier": "web"});
        let holds = |selector: Value| selects(&selector, &labels);
        assert!(holds(json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]})));
        assert!(!holds(json!({"matchLabels": {"app": "b"}})));
        assert!(holds(
            json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}, {"key": "x", "operator": "DoesNotExist"}]})
        ));
        assert!(!holds(json!({"matchExpressions": [{"key": "x", "operator": "Exists"}]})));
    }

    #[test]
    fn what_failed_is_tried_again_later_and_later() {
        let mut memory = Memory::default();
        assert!(!memory.rests("u") && memory.wake().is_none());
        memory.failed("u");
        assert!(memory.rests("u") && memory.wake().unwrap() <= Duration::from_millis(200));
        memory.begin();
        memory.failed("u");
        assert!(memory.wake().unwrap() > Duration::from_millis(200));
        memory.went_well("u");
        assert!(!memory.rests("u"));
    }
}
