//! Existing workloads get what they need beside what others wrote, and give back only that.

use super::{CONTEXT, DEPLOYMENTS, app, set_up, text};
use crate::common::{World, both::Side, same, until};
use serde_json::{Value, json};

const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/default/statefulsets";
const CRON_JOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

fn pod(labels: &Value) -> Value {
    let volume = json!({ "name": "data", "emptyDir": {} });
    let mount = json!({ "name": "data", "mountPath": "/data" });
    json!({
        "metadata": { "labels": labels },
        "spec": {
            "containers": [
                { "name": "app", "image": "nginx:1.29", "env": [{ "name": "LEVEL", "value": "debug" }], "volumeMounts": [mount] },
                { "name": "log", "image": "busybox:1.37" },
            ],
            "volumes": [volume],
        },
    })
}

fn deployment(name: &str) -> Value {
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "labels": { "team": "shop" } },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": pod(&labels) },
    })
}

/// Applies as another manager than podid.
fn apply(world: &World, path: &str, object: &Value) {
    world.apply(CONTEXT, &format!("{path}?fieldManager=team"), object).ok();
}

/// Removes what the server counts and records; whose fields they are stays out, too.
fn shown(world: &World, path: &str) -> String {
    let mut object = world.kube("GET", CONTEXT, path, None).ok();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["resourceVersion", "generation", "managedFields"] {
        metadata.shift_remove(field);
    }
    // the controller's own
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
    object.as_object_mut().unwrap().shift_remove("status");
    format!("{object:#}\n")
}

/// The managers of an object's fields, without the controllers.
fn managers(world: &World, path: &str) -> Vec<String> {
    let object = world.kube("GET", CONTEXT, path, None).ok();
    let all = object["metadata"]["managedFields"].as_array().unwrap();
    let mut names: Vec<String> =
        all.iter().filter(|entry| entry["subresource"].is_null()).map(|entry| text(entry, "/manager").to_owned()).collect();
    names.retain(|name| name != "kube-controller-manager");
    names.sort();
    names
}

both! { a_wired_deployment_keeps_what_others_wrote_and_gets_back_to_it, |side| {
    let world = set_up(side);
    let path = format!("{DEPLOYMENTS}/front");
    apply(&world, &path, &deployment("front"));
    let (before, others) = (shown(&world, &path), managers(&world, &path));
    app(&world, &["wire", "deployment/front", "-n", "default"]).ok().says("wiring/aks-mi/deployment/default/front");
    let wired = world.kube("GET", CONTEXT, &path, None).ok();
    let template = &wired["spec"]["template"];
    assert_eq!(template["metadata"]["labels"], json!({ "app": "front", "aadpodidbinding": "azure-pod-identity-binding-selector" }));
    let names = |list: &Value, field: &str| list.as_array().into_iter().flatten().map(|i| text(i, field).to_owned()).collect::<Vec<_>>();
    let containers = &template["spec"]["containers"];
    assert_eq!(names(&template["spec"]["volumes"], "/name"), ["data", "secrets"]);
    assert_eq!(names(&containers[0]["volumeMounts"], "/mountPath"), ["/data", "/mnt/secrets"]);
    assert_eq!(names(&containers[0]["env"], "/name"), ["LEVEL", "SECRET"]);
    assert_eq!(names(&containers[1]["env"], "/name"), ["SECRET"]);
    assert_eq!(text(&containers[0], "/image"), "nginx:1.29");
    assert_eq!((&wired["metadata"]["labels"], &wired["spec"]["replicas"]), (&json!({ "team": "shop" }), &json!(0)));
    let mut both = others.clone();
    both.push("podid".to_owned());
    both.sort();
    assert_eq!(managers(&world, &path), both);
    app(&world, &["wire", "deployment/front", "-n", "default"]).ok().says("nothing to do");
    // another manager's later change stays, too
    let mut scaled = deployment("front");
    scaled["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.30");
    apply(&world, &path, &scaled);
    app(&world, &["wire", "deployment/front", "-n", "default"]).ok().says("nothing to do");
    app(&world, &["unwire", "deployment/front", "-n", "default"]).ok();
    assert_eq!(managers(&world, &path), others);
    same("after `unwire`", &before.replace("nginx:1.29", "nginx:1.30"), &shown(&world, &path));
    app(&world, &["unwire", "deployment/front", "-n", "default"]).ok().says("nothing to do");
} }

both! { one_container_and_the_template_of_a_cron_job_are_wired, |side| {
    let world = set_up(side);
    let path = format!("{CRON_JOBS}/nightly");
    let mut template = pod(&json!({ "app": "nightly" }));
    template["spec"]["restartPolicy"] = json!("Never");
    let job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" },
        "spec": { "schedule": "0 3 * * *", "suspend": true, "jobTemplate": { "spec": { "template": template } } },
    });
    apply(&world, &path, &job);
    let before = shown(&world, &path);
    app(&world, &["wire", "cronjob/nightly", "-n", "default", "--container", "log"]).ok();
    let wired = world.kube("GET", CONTEXT, &path, None).ok();
    let spec = &wired["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["volumeMounts"].as_array().unwrap().len(), 1);
    assert_eq!(text(spec, "/containers/1/volumeMounts/0/mountPath"), "/mnt/secrets");
    app(&world, &["wire", "cronjob/nightly", "-n", "default", "--container", "main"]).exits(4).says("Its containers are: app, log");
    world.podid(&["down", "--yes", "--app", "lab-004"]).ok();
    same("after `down`", &before, &shown(&world, &path));
} }

#[test]
fn a_stateful_set_is_rolled_out_one_pod_after_the_other() {
    let world = set_up(Side::Sandbox);
    let labels = json!({ "app": "db" });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" },
        "spec": { "replicas": 2, "serviceName": "db", "selector": { "matchLabels": labels }, "template": pod(&labels) },
    });
    apply(&world, &format!("{STATEFUL_SETS}/db"), &set);
    app(&world, &["wire", "statefulset/db", "-n", "default"]).ok();
    let pods = world.kube("GET", CONTEXT, "/api/v1/namespaces/default/pods?labelSelector=app=db", None).ok();
    let names: Vec<&str> = pods["items"].as_array().unwrap().iter().map(|p| text(p, "/metadata/name")).collect();
    assert_eq!(names, ["db-0", "db-1"]);
    let has_label = |pod: &Value| text(pod, "/metadata/labels/aadpodidbinding") == "azure-pod-identity-binding-selector";
    assert!(pods["items"].as_array().unwrap().iter().all(has_label), "all pods are of the new template");
}

#[test]
fn a_spec_wires_a_workload_and_down_unwires_it() {
    let world = World::served();
    let path = format!("{DEPLOYMENTS}/front");
    super::write_spec(&world, "    wire: deployment/front\n");
    let missing = world.up("app.yaml", &[]).exits(4);
    assert!(missing.stderr.contains("the deployment default/front does not exist"), "{}", missing.stderr);
    assert!(missing.stderr.contains("podid app deploy front"), "{}", missing.stderr);
    apply(&world, &path, &deployment("front"));
    let before = shown(&world, &path);
    world.up("app.yaml", &[]).ok();
    world.up("app.yaml", &[]).ok().says("nothing to do");
    // a lost state is found again
    world.podid(&["state", "rebuild", "-f", "app.yaml"]).ok();
    world.up("app.yaml", &[]).ok();
    world.down("app.yaml", &["--delete-data", "myk8skv"]).ok();
    same("after `down`", &before, &shown(&world, &path));
}

#[test]
fn what_cannot_be_wired_is_refused_with_the_way() {
    let world = set_up(Side::Sandbox);
    let refused = |name: &str, object: &Value, words: &str| {
        apply(&world, &format!("{DEPLOYMENTS}/{name}"), object);
        let before = shown(&world, &format!("{DEPLOYMENTS}/{name}"));
        let output = app(&world, &["wire", &format!("deployment/{name}"), "-n", "default"]).exits(4);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert!(output.stderr.contains("--patch kustomize"), "{}", output.stderr);
        same(name, &before, &shown(&world, &format!("{DEPLOYMENTS}/{name}")));
    };
    let mut volume = deployment("volume");
    volume["spec"]["template"]["spec"]["volumes"][0]["name"] = json!("secrets");
    volume["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["name"] = json!("secrets");
    refused("volume", &volume, "the volume secrets");
    let mut mount = deployment("mount");
    mount["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = json!("/mnt/secrets");
    refused("mount", &mount, "the mount at /mnt/secrets in the container app");
    let mut env = deployment("env");
    env["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"] = json!("SECRET");
    refused("env", &env, "the variable SECRET in the container app");
    let mut job = pod(&json!({ "app": "one" }));
    job["spec"]["restartPolicy"] = json!("Never");
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "one" }, "spec": { "template": job } });
    apply(&world, &format!("{JOBS}/one"), &job);
    app(&world, &["wire", "job/one", "-n", "default"]).exits(4).says("immutable").says("wire the CronJob");
    app(&world, &["wire", "deployment/none", "-n", "default"]).exits(4).says("does not exist");
    app(&world, &["deploy", "web", "-n", "default", "--image", "nginx:1.29"]).ok();
    app(&world, &["wire", "deployment/web", "-n", "default"]).exits(4).says("was deployed by podid");
}

#[test]
fn who_keeps_the_object_is_named() {
    let world = set_up(Side::Sandbox);
    let mut object = deployment("front");
    object["metadata"]["annotations"] = json!({ "meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "default" });
    apply(&world, &format!("{DEPLOYMENTS}/front"), &object);
    app(&world, &["wire", "deployment/front", "-n", "default"]).ok().says("warning: Helm (release shop) keeps this object");
}

#[test]
fn a_patch_is_printed_in_each_format_and_nothing_is_changed() {
    let world = set_up(Side::Sandbox);
    apply(&world, &format!("{DEPLOYMENTS}/front"), &deployment("front"));
    let before = world.export();
    let print = |format: &str| {
        let output = app(&world, &["wire", "deployment/front", "-n", "default", "--patch", format]).ok();
        assert!(output.stdout.starts_with("# "), "{}", output.stdout);
        serde_saphyr::from_str::<Value>(&output.stdout).unwrap()
    };
    let strategic = print("strategic");
    assert_eq!((text(&strategic, "/kind"), text(&strategic, "/metadata/name")), ("Deployment", "front"));
    let template = &strategic["spec"]["template"];
    let containers: Vec<&str> = template["spec"]["containers"].as_array().unwrap().iter().map(|c| text(c, "/name")).collect();
    assert_eq!(containers, ["app", "log"]);
    let values = print("helm-values");
    assert_eq!(values["podLabels"], template["metadata"]["labels"]);
    assert_eq!(values["volumes"], template["spec"]["volumes"]);
    assert_eq!(values["volumeMounts"], template["spec"]["containers"][0]["volumeMounts"]);
    assert_eq!(values["extraEnv"], template["spec"]["containers"][0]["env"]);
    let kustomize = print("kustomize");
    assert_eq!(kustomize["patches"][0]["target"], json!({ "group": "apps", "version": "v1", "kind": "Deployment", "name": "front" }));
    let inner: Value = serde_saphyr::from_str(text(&kustomize, "/patches/0/patch")).unwrap();
    assert_eq!(inner, strategic);
    // of a workload that is not there yet
    let words = ["wire", "deployment/later", "-n", "default", "--patch", "strategic"];
    app(&world, &words).exits(4).says("--container NAME");
    app(&world, &[&words[..], &["--container", "app"]].concat()).ok().says("name: later");
    app(&world, &["wire", "deployment/later", "-n", "default", "--patch", "helm-values"]).ok();
    same("after printing", &before, &world.export());
}

#[test]
fn the_jobs_of_a_wired_cron_job_mount_the_secret_and_status_shows_what_became_of_them() {
    let world = set_up(Side::Sandbox);
    let path = format!("{CRON_JOBS}/nightly");
    let mut template = pod(&json!({ "app": "nightly" }));
    template["spec"]["restartPolicy"] = json!("Never");
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" },
        "spec": { "schedule": "0 3 * * *", "suspend": true, "jobTemplate": { "spec": { "template": template } } },
    });
    apply(&world, &path, &cron);
    app(&world, &["wire", "cronjob/nightly", "-n", "default"])
        .ok()
        .says("kubectl create job nightly-now --from=cronjob/nightly -n default");
    app(&world, &["status"]).ok().says("no job has run yet; its schedule is 0 3 * * *; suspended");
    let resumed = json!({ "spec": { "schedule": "@every 1s", "suspend": false } });
    world.kube("PATCH", CONTEXT, &path, Some(resumed)).ok();
    until("a job has run", || {
        let jobs = world.kube("GET", CONTEXT, JOBS, None).ok();
        jobs["items"].as_array().unwrap().iter().any(|job| job["status"]["succeeded"] == 1).then_some(())
    });
    let stopped = json!({ "spec": { "suspend": true } });
    world.kube("PATCH", CONTEXT, &path, Some(stopped)).ok();
    let shown = until("its last job has succeeded", || {
        let shown = app(&world, &["status", "nightly", "-o", "json"]).ok().json()["apps"][0].clone();
        text(&shown, "/status").contains("has succeeded; suspended").then_some(shown)
    });
    assert_eq!((&shown["ready"], &shown["kind"], &shown["pods"][0]["phase"]), (&json!(true), &json!("cronjob"), &json!("Succeeded")));
    let before = text(&shown, "/pods/0/versions/ExamplePassword").to_owned();
    assert_eq!(before.len(), 32, "the version that the job had: {shown}");
    // pods that have ended get no new version, and are not waited for
    let rotated = world
        .podid(&["vault", "secret", "rotate", "ExamplePassword", "--vault", "myk8skv", "--generate=12", "--yes", "--app", "lab-004"])
        .ok();
    rotated.says("no pod mounts ExamplePassword");
}
