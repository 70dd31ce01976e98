//! The CronJob controller (kubernetes, `pkg/controller/cronjob`): makes a job at each time of a schedule, and deletes old ones.

use super::super::store::meta;
use super::controller_client::{ControllerClient, after, controller, owned_by, time};
use super::jobs::{self, JOBS};
use super::schedule::Schedule;
use jiff::Timestamp;
use serde_json::{Value, json};

const COMPONENT: &str = "cronjob-controller";
const CRON_JOBS: &str = "cronjobs.batch";
const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

pub fn reconcile(client: &mut ControllerClient<'_>) {
    let all: Vec<String> = client.store.with_prefix("cronjobs.batch/").map(|(at, _)| at.clone()).collect();
    for at in all {
        let Some(cron) = client.store.get(&at).cloned() else { continue };
        client.unless_backing_off(meta(&cron, "uid"), |client| reconcile_one(client, &cron));
    }
}

fn reconcile_one(client: &mut ControllerClient<'_>, cron: &Value) {
    if !cron["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let own = |job: &Value| controller(job).is_some_and(|owner| owner["uid"] == cron["metadata"]["uid"]);
    let jobs: Vec<Value> = client.list(JOBS, meta(cron, "namespace")).into_iter().filter(own).collect();
    delete_old(client, cron, &jobs);
    let (done, mut active): (Vec<Value>, Vec<Value>) = jobs.into_iter().partition(|job| jobs::outcome(job).is_some());
    let mut status = cron["status"].clone();
    let successes = done.iter().filter(|job| jobs::outcome(job) == Some("Complete"));
    let last_success = successes.filter_map(|job| job["status"]["completionTime"].as_str()).max();
    if let Some(last) = last_success.filter(|last| status["lastSuccessfulTime"].as_str().is_none_or(|before| before < *last)) {
        status["lastSuccessfulTime"] = json!(last);
    }
    if cron["spec"]["suspend"] != true {
        run_schedule(client, cron, &mut active, &mut status);
    }
    let references: Vec<Value> = active.iter().map(reference).collect();
    match references.is_empty() {
        true => drop(status.as_object_mut().map(|status| status.shift_remove("active"))),
        false => status["active"] = references.into(),
    }
    if status != cron["status"] {
        let mut cron = cron.clone();
        cron["status"] = status;
        let _ = client.update_status(CRON_JOBS, &cron);
    }
}

fn reference(job: &Value) -> Value {
    json!({
        "apiVersion": job["apiVersion"], "kind": job["kind"], "namespace": job["metadata"]["namespace"], "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"], "resourceVersion": job["metadata"]["resourceVersion"],
    })
}

/// Makes the job of the latest time that has passed, and comes back at the next one.
fn run_schedule(client: &mut ControllerClient<'_>, cron: &Value, active: &mut Vec<Value>, status: &mut Value) {
    let spec = &cron["spec"];
    let schedule = match Schedule::parse(spec["schedule"].as_str().unwrap_or_default(), spec["timeZone"].as_str()) {
        Ok(schedule) => schedule,
        Err(why) => {
            return client.record_lasting_event(cron, COMPONENT, "Warning", "UnparseableSchedule", &format!("unparseable schedule: {why}"));
        }
    };
    let present = Timestamp::now();
    let since = time(&status["lastScheduleTime"]).or_else(|| time(&cron["metadata"]["creationTimestamp"])).unwrap_or(present);
    if let Some(next) = schedule.next_after(present) {
        client.retries.run_again_at(next);
    }
    let Some(due) = schedule.latest_until(since, present) else { return };
    if spec["startingDeadlineSeconds"].as_i64().is_some_and(|limit| after(due, limit) < present) {
        let message = format!("Missed scheduled time to start a job: {due}");
        return client.record_lasting_event(cron, COMPONENT, "Warning", "MissSchedule", &message);
    }
    match spec["concurrencyPolicy"].as_str() {
        Some("Forbid") if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            return client.record_lasting_event(cron, COMPONENT, "Normal", "JobAlreadyActive", message);
        }
        Some("Replace") => active.drain(..).for_each(|job| delete(client, cron, &job)),
        _ => {}
    }
    match client.create(JOBS, meta(cron, "namespace"), &job(cron, due)) {
        Ok(job) => {
            client.record_event(cron, COMPONENT, "Normal", "SuccessfulCreate", &format!("Created job {}", meta(&job, "name")));
            active.push(job);
        }
        // made by an earlier round, whose status was not written
        Err(refusal) if refusal.code == 409 => {}
        Err(refusal) => {
            client.record_event(cron, COMPONENT, "Warning", "FailedCreate", &format!("Error creating job: {}", refusal.message));
            return client.retries.record_failure(meta(cron, "uid"));
        }
    }
    status["lastScheduleTime"] = json!(due.to_string());
}

/// Names the job by the minute of its time, so that it is made once.
fn job(cron: &Value, due: Timestamp) -> Value {
    let template = &cron["spec"]["jobTemplate"];
    let mut metadata = json!({
        "name": format!("{}-{}", meta(cron, "name"), due.as_second() / 60), "namespace": meta(cron, "namespace"),
        "ownerReferences": [owned_by(cron)],
    });
    for field in ["labels", "annotations"] {
        if !template["metadata"][field].is_null() {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    metadata["annotations"][SCHEDULED_AT] = json!(due.to_string());
    json!({"metadata": metadata, "spec": template["spec"]})
}

/// Keeps as many finished jobs as the limits say.
fn delete_old(client: &mut ControllerClient<'_>, cron: &Value, jobs: &[Value]) {
    for (kind, limit) in [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")] {
        let Some(limit) = cron["spec"][limit].as_u64().and_then(|limit| usize::try_from(limit).ok()) else { continue };
        let mut ended: Vec<&Value> = jobs.iter().filter(|job| jobs::outcome(job) == Some(kind)).collect();
        ended.sort_by_key(|job| (meta(job, "creationTimestamp"), meta(job, "name")));
        for job in &ended[..ended.len().saturating_sub(limit)] {
            delete(client, cron, job);
        }
    }
}

fn delete(client: &mut ControllerClient<'_>, cron: &Value, job: &Value) {
    if job["metadata"]["deletionTimestamp"].is_null() && client.delete(JOBS, job).is_ok() {
        client.record_event(cron, COMPONENT, "Normal", "SuccessfulDelete", &format!("Deleted job {}", meta(job, "name")));
    }
}
