//! Apps: podid deploys them from a spec and from the state, gives existing workloads what they need and takes it back, and says what it would
//! add.

mod wiring;

use crate::common::{World, both::Side, objects::text, same, specs::LAB_004, until};
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const GATEWAYS: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways";
const ROUTES: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes";

/// Writes the spec of lab 004 with more fields of its workload.
fn write_spec(world: &World, fields: &str) {
    let spec = world.read(LAB_004);
    let marked = "    namespace: default\n";
    assert!(spec.contains(marked));
    world.write("app.yaml", &spec.replacen(marked, &format!("{marked}{fields}"), 1));
}

const APP: &str = "    app:
      image: example.azurecr.io/claims-api:1
      replicas: 2
      port: 8080
      path: /health
      env:
        LEVEL: debug
        CONN: {secret: ExamplePassword}
";

/// Runs a command for the app of lab 004.
fn app(world: &World, words: &[&str]) -> crate::common::Output {
    world.podid(&[&["app"], words, &["--app", "lab-004", "--yes"]].concat())
}

fn deployment(world: &World, name: &str) -> Value {
    world.kube("GET", CONTEXT, &format!("{DEPLOYMENTS}/{name}"), None).ok()
}

#[test]
fn an_app_of_a_spec_is_deployed_with_what_its_pods_need() {
    let world = World::served();
    let before = world.export();
    write_spec(&world, APP);
    world.up("app.yaml", &["--verify"]).ok().says("proved ");
    let made = deployment(&world, "inject-secrets-from-akv");
    let template = &made["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["aadpodidbinding"], "azure-pod-identity-binding-selector");
    let container = &template["spec"]["containers"][0];
    let secret = |name: &str| json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "test-secret", "key": "key" } } });
    assert_eq!(container["env"], json!([secret("CONN"), { "name": "LEVEL", "value": "debug" }, secret("SECRET")]));
    assert_eq!(text(container, "/readinessProbe/httpGet/path"), "/health");
    assert_eq!(text(&template["spec"]["volumes"][0], "/csi/volumeAttributes/secretProviderClass"), "spc-myk8skv");
    assert_eq!(made["status"]["availableReplicas"], 2, "the command ends when the pods run");
    let service = world.kube("GET", CONTEXT, &format!("{SERVICES}/inject-secrets-from-akv"), None).ok();
    assert_eq!((text(&service, "/spec/type"), &service["spec"]["ports"][0]["targetPort"]), ("ClusterIP", &json!(8080)));
    world.up("app.yaml", &[]).ok().says("nothing to do");
    world.plan("app.yaml").ok();
    world.down("app.yaml", &["--delete-data", "myk8skv"]).ok();
    until("the pods are gone", || (!world.export().contains("claims-api:1")).then_some(()));
    same("after `down`", &before, &world.export());
}

#[test]
fn an_app_that_leaves_the_spec_is_deleted_and_its_mount_stays() {
    let world = World::served();
    write_spec(&world, APP);
    world.up("app.yaml", &[]).ok();
    world.up(LAB_004, &[]).ok().says("deleted");
    assert_eq!(world.kube("GET", CONTEXT, &format!("{DEPLOYMENTS}/inject-secrets-from-akv"), None).status, 404);
    world.plan(LAB_004).ok();
}

#[test]
fn a_deployed_app_gets_what_earlier_commands_made_and_tells_its_address() {
    let world = World::served();
    world.up(LAB_004, &[]).ok();
    let deploy = [
        "deploy",
        "web",
        "-n",
        "default",
        "--image",
        "nginx:1.29",
        "--port",
        "8080",
        "--expose",
        "loadBalancer",
        "--label",
        "team=web",
        "--annotation",
        "example.com/note=a=b",
        "--request",
        "cpu=250m",
        "--limit",
        "memory=512Mi",
    ];
    let output = app(&world, &deploy).ok();
    let service = world.kube("GET", CONTEXT, &format!("{SERVICES}/web"), None).ok();
    let address = text(&service, "/status/loadBalancer/ingress/0/ip").to_owned();
    assert!(["203.0.113.", "198.51.100.", "192.0.2."].iter().any(|block| address.starts_with(block)), "{address}");
    assert!(output.stdout.contains(&format!("default/web: http://{address}")), "{}", output.stdout);
    app(&world, &deploy).ok().says("nothing to do");
    let made = deployment(&world, "web");
    assert_eq!(text(&made["spec"]["template"], "/metadata/labels/aadpodidbinding"), "azure-pod-identity-binding-selector");
    let metadata = &made["spec"]["template"]["metadata"];
    assert_eq!((&metadata["labels"]["team"], &metadata["annotations"]["example.com/note"]), (&json!("web"), &json!("a=b")));
    let resources = &made["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!((&resources["requests"]["cpu"], &resources["limits"]["memory"]), (&json!("250m"), &json!("512Mi")));
    // the pods of the app mount the version that the vault has
    let status = app(&world, &["status", "web", "-o", "json"]).ok().json();
    let shown = &status["apps"][0];
    assert_eq!((&shown["ready"], &shown["url"]), (&json!(true), &json!(format!("http://{address}"))));
    let versions = shown["pods"][0]["versions"]["ExamplePassword"].as_str().unwrap();
    assert_eq!(versions.len(), 32, "{versions}");
    app(&world, &["status"]).ok().says("ExamplePassword ");
    // what it needs is not taken away from under it
    let kept = world.podid(&["mount", "delete", "-n", "default", "--name", "spc-myk8skv", "--app", "lab-004", "--yes"]).exits(4);
    assert!(kept.stderr.contains("object/aks-mi/deployment.apps/default/web needs it"), "{}", kept.stderr);
    world.podid(&["down", "--yes", "--app", "lab-004", "--delete-data", "myk8skv"]).ok();
    assert_eq!(world.kube("GET", CONTEXT, &format!("{DEPLOYMENTS}/web"), None).status, 404);
}

#[test]
fn labels_annotations_and_resources_of_the_pods_are_set_compared_and_taken_back() {
    let world = World::served();
    let more = "      labels: {team: claims}
      annotations: {example.com/contact: claims@example.com}
      resources: {requests: {cpu: 1}, limits: {memory: 64Mi}}
";
    write_spec(&world, &format!("{APP}{more}"));
    world.up("app.yaml", &[]).ok();
    let template = deployment(&world, "inject-secrets-from-akv")["spec"]["template"].clone();
    assert_eq!(template["metadata"]["labels"]["team"], "claims");
    assert_eq!(template["metadata"]["annotations"]["example.com/contact"], "claims@example.com");
    let resources = json!({ "requests": { "cpu": "1", "memory": "64Mi" }, "limits": { "cpu": "1", "memory": "64Mi" } });
    assert_eq!(template["spec"]["containers"][0]["resources"], resources, "the defaults give way");
    world.up("app.yaml", &[]).ok().says("nothing to do");
    // what somebody changed is seen, and what the spec no longer has goes
    let mut changed = deployment(&world, "inject-secrets-from-akv");
    changed["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("1Gi");
    world.kube("PUT", CONTEXT, &format!("{DEPLOYMENTS}/inject-secrets-from-akv"), Some(changed)).ok();
    world.podid(&["plan", "-f", "app.yaml", "--exit-code"]).exits(3).says("memory");
    write_spec(&world, APP);
    world.up("app.yaml", &["--force-conflicts"]).ok();
    let template = deployment(&world, "inject-secrets-from-akv")["spec"]["template"].clone();
    assert_eq!((&template["metadata"]["labels"]["team"], template["metadata"].get("annotations")), (&Value::Null, None));
    assert_eq!(template["spec"]["containers"][0]["resources"]["limits"], json!({ "cpu": "500m", "memory": "2Gi" }));
}

#[test]
fn what_the_pods_cannot_have_is_refused_with_its_field() {
    let world = World::new();
    for (field, told) in [
        (
            "labels: {aadpodidbinding: other}",
            "app.labels.aadpodidbinding: the label aadpodidbinding is podid's own: it decides which identity the pods get",
        ),
        ("labels: {azure.workload.identity/use: 'true'}", "it decides which identity the pods get"),
        ("labels: {app.kubernetes.io/name: x}", "the Service and the Deployment find the pods by it"),
        ("annotations: {podid-app: x}", "podid marks what it made with it"),
        ("labels: {team: -x}", "app.labels.team: a label's value has"),
        ("resources: {limits: {memory: 128m}}", "app.resources.limits.memory: `128m` is in thousandths of a byte; did you mean `128Mi`?"),
        ("resources: {requests: {cpu: 2}, limits: {cpu: 500m}}", "app.resources.requests.cpu: the request 2 is more than the limit 500m"),
        ("resources: {requests: {cpus: 2}}", "did you mean `cpu`?"),
    ] {
        write_spec(&world, &format!("{APP}      {field}\n"));
        world.podid(&["plan", "-f", "app.yaml"]).exits(2).says(told);
    }
    let deploy = |words: &[&str]| app(&world, &[&["deploy", "web", "-n", "default", "--image", "nginx:1.29"], words].concat());
    deploy(&["--request", "cpu=lots"]).exits(2).says("--request cpu: `lots` is not a quantity of Kubernetes");
    deploy(&["--label", "aadpodidbinding=x"]).exits(2).says("--label aadpodidbinding: the label aadpodidbinding is podid's own");
    deploy(&["--limit", "cpu=1", "--limit", "cpu=2"]).exits(2).says("the limit of cpu is given twice");
}

/// Sets `ingressProfile` of the cluster, as `az aks update` does.
fn set_routing(world: &World, on: bool) {
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2026-03-01", world.group_id());
    let mut cluster = world.arm("GET", &path, None).ok();
    let (standard, enabled) = if on { ("Standard", "Enabled") } else { ("Disabled", "Disabled") };
    cluster["properties"]["ingressProfile"] = json!({
        "gatewayAPI": { "installation": standard },
        "webAppRouting": { "gatewayAPIImplementations": { "appRoutingIstio": { "mode": enabled } } },
    });
    world.arm("PUT", &path, Some(cluster)).ok();
}

fn condition<'a>(conditions: &'a Value, kind: &str) -> &'a str {
    let found = conditions.as_array().into_iter().flatten().find(|c| c["type"] == kind);
    found.and_then(|c| c["status"].as_str()).unwrap_or_default()
}

#[test]
fn an_app_behind_a_gateway_is_ready_once_the_gateway_is_programmed() {
    let world = World::served();
    world.up(LAB_004, &[]).ok();
    let words =
        ["deploy", "web", "-n", "default", "--image", "nginx:1.29", "--port", "80", "--expose", "gateway", "--host", "shop.example.com"];
    let refused = app(&world, &words).exits(4);
    assert!(refused.stderr.contains("podid cluster install ingress"), "{}", refused.stderr);
    set_routing(&world, true);
    until("the class is accepted", || {
        let class = world.kube("GET", CONTEXT, "/apis/gateway.networking.k8s.io/v1/gatewayclasses/approuting-istio", None);
        (class.status == 200 && condition(&class.ok()["status"]["conditions"], "Accepted") == "True").then_some(())
    });
    let output = app(&world, &words).ok();
    let gateway = world.kube("GET", CONTEXT, &format!("{GATEWAYS}/web"), None).ok();
    assert_eq!(condition(&gateway["status"]["conditions"], "Programmed"), "True");
    let address = text(&gateway, "/status/addresses/0/value");
    assert!(output.stdout.contains(&format!("default/web: http://{address} (host shop.example.com)")), "{}", output.stdout);
    let route = world.kube("GET", CONTEXT, &format!("{ROUTES}/web"), None).ok();
    assert_eq!(condition(&route["status"]["parents"][0]["conditions"], "ResolvedRefs"), "True");
    assert_eq!(deployment(&world, "web-approuting-istio")["spec"]["replicas"], 2);
    app(&world, &words).ok().says("nothing to do");
    world.podid(&["down", "--yes", "--app", "lab-004", "--delete-data", "myk8skv"]).ok();
    until("what the gateway had is gone", || {
        (world.kube("GET", CONTEXT, &format!("{DEPLOYMENTS}/web-approuting-istio"), None).status == 404).then_some(())
    });
    set_routing(&world, false);
    assert_eq!(world.kube("GET", CONTEXT, GATEWAYS, None).status, 404);
    assert!(!world.export().contains("aks-istio-system"));
}

#[test]
fn a_deployment_that_does_not_become_ready_says_why() {
    let world = World::served();
    world.up(LAB_004, &[]).ok();
    world.vault("DELETE", "myk8skv", "/secrets/ExamplePassword", None).ok();
    let words = ["deploy", "web", "-n", "default", "--image", "nginx:1.29", "--timeout", "1m"];
    let begun = std::time::Instant::now();
    let failed = app(&world, &words).exits(1);
    assert!(begun.elapsed().as_secs() < 20, "waiting does not bring a secret back: {:?}", begun.elapsed());
    assert!(failed.stderr.contains("the deployment default/web is not ready"), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("waits for its volumes: a secret is not in the vault") && failed.stderr.contains("SecretNotFound"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_plain_value_under_the_name_of_a_secret_is_warned_of() {
    let world = World::served();
    world.up(LAB_004, &[]).ok();
    let deploy = |value: &str| app(&world, &["deploy", "web", "-n", "default", "--image", "nginx:1.29", "--env", value, "--dry-run"]);
    deploy("DB_PASSWORD=hunter2").ok().says("warning: DB_PASSWORD has a plain value");
    let quiet = deploy("DB_HOST=db").ok();
    assert!(!quiet.stdout.contains("warning") && !quiet.stderr.contains("warning"), "{}{}", quiet.stdout, quiet.stderr);
}

#[test]
fn what_is_not_clear_or_not_there_is_refused_with_the_way() {
    let world = World::served();
    world.up(LAB_004, &[]).ok();
    let image = ["--image", "nginx:1.29"];
    let deploy = |more: &[&str]| app(&world, &[&["deploy", "web"], more, &image].concat());
    deploy(&["-n", "shop"]).exits(4).says("podid bind -n shop");
    deploy(&["-n", "default", "--mount", "other"]).exits(4).says("The mounts there are: spc-myk8skv");
    deploy(&["-n", "default", "--expose", "gateway"]).exits(2).says("--port");
    deploy(&["-n", "default", "--port", "80", "--host", "shop.example.com"]).exits(2).says("--expose gateway");
    deploy(&["-n", "default", "--env", "no-value"]).exits(2).says("NAME=VALUE");
    app(&world, &["deploy", "1web", "-n", "default", "--image", "nginx"]).exits(2).says("begins with a letter");
    app(&world, &["wire", "deploymnt/web", "-n", "default"]).exits(2).says("did you mean `deployment/web`");
    app(&world, &["status", "nothing"]).exits(4).says("podid app deploy");
}

#[test]
fn a_wrong_app_in_a_spec_is_told_with_its_place() {
    let world = World::new();
    for (fields, line, words) in [
        ("    app: {image: 'no image', port: 80}\n", 24, "an image is"),
        ("    app: {image: nginx, expose: gateway}\n", 24, "it needs the port"),
        ("    app: {image: nginx, port: 80, host: shop.example.com}\n", 24, "only a Gateway has it"),
        ("    app: {image: nginx, env: {CONN: {secret: Other}}}\n", 24, "this workload reads no secret `Other`"),
        ("    app: {image: nginx, env: {9X: y}}\n", 24, "does not begin with a digit"),
        ("    app: {image: nginx}\n    wire: deployment/web\n", 25, "`app` or `wire`, not both"),
        ("    wire: job/one\n", 24, "immutable"),
        ("    wire: pod/one\n", 24, "the kinds are: deployment"),
    ] {
        write_spec(&world, fields);
        let wrong = world.plan("app.yaml").exits(2);
        assert!(wrong.stderr.contains(words), "{fields}: {}", wrong.stderr);
        assert!(wrong.stderr.contains(&format!("app.yaml:{line}:")), "{fields}: {}", wrong.stderr);
    }
}

/// A world in which lab 004 is set up, on either side.
fn set_up(side: Side) -> World {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    world
}
