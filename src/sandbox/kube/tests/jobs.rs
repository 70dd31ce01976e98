//! Jobs and cron jobs: pods are made until they have succeeded, and jobs at the times of a schedule.

use super::*;

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const CRON_JOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn spec(more: Value) -> Value {
    let mut spec =
        json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}});
    more.as_object().unwrap().iter().for_each(|(name, value)| spec[name] = value.clone());
    spec
}

fn job(more: Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": spec(more)})
}

fn cron(schedule: &str, more: Value) -> Value {
    let mut cron = json!({"schedule": schedule, "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": spec(json!({}))}});
    more.as_object().unwrap().iter().for_each(|(name, value)| cron[name] = value.clone());
    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": cron})
}

async fn items(kube: &Arc<Kube>, path: &str) -> Vec<Value> {
    get(kube, path).await.body["items"].as_array().unwrap().clone()
}

/// Ends all pods in this phase.
async fn end_pods(kube: &Arc<Kube>, phase: &str) {
    idle(kube).await;
    for pod in items(kube, &format!("{PODS}?fieldSelector=status.phase%3DPending")).await {
        let path = format!("{PODS}/{}/status", pod["metadata"]["name"].as_str().unwrap());
        ask(kube, "PATCH", &path, "application/strategic-merge-patch+json", json!({"status": {"phase": phase}})).await;
    }
    idle(kube).await;
}

async fn status(kube: &Arc<Kube>) -> Value {
    get(kube, &format!("{JOBS}/once")).await.body["status"].clone()
}

fn conditions(status: &Value) -> Vec<String> {
    let all = status["conditions"].as_array().into_iter().flatten().filter(|c| c["status"] == "True");
    all.map(|c| format!("{} {}", c["type"].as_str().unwrap(), c["reason"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_job_is_complete_once_its_pods_have_succeeded() {
    let kube = cluster();
    assert_eq!(post(&kube, JOBS, job(json!({"completions": 3, "parallelism": 2}))).await.warnings(), [""; 0]);
    idle(&kube).await;
    let begun = status(&kube).await;
    assert_eq!((&begun["active"], &begun["ready"]), (&json!(2), &json!(0)));
    let pod = &items(&kube, PODS).await[0];
    assert_eq!(pod["metadata"]["labels"]["job-name"], "once");
    assert!(pod["metadata"]["name"].as_str().unwrap().starts_with("once-"));
    end_pods(&kube, "Succeeded").await;
    let later = status(&kube).await;
    assert_eq!((&later["active"], &later["succeeded"]), (&json!(1), &json!(2)));
    end_pods(&kube, "Succeeded").await;
    let done = status(&kube).await;
    assert_eq!(conditions(&done), ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]);
    assert!(done["completionTime"].is_string() && done["active"].is_null(), "{done}");
    assert_eq!(items(&kube, PODS).await.len(), 3, "finished pods stay");
    delete(&kube, &format!("{JOBS}/once?propagationPolicy=Background")).await;
    idle(&kube).await;
    assert_eq!(items(&kube, PODS).await.len(), 0);
}

#[tokio::test]
async fn a_job_fails_at_its_backoff_limit_and_waits_before_it_tries_again() {
    let kube = cluster();
    post(&kube, JOBS, job(json!({"backoffLimit": 1}))).await;
    end_pods(&kube, "Failed").await;
    assert_eq!(items(&kube, PODS).await.len(), 1, "the next one waits for 10 s");
    let mut object = get(&kube, &format!("{JOBS}/once")).await.body;
    assert_eq!((&object["status"]["failed"], conditions(&object["status"])), (&json!(1), vec![]));
    object["spec"]["backoffLimit"] = json!(0);
    ask(&kube, "PUT", &format!("{JOBS}/once"), "application/json", object).await;
    idle(&kube).await;
    let failed = status(&kube).await;
    assert_eq!(conditions(&failed), ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]);
}

#[tokio::test]
async fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let kube = cluster();
    post(&kube, JOBS, job(json!({"suspend": true}))).await;
    idle(&kube).await;
    assert_eq!(items(&kube, PODS).await.len(), 0);
    assert_eq!(conditions(&status(&kube).await), ["Suspended JobSuspended"]);
    ask(&kube, "PATCH", &format!("{JOBS}/once"), MERGE, json!({"spec": {"suspend": false}})).await;
    end_pods(&kube, "Succeeded").await;
    assert!(conditions(&status(&kube).await).contains(&"Complete CompletionsReached".to_owned()));
}

#[tokio::test]
async fn a_finished_job_is_deleted_after_its_time() {
    let kube = cluster();
    post(&kube, JOBS, job(json!({"ttlSecondsAfterFinished": 0}))).await;
    end_pods(&kube, "Succeeded").await;
    assert_eq!((items(&kube, JOBS).await.len(), items(&kube, PODS).await.len()), (0, 0));
}

/// Writes the time of the last job, so that the next one is due.
async fn make_due(kube: &Arc<Kube>) {
    let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3);
    let status = json!({"status": {"lastScheduleTime": earlier.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}});
    ask(kube, "PATCH", &format!("{CRON_JOBS}/nightly/status"), MERGE, status).await;
    idle(kube).await;
}

#[tokio::test]
async fn a_cron_job_makes_one_job_for_the_times_that_passed_and_keeps_few_old_ones() {
    let kube = cluster();
    post(&kube, CRON_JOBS, cron("0 * * * *", json!({"successfulJobsHistoryLimit": 0}))).await;
    idle(&kube).await;
    assert_eq!(items(&kube, JOBS).await.len(), 0, "a new one waits for its time");
    make_due(&kube).await;
    let jobs = items(&kube, JOBS).await;
    let [made] = &jobs[..] else { panic!("{jobs:?}") };
    let scheduled: jiff::Timestamp =
        made["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!((scheduled.as_second() % 3600, &made["metadata"]["labels"]["a"]), (0, &json!("b")));
    assert_eq!(made["metadata"]["name"], format!("nightly-{}", scheduled.as_second() / 60));
    let cron = get(&kube, &format!("{CRON_JOBS}/nightly")).await.body;
    assert_eq!(cron["status"]["active"][0]["name"], made["metadata"]["name"]);
    assert_eq!(cron["status"]["lastScheduleTime"], scheduled.to_string());
    end_pods(&kube, "Succeeded").await;
    let cron = get(&kube, &format!("{CRON_JOBS}/nightly")).await.body;
    assert!(cron["status"]["lastSuccessfulTime"].is_string() && cron["status"]["active"].is_null(), "{cron}");
    assert_eq!(items(&kube, JOBS).await.len(), 0, "the limit is 0");
}

#[tokio::test]
async fn a_suspended_cron_job_and_one_that_forbids_a_second_job_make_none() {
    let kube = cluster();
    post(&kube, CRON_JOBS, cron("* * * * *", json!({"suspend": true}))).await;
    make_due(&kube).await;
    assert_eq!(items(&kube, JOBS).await.len(), 0);
    let resumed = json!({"spec": {"suspend": false, "concurrencyPolicy": "Forbid"}});
    ask(&kube, "PATCH", &format!("{CRON_JOBS}/nightly"), MERGE, resumed).await;
    idle(&kube).await;
    assert_eq!(items(&kube, JOBS).await.len(), 1);
    make_due(&kube).await;
    assert_eq!(items(&kube, JOBS).await.len(), 1, "the first one runs");
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_is_an_event() {
    let kube = cluster();
    post(&kube, CRON_JOBS, cron("every night", json!({}))).await;
    idle(&kube).await;
    let events = items(&kube, "/api/v1/namespaces/default/events").await;
    assert!(events.iter().any(|event| event["reason"] == "UnparseableSchedule"), "{events:?}");
}
