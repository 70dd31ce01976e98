//! The runs of a CronJob: its jobs, their pods, and what became of the last one.

use super::text;
use crate::{
    cluster::{self, Api, Error},
    engine::fault::Fault,
    resources::readiness::{self, State},
};
use serde_json::Value;

/// What a CronJob came to.
pub(super) struct Runs {
    pub(super) is_ready: bool,
    pub(super) state: String,
    pub(super) pods: Vec<Value>,
}

fn is_owned_by(object: &Value, owner: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|all| all.iter().any(|one| one["controller"] == true && one["uid"] == owner["metadata"]["uid"]))
}

/// Looks at the jobs of a CronJob and at their pods. A login that may not list jobs learns only whether it is suspended.
pub(super) async fn look(reader: &cluster::Read, cron: &Value, namespace: &str) -> Result<Runs, Fault> {
    let api = Api::new("batch", "v1", "Job", "jobs");
    let mut jobs = match reader.list(&api, Some(namespace), None).await {
        Err(Error::Forbidden { .. }) => Vec::new(),
        other => other.map_err(Fault::cloud)?,
    };
    jobs.retain(|job| is_owned_by(job, cron));
    jobs.sort_by(|a, b| text(a, "/metadata/creationTimestamp").cmp(text(b, "/metadata/creationTimestamp")));
    let mut pods = Vec::new();
    if !jobs.is_empty() {
        pods = reader.list(&Api::new("", "v1", "Pod", "pods"), Some(namespace), None).await.map_err(Fault::cloud)?;
        pods.retain(|pod| jobs.iter().any(|job| is_owned_by(pod, job)));
    }
    let (is_ready, state) = judged(cron, jobs.last(), &pods);
    Ok(Runs { is_ready, state, pods })
}

fn judged(cron: &Value, last: Option<&Value>, pods: &[Value]) -> (bool, String) {
    let suspended = if cron.pointer("/spec/suspend") == Some(&Value::Bool(true)) { "; suspended" } else { "" };
    let Some(last) = last else {
        let schedule = text(cron, "/spec/schedule");
        return (true, format!("no job has run yet; its schedule is {schedule}{suspended}"));
    };
    let name = text(last, "/metadata/name");
    let (is_ready, state) = match readiness::state(last) {
        State::Ready => (true, format!("its last job {name} has succeeded")),
        State::Failed(reason) => (false, format!("its last job {name} has failed: {reason}")),
        State::Waiting(_) => {
            let own: Vec<Value> = pods.iter().filter(|pod| is_owned_by(pod, last)).cloned().collect();
            let trouble = readiness::pod_trouble(last, &own).map(|trouble| format!(": {trouble}"));
            (trouble.is_none(), format!("its job {name} is running{}", trouble.unwrap_or_default()))
        }
    };
    (is_ready, format!("{state}{suspended}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_job_says_how_a_cron_job_does() {
        let cron = |suspend: bool| json!({ "spec": { "schedule": "0 3 * * *", "suspend": suspend } });
        let job = |kind: &str| {
            json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "j", "uid": "u" },
            "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "i" }] } } },
            "status": { "conditions": [{ "type": kind, "status": "True", "reason": "R", "message": "m" }] } })
        };
        let of = |suspend, last: Option<Value>| judged(&cron(suspend), last.as_ref(), &[]);
        assert_eq!(of(true, None), (true, "no job has run yet; its schedule is 0 3 * * *; suspended".to_owned()));
        assert_eq!(of(false, Some(job("Complete"))), (true, "its last job j has succeeded".to_owned()));
        assert_eq!(of(false, Some(job("Failed"))), (false, "its last job j has failed: R: m".to_owned()));
        let pod = json!({ "metadata": { "name": "j-1", "ownerReferences": [{ "controller": true, "uid": "u" }] },
            "spec": { "containers": [{ "name": "c", "image": "i" }] },
            "status": { "containerStatuses": [{ "name": "c", "state": { "waiting": { "reason": "ImagePullBackOff" } } }] } });
        let (is_ready, state) = judged(&cron(false), Some(&job("Suspended")), &[pod]);
        assert!(!is_ready && state.contains("its job j is running: ") && state.contains("ImagePullBackOff"), "{state}");
    }
}
