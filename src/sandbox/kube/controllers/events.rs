//! What controllers say of what they do, as client-go's recorders write it: one object for one message, counted when it comes again; and
//! the end of old events.

use super::super::store::{meta, now};
use super::controller_client::{ControllerClient, time};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// kube-apiserver's `--event-ttl`.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

impl ControllerClient<'_> {
    /// `weight`: Normal or Warning.
    pub fn record_event(&mut self, about: &Value, component: &str, weight: &str, reason: &str, message: &str) {
        let at = now();
        let namespace = meta(about, "namespace").to_owned();
        let alike: Vec<Value> = self
            .store
            .under(&format!("events/{namespace}/"))
            .map(|(_, event)| event)
            .filter(|e| {
                e["involvedObject"]["uid"] == about["metadata"]["uid"] && e["reason"] == reason && e["source"]["component"] == component
            })
            .cloned()
            .collect();
        let (message, known) = counted(&alike, message);
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
            "firstTimestamp": at, "lastTimestamp": at, "count": 1, "type": weight, "reportingComponent": component, "reportingInstance": "",
        });
        let _ = self.create("events", &namespace, &event);
    }

    /// As the scheduler writes: in the newer form.
    pub fn record_scheduler_event(&mut self, about: &Value, weight: &str, reason: &str, action: &str, message: &str) {
        const SCHEDULER: &str = "default-scheduler";
        let namespace = meta(about, "namespace").to_owned();
        let said = |event: &Value| {
            event["involvedObject"]["uid"] == about["metadata"]["uid"] && event["reason"] == reason && event["message"] == message
        };
        if self.store.under(&format!("events/{namespace}/")).any(|(_, event)| said(event)) {
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

/// What is written for a message among those that are alike, and the event that it counts up. The tenth message in ten minutes stands for
/// all that follow (client-go, `EventAggregator`).
fn counted(alike: &[Value], message: &str) -> (String, Option<Value>) {
    const COMBINED: &str = "(combined from similar events): ";
    const MAX_REPLICAS: usize = 10;
    let text = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
    if let Some(known) = alike.iter().find(|event| text(event) == message) {
        return (message.to_owned(), Some(known.clone()));
    }
    let recent = |event: &&Value| last(event).is_some_and(|at| Timestamp::now().duration_since(at) < SignedDuration::from_mins(10));
    let combined = alike.iter().filter(recent).find(|event| text(event).starts_with(COMBINED));
    if combined.is_some() || alike.iter().filter(recent).count() + 1 >= MAX_REPLICAS {
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

/// When the server took it last: the lease in etcd counts from there, whatever time the writer gave the event.
fn written(event: &Value) -> Option<Timestamp> {
    let metadata = &event["metadata"];
    let managed = metadata["managedFields"].as_array().into_iter().flatten().map(|manager| &manager["time"]);
    managed.chain([&metadata["creationTimestamp"]]).filter_map(time).max()
}

/// Takes old events away, not in every round.
pub fn delete_expired(client: &mut ControllerClient<'_>) {
    let now = Timestamp::now();
    if client.retries.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
        return;
    }
    client.retries.swept = Some(now);
    let old: Vec<String> = client
        .store
        .under("events/")
        .filter(|(_, event)| written(event).is_some_and(|at| now.duration_since(at) > KEPT))
        .map(|(at, _)| at.clone())
        .collect();
    old.iter().for_each(|at| drop(client.store.remove(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ages_from_when_it_was_written_and_not_from_when_it_says_it_was() {
        let (made, again) = ("2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z");
        let told = json!({"metadata": {"creationTimestamp": made}, "lastTimestamp": "2020-01-01T00:00:00Z"});
        assert_eq!(written(&told), time(&json!(made)));
        let counted = json!({"metadata": {"creationTimestamp": made, "managedFields": [{"time": made}, {"time": again}]}});
        assert_eq!(written(&counted), time(&json!(again)));
    }

    #[test]
    fn many_messages_of_a_kind_become_one_that_is_counted() {
        let event = |message: &str| json!({"message": message, "lastTimestamp": now(), "count": 1});
        let mut alike: Vec<Value> = (0..8).map(|n| event(&n.to_string())).collect();
        assert_eq!(counted(&alike, "8"), ("8".into(), None));
        assert_eq!(counted(&alike, "3").1, Some(alike[3].clone()));
        alike.push(event("8"));
        let (text, known) = counted(&alike, "9");
        assert_eq!((text.as_str(), known), ("(combined from similar events): 9", None));
        alike.push(event(&text));
        assert_eq!(counted(&alike, "10"), ("(combined from similar events): 10".into(), Some(event(&text))));
    }
}
