//! Events of controllers, as client-go's recorders write them: one object for one message, with a counter for repetitions. Also deletes old
//! events.

use super::super::store::{meta, now};
use super::controller_client::{ControllerClient, time};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// kube-apiserver's `--event-ttl`.
const TTL: SignedDuration = SignedDuration::from_hours(1);
const SWEEP_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

impl ControllerClient<'_> {
    /// Records an event. `weight` is Normal or Warning.
    pub fn record_event(&mut self, about: &Value, component: &str, event_type: &str, reason: &str, message: &str) {
        let at = now();
        let namespace = meta(about, "namespace").to_owned();
        let similar: Vec<Value> = self
            .store
            .with_prefix(&format!("events/{namespace}/"))
            .map(|(_, event)| event)
            .filter(|e| {
                e["involvedObject"]["uid"] == about["metadata"]["uid"] && e["reason"] == reason && e["source"]["component"] == component
            })
            .cloned()
            .collect();
        let (message, known) = aggregate(&similar, message);
        if let Some(mut known) = known {
            known["count"] = json!(known["count"].as_i64().unwrap_or(1).clamp(0, i64::from(i32::MAX) - 1) + 1);
            known["lastTimestamp"] = json!(at);
            known["message"] = json!(message);
            let _ = self.update("events", &known);
            return;
        }
        let event = json!({
            "metadata": {"name": self.event_name(about), "namespace": namespace},
            "involvedObject": reference(about), "reason": reason, "message": message, "source": {"component": component},
            "firstTimestamp": at, "lastTimestamp": at, "count": 1, "type": event_type, "reportingComponent": component, "reportingInstance": "",
        });
        let _ = self.create("events", &namespace, &event);
    }

    /// Records an event unless the same one is there: of something that lasts, and that each round of the controllers sees again.
    pub fn record_lasting_event(&mut self, about: &Value, component: &str, event_type: &str, reason: &str, message: &str) {
        let same = |event: &Value| {
            event["involvedObject"]["uid"] == about["metadata"]["uid"] && event["reason"] == reason && event["message"] == message
        };
        let prefix = format!("events/{}/", meta(about, "namespace"));
        if !self.store.with_prefix(&prefix).any(|(_, event)| same(event)) {
            self.record_event(about, component, event_type, reason, message);
        }
    }

    /// Records an event as the scheduler does, in the newer form.
    pub fn record_scheduler_event(&mut self, about: &Value, event_type: &str, reason: &str, action: &str, message: &str) {
        const SCHEDULER: &str = "default-scheduler";
        let namespace = meta(about, "namespace").to_owned();
        let same = |event: &Value| {
            event["involvedObject"]["uid"] == about["metadata"]["uid"] && event["reason"] == reason && event["message"] == message
        };
        if self.store.with_prefix(&format!("events/{namespace}/")).any(|(_, event)| same(event)) {
            return;
        }
        let event = json!({
            "metadata": {"name": self.event_name(about), "namespace": namespace},
            "involvedObject": reference(about), "reason": reason, "message": message, "action": action, "type": event_type,
            "eventTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "reportingComponent": SCHEDULER, "reportingInstance": format!("{SCHEDULER}-sandbox"),
        });
        let _ = self.create("events", &namespace, &event);
    }

    fn event_name(&mut self, about: &Value) -> String {
        // The real name contains a time; here it only has to be unique.
        let n = self.store.count("event");
        let nanos = Timestamp::now().as_nanosecond() as u64;
        format!("{}.{:x}", meta(about, "name"), nanos.wrapping_add(n))
    }
}

/// Returns the text to write for a message among similar events, and the event whose counter goes up. From the tenth message in ten minutes on,
/// one event stands for all that follow (client-go, `EventAggregator`).
fn aggregate(similar: &[Value], message: &str) -> (String, Option<Value>) {
    const COMBINED: &str = "(combined from similar events): ";
    const MAX_SIMILAR: usize = 10;
    let text = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
    if let Some(known) = similar.iter().find(|event| text(event) == message) {
        return (message.to_owned(), Some(known.clone()));
    }
    let recent = |event: &&Value| last(event).is_some_and(|at| Timestamp::now().duration_since(at) < SignedDuration::from_mins(10));
    let combined = similar.iter().filter(recent).find(|event| text(event).starts_with(COMBINED));
    if combined.is_some() || similar.iter().filter(recent).count() + 1 >= MAX_SIMILAR {
        return (format!("{COMBINED}{message}"), combined.cloned());
    }
    (message.to_owned(), None)
}

fn last(event: &Value) -> Option<Timestamp> {
    ["lastTimestamp", "eventTime"].iter().find_map(|field| time(&event[*field])).or_else(|| time(&event["metadata"]["creationTimestamp"]))
}

fn reference(about: &Value) -> Value {
    json!({
        "kind": about["kind"], "namespace": about["metadata"]["namespace"], "name": about["metadata"]["name"], "uid": about["metadata"]["uid"],
        "apiVersion": about["apiVersion"], "resourceVersion": about["metadata"]["resourceVersion"],
    })
}

/// Returns when the server last wrote the event: the lease in etcd counts from there, whatever time the event contains.
fn last_write(event: &Value) -> Option<Timestamp> {
    let metadata = &event["metadata"];
    let managed = metadata["managedFields"].as_array().into_iter().flatten().map(|manager| &manager["time"]);
    managed.chain([&metadata["creationTimestamp"]]).filter_map(time).max()
}

/// Deletes old events, but not in every round.
pub fn delete_expired(client: &mut ControllerClient<'_>) {
    let now = Timestamp::now();
    if client.retries.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP_INTERVAL) {
        return;
    }
    client.retries.swept = Some(now);
    let old: Vec<String> = client
        .store
        .with_prefix("events/")
        .filter(|(_, event)| last_write(event).is_some_and(|at| now.duration_since(at) > TTL))
        .map(|(at, _)| at.clone())
        .collect();
    old.iter().for_each(|at| drop(client.store.remove(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ages_from_its_last_write_whatever_time_it_contains() {
        let (made, again) = ("2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z");
        let event = json!({"metadata": {"creationTimestamp": made}, "lastTimestamp": "2020-01-01T00:00:00Z"});
        assert_eq!(last_write(&event), time(&json!(made)));
        let aggregate = json!({"metadata": {"creationTimestamp": made, "managedFields": [{"time": made}, {"time": again}]}});
        assert_eq!(last_write(&aggregate), time(&json!(again)));
    }

    #[test]
    fn many_similar_messages_become_one_with_a_counter() {
        let event = |message: &str| json!({"message": message, "lastTimestamp": now(), "count": 1});
        let mut similar: Vec<Value> = (0..8).map(|n| event(&n.to_string())).collect();
        assert_eq!(aggregate(&similar, "8"), ("8".into(), None));
        assert_eq!(aggregate(&similar, "3").1, Some(similar[3].clone()));
        similar.push(event("8"));
        let (text, known) = aggregate(&similar, "9");
        assert_eq!((text.as_str(), known), ("(combined from similar events): 9", None));
        similar.push(event(&text));
        assert_eq!(aggregate(&similar, "10"), ("(combined from similar events): 10".into(), Some(event(&text))));
    }
}
