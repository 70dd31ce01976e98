//! The Job controller (kubernetes, `pkg/controller/job`): makes pods until enough of them have succeeded or too many have failed. It counts
//! the pods that exist, so that a finished pod that somebody deletes before the job has finished is made again.

use super::super::store::{meta, now};
use super::conditions::put_condition;
use super::controller_client::{ControllerClient, after, controller, count, time};
use super::replicas::{self, MAX_PODS, ready_since};
use jiff::Timestamp;
use serde_json::{Value, json};

const COMPONENT: &str = "job-controller";
pub const JOBS: &str = "jobs.batch";
/// The first pause after a failed pod, and the longest one; each is twice the last (kubernetes, `DefaultJobPodFailureBackOff`).
const FAILURE_PAUSE: [i64; 2] = [10, 600];

pub fn reconcile(client: &mut ControllerClient<'_>) {
    let all: Vec<String> = client.store.with_prefix("jobs.batch/").map(|(at, _)| at.clone()).collect();
    for at in all {
        let Some(job) = client.store.get(&at).cloned() else { continue };
        client.unless_backing_off(meta(&job, "uid"), |client| reconcile_one(client, &job));
    }
}

/// Returns how a job ended, if it has: `Complete` or `Failed`.
pub fn outcome(job: &Value) -> Option<&'static str> {
    let has = |kind: &&str| conditions(job).any(|c| c["type"] == *kind && c["status"] == "True");
    ["Complete", "Failed"].into_iter().find(has)
}

fn conditions(job: &Value) -> impl Iterator<Item = &Value> {
    job["status"]["conditions"].as_array().into_iter().flatten()
}

/// The pods of one job.
struct Pods {
    active: Vec<Value>,
    succeeded: i64,
    failed: i64,
    /// The time of the latest failure.
    last_failure: Option<Timestamp>,
}

impl Pods {
    fn of(client: &ControllerClient<'_>, job: &Value) -> Self {
        let own = |pod: &Value| controller(pod).is_some_and(|owner| owner["uid"] == job["metadata"]["uid"]);
        let mut pods = Self { active: Vec::new(), succeeded: 0, failed: 0, last_failure: None };
        for pod in client.list("pods", meta(job, "namespace")).into_iter().filter(own) {
            match pod["status"]["phase"].as_str() {
                Some("Succeeded") => pods.succeeded += 1,
                Some("Failed") => {
                    pods.failed += 1;
                    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"];
                    pods.last_failure = pods.last_failure.max(time(ended).or_else(|| time(&pod["metadata"]["creationTimestamp"])));
                }
                _ if pod["metadata"]["deletionTimestamp"].is_null() => pods.active.push(pod),
                _ => {}
            }
        }
        pods
    }
}

fn reconcile_one(client: &mut ControllerClient<'_>, job: &Value) {
    if !job["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    if outcome(job).is_some() {
        return delete_after_its_time(client, job);
    }
    let pods = Pods::of(client, job);
    let mut status = job["status"].clone();
    let suspended = job["spec"]["suspend"] == true;
    if suspended {
        delete(client, job, &pods.active);
    } else if status["startTime"].is_null() {
        status["startTime"] = json!(now());
    }
    resume_or_suspend(client, job, &mut status, suspended);
    let mut active = pods.active.len() as i64;
    if let Some((reason, message)) = failure(client, job, &status, &pods) {
        delete(client, job, &pods.active);
        active = 0;
        client.record_event(job, COMPONENT, "Warning", reason, message);
        end(&mut status, &["FailureTarget", "Failed"], reason, message);
    } else if is_complete(job, &pods) {
        status["completionTime"] = json!(now());
        client.record_event(job, COMPONENT, "Normal", "Completed", "Job completed");
        end(&mut status, &["SuccessCriteriaMet", "Complete"], "CompletionsReached", "Reached expected number of succeeded pods");
    } else if suspended {
        active = 0;
    } else {
        active += create(client, job, &pods);
    }
    let ready = pods.active.iter().filter(|pod| ready_since(pod).is_some()).count().min(usize::try_from(active).unwrap_or_default());
    for (field, number) in [("active", active), ("succeeded", pods.succeeded), ("failed", pods.failed)] {
        match number {
            0 => drop(status.as_object_mut().map(|status| status.shift_remove(field))),
            _ => status[field] = json!(number),
        }
    }
    status["ready"] = json!(ready);
    status["terminating"] = json!(0);
    status["uncountedTerminatedPods"] = json!({});
    if status != job["status"] {
        let mut job = job.clone();
        job["status"] = status;
        let _ = client.update_status(JOBS, &job);
    }
}

/// A job without `completions` is done when one pod has succeeded and all others have ended.
fn is_complete(job: &Value, pods: &Pods) -> bool {
    match job["spec"]["completions"].as_i64() {
        Some(wanted) => pods.succeeded >= wanted,
        None => pods.succeeded > 0 && pods.active.is_empty(),
    }
}

fn failure(client: &mut ControllerClient<'_>, job: &Value, status: &Value, pods: &Pods) -> Option<(&'static str, &'static str)> {
    let deadline = job["spec"]["activeDeadlineSeconds"].as_i64().zip(time(&status["startTime"])).map(|(limit, start)| after(start, limit));
    if pods.failed > count(&job["spec"]["backoffLimit"]) {
        return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    match deadline.filter(|_| job["spec"]["suspend"] != true) {
        Some(deadline) if deadline <= Timestamp::now() => {
            return Some(("DeadlineExceeded", "Job was active longer than specified deadline"));
        }
        Some(deadline) => client.retries.run_again_at(deadline),
        None => {}
    }
    None
}

fn end(status: &mut Value, kinds: &[&str], reason: &str, message: &str) {
    for kind in kinds {
        put_condition(status, one(kind, "True", reason, message));
    }
}

fn one(kind: &str, value: &str, reason: &str, message: &str) -> Value {
    let at = now();
    json!({"type": kind, "status": value, "lastProbeTime": at, "lastTransitionTime": at, "reason": reason, "message": message})
}

fn resume_or_suspend(client: &mut ControllerClient<'_>, job: &Value, status: &mut Value, suspended: bool) {
    let is = |value: &str| conditions(job).any(|c| c["type"] == "Suspended" && c["status"] == value);
    if suspended && !is("True") {
        put_condition(status, one("Suspended", "True", "JobSuspended", "Job suspended"));
        client.record_event(job, COMPONENT, "Normal", "Suspended", "Job suspended");
    } else if !suspended && is("True") {
        put_condition(status, one("Suspended", "False", "JobResumed", "Job resumed"));
        status["startTime"] = json!(now());
        client.record_event(job, COMPONENT, "Normal", "Resumed", "Job resumed");
    }
}

/// Makes the pods that are missing, and returns their number. After a failed pod the next one waits.
fn create(client: &mut ControllerClient<'_>, job: &Value, pods: &Pods) -> i64 {
    let parallelism = count(&job["spec"]["parallelism"]);
    let wanted = match job["spec"]["completions"].as_i64() {
        Some(completions) => parallelism.min(completions - pods.succeeded),
        None if pods.succeeded > 0 => 0,
        None => parallelism,
    };
    let existing = client.store.with_prefix("pods/").take(MAX_PODS).count();
    let room = i64::try_from(MAX_PODS - existing).unwrap_or_default();
    let missing = (wanted - pods.active.len() as i64).min(room);
    if missing <= 0 {
        return 0;
    }
    if let Some(last) = pods.last_failure {
        let doublings = u32::try_from(pods.failed - 1).unwrap_or_default().min(10);
        let next = after(last, (FAILURE_PAUSE[0] << doublings).min(FAILURE_PAUSE[1]));
        if next > Timestamp::now() {
            client.retries.run_again_at(next);
            return 0;
        }
    }
    for made in 0..missing {
        let pod = json!({"metadata": replicas::pod_metadata(job), "spec": job["spec"]["template"]["spec"]});
        match client.create("pods", meta(job, "namespace"), &pod) {
            Ok(pod) => client.record_event(job, COMPONENT, "Normal", "SuccessfulCreate", &format!("Created pod: {}", meta(&pod, "name"))),
            Err(refusal) => {
                client.record_event(job, COMPONENT, "Warning", "FailedCreate", &format!("Error creating: {}", refusal.message));
                client.retries.record_failure(meta(job, "uid"));
                return made;
            }
        }
    }
    missing
}

fn delete(client: &mut ControllerClient<'_>, job: &Value, pods: &[Value]) {
    for pod in pods {
        if client.delete("pods", pod).is_ok() {
            client.record_event(job, COMPONENT, "Normal", "SuccessfulDelete", &format!("Deleted pod: {}", meta(pod, "name")));
        }
    }
}

/// Deletes a finished job once its `ttlSecondsAfterFinished` have passed.
fn delete_after_its_time(client: &mut ControllerClient<'_>, job: &Value) {
    let ended = conditions(job).filter(|c| c["type"] == "Complete" || c["type"] == "Failed").find_map(|c| time(&c["lastTransitionTime"]));
    let Some((limit, ended)) = job["spec"]["ttlSecondsAfterFinished"].as_i64().zip(ended) else { return };
    let due = after(ended, limit);
    if due > Timestamp::now() {
        return client.retries.run_again_at(due);
    }
    let _ = client.delete(JOBS, job);
}
