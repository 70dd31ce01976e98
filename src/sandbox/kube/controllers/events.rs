//! What controllers say of what they do, as client-go's recorders write it: one object for one message, counted when it comes again; and
//! the end of old events.

use super::super::store::{meta, now};
use super::hand::{Hand, time};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// kube-apiserver's `--event-ttl`.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

impl Hand<'_> {
    /// `weight`: Normal or Warning.
    pub fn say(&mut self, about: &Value, component: &str, weight: &str, reason: &str, message: &str) {
        let at = now();
        let reference = reference(about);
        let same = |event: &Value| {
            event["involvedObject"] == reference
                && event["reason"] == reason
                && event["message"] == message
                && event["source"]["component"] == component
        };
        let namespace = meta(about, "namespace").to_owned();
        if let Some(mut known) = self.list("events", &namespace).into_iter().find(same) {
            known["count"] = json!(known["count"].as_i64().unwrap_or(1) + 1);
            known["lastTimestamp"] = json!(at);
            let _ = self.update("events", &known);
            return;
        }
        let event = json!({
            "metadata": {"name": self.event_name(about), "namespace": namespace},
            "involvedObject": reference, "reason": reason, "message": message, "source": {"component": component},
            "firstTimestamp": at, "lastTimestamp": at, "count": 1, "type": weight, "reportingComponent": component, "reportingInstance": "",
        });
        let _ = self.create("events", &namespace, &event);
    }

    /// As the scheduler writes: in the newer form.
    pub fn say_anew(&mut self, about: &Value, weight: &str, reason: &str, action: &str, message: &str) {
        const SCHEDULER: &str = "default-scheduler";
        let namespace = meta(about, "namespace").to_owned();
        let said = |event: &Value| {
            event["involvedObject"]["uid"] == about["metadata"]["uid"] && event["reason"] == reason && event["message"] == message
        };
        if self.list("events", &namespace).iter().any(said) {
            return;
        }
        let event = json!({
            "metadata": {"name": self.event_name(about), "namespace": namespace},
            "involvedObject": reference(about), "reason": reason, "message": message, "action": action, "type": weight,
            "eventTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "reportingComponent": SCHEDULER, "reportingInstance": format!("{SCHEDULER}-sandbox"),
        });
        let _ = self.create("events", &namespace, &event);
    }

    fn event_name(&mut self, about: &Value) -> String {
        // in the real one a time; it need only differ
        let n = self.store.count("event");
        let nanos = Timestamp::now().as_nanosecond() as u64;
        format!("{}.{:x}", meta(about, "name"), nanos.wrapping_add(n))
    }
}

fn reference(about: &Value) -> Value {
    json!({
        "kind": about["kind"], "namespace": about["metadata"]["namespace"], "name": about["metadata"]["name"], "uid": about["metadata"]["uid"],
        "apiVersion": about["apiVersion"], "resourceVersion": about["metadata"]["resourceVersion"],
    })
}

/// Takes old events away, not in every round.
pub fn expire(hand: &mut Hand<'_>) {
    let now = Timestamp::now();
    if hand.memory.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
        return;
    }
    hand.memory.swept = Some(now);
    let last = |event: &Value| {
        ["lastTimestamp", "eventTime"]
            .iter()
            .find_map(|field| time(&event[*field]))
            .or_else(|| time(&event["metadata"]["creationTimestamp"]))
    };
    let old: Vec<String> = hand
        .store
        .under("events/")
        .filter(|(_, event)| last(event).is_some_and(|at| now.duration_since(at) > KEPT))
        .map(|(at, _)| at.clone())
        .collect();
    old.iter().for_each(|at| drop(hand.store.remove(at)));
}
