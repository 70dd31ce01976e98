//! `podid probe`: a pod follows the path to its vault hop by hop. What breaks a hop is planted, and each has a text of its own; no value is shown.

use crate::common::{Output, World, until};
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const VAULT: &str = "kv-shop-probe";
const HOST: &str = "kv-shop-probe.vault.azure.net";
const LOGIN: &str = "login.microsoftonline.com";
const VALUE: &str = "not-a-real-secret";
const MIC: &str = "/apis/apps/v1/namespaces/kube-system/deployments/aad-pod-identity-mic";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-probe, model: rbac, secrets: [{name: conn, value: {file: conn.txt}}]}
workloads:
  - {name: web, namespace: shop, mode: MODE, identity: {name: shop-mid}, secrets: [{name: conn}], app: {image: 'nginx:1.29'}}
";

fn made(mode: &str) -> World {
    let world = World::served();
    let components =
        if mode == "workload-identity" { "cluster: {name: aks-mi, components: [workload-identity]}" } else { "cluster: {name: aks-mi}" };
    let mode = if mode == "workload-identity" { "workload-identity, serviceAccount: {name: web}" } else { mode };
    world.write("podid.yaml", &SPEC.replace("MODE", mode).replace("cluster: {name: aks-mi}", components));
    world.write("conn.txt", VALUE);
    world.podid(&["up", "--yes"]).ok();
    world
}

fn plant(world: &World, host: &str, network: &str) {
    let fault = json!({ "by": "csi", "method": "HEAD", "host": host, "status": 404, "headers": { "x-podid-network": network } });
    world.settings(&json!({ "fail": [fault] }));
}

fn clear(world: &World) {
    world.settings(&json!({ "fail": null }));
}

fn probed(world: &World, code: i32) -> (Value, Output) {
    let output = world.podid(&["probe", "web", "-o", "json"]).exits(code);
    let probe = output.json()["probes"][0].clone();
    assert_eq!(probe["sound"], code == 0, "{probe:#}");
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(VALUE) && !text.contains("eyJ"), "a value or a token is shown: {text}");
    }
    (probe, output)
}

fn hop<'a>(probe: &'a Value, name: &str, host: &str) -> &'a Value {
    let all = probe["hops"].as_array().unwrap();
    all.iter().find(|hop| hop["hop"] == name && hop["host"] == host).unwrap_or_else(|| panic!("{name} {host}: {probe:#}"))
}

fn verdicts(probe: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    probe["hops"].as_array().unwrap().iter().map(|hop| format!("{} {}", word(&hop["hop"]), word(&hop["verdict"]))).collect()
}

/// What is planted breaks this hop, with this code and these words; what comes after it is not tried.
#[track_caller]
fn breaks(world: &World, at: (&str, &str), code: &str, says: &[&str]) -> Value {
    let (probe, _) = probed(world, 1);
    let first =
        probe["hops"].as_array().unwrap().iter().find(|hop| hop["verdict"] == "broken").unwrap_or_else(|| panic!("{probe:#}")).clone();
    assert_eq!((&first["hop"], &first["host"], &first["code"]), (&json!(at.0), &json!(at.1), &json!(code)), "{probe:#}");
    let text = first.to_string();
    for says in says {
        assert!(text.contains(says), "{says:?} in {first:#}");
    }
    assert!(!first["hints"].as_array().unwrap().is_empty(), "{first:#}");
    probe
}

fn pods_left(world: &World) -> Vec<String> {
    let all = world.kube("GET", CONTEXT, PODS, None).ok();
    let names = all["items"].as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("podid-")).collect()
}

#[test]
fn a_sound_path_has_all_hops_with_their_times_and_leaves_no_pod() {
    let world = made("workload-identity");
    let (probe, _) = probed(&world, 0);
    let all = ["dns ok", "tcp ok", "tls ok", "dns ok", "tcp ok", "tls ok", "token ok", "read ok"];
    assert_eq!(verdicts(&probe), all);
    assert!(probe["hops"].as_array().unwrap().iter().all(|hop| hop["seconds"].is_number()), "{probe:#}");
    assert!(hop(&probe, "tls", LOGIN)["detail"].as_str().unwrap().contains("Microsoft"), "the issuer is shown");
    assert!(hop(&probe, "read", HOST)["detail"].as_str().unwrap().contains("secrets/conn version "));
    let node = probe["node"].as_str().unwrap().to_owned();
    assert_eq!((&probe["dnsServers"], pods_left(&world)), (&json!(["10.0.0.10"]), Vec::new()));
    // for people, from a node, and with what stays
    world.podid(&["probe", "web", "--node", &node]).ok().says(&format!("from {node}")).says("1 probe, 0 broken");
    world.podid(&["probe", "--all-nodes"]).ok().says("0 broken");
    let refused = world.podid(&["probe", "--node", "aks-nowhere"]).exits(4);
    assert!(refused.stderr.contains("there is no Linux node aks-nowhere"), "{}", refused.stderr);
    world.podid(&["probe", "--dry-run"]).ok().says("would create pod shop/podid-probe-web-*");
    assert_eq!(pods_left(&world), Vec::<String>::new());
    world.podid(&["probe", "web", "--keep"]).ok().says("kubectl delete pod podid-probe-web-");
    assert_eq!(pods_left(&world).len(), 1);
    // a kept pod is not cleared away, and no workload
    world.podid(&["verify"]).ok();
    world.podid(&["probe", "deployment/web", "-n", "shop"]).ok().says("shop/web by shop-mid to kv-shop-probe");
    world.podid(&["doctor"]).ok().says("0 errors");
    assert_eq!(pods_left(&world).len(), 1);
    let kept = world.kube("GET", CONTEXT, PODS, None).ok().to_string();
    assert!(!kept.contains(VALUE), "no value is in the pod's status");
    world.podid(&["probe", "nobody"]).exits(4).says("there is no workload nobody");
}

#[test]
fn each_broken_hop_of_the_network_has_a_text_of_its_own() {
    let world = made("workload-identity");
    plant(&world, HOST, "no-name");
    let probe =
        breaks(&world, ("dns", HOST), "PODID7003", &["does not resolve in the pod", "10.0.0.10", "privatelink.vaultcore.azure.net"]);
    let after = ["dns ok", "tcp ok", "tls ok", "dns broken", "tcp skipped", "tls skipped", "token ok", "read skipped"];
    assert_eq!(verdicts(&probe), after);
    plant(&world, HOST, "name-timeout");
    breaks(&world, ("dns", HOST), "PODID7003", &["the DNS of the pod does not answer"]);
    plant(&world, HOST, "dropped");
    breaks(&world, ("tcp", HOST), "PODID7005", &["drops the packets", "kubectl get networkpolicies -n shop"]);
    plant(&world, HOST, "refused");
    breaks(&world, ("tcp", HOST), "PODID7005", &["refuses the connection"]);
    plant(&world, HOST, "reset");
    breaks(&world, ("tls", HOST), "PODID7005", &["is cut off", "decides by the name"]);
    plant(&world, HOST, "issuer O=Corp; CN=Corp Inspection CA");
    breaks(&world, ("tls", HOST), "PODID7010", &["Corp Inspection CA", "TLS inspection"]);
    // without the host of Entra there is no token
    plant(&world, LOGIN, "dropped");
    let probe = breaks(&world, ("tcp", LOGIN), "PODID4026", &["login.microsoftonline.com"]);
    assert_eq!(verdicts(&probe)[6..], ["token skipped", "read skipped"]);
    assert!(hop(&probe, "token", LOGIN)["detail"].as_str().unwrap().contains("Entra cannot be reached"));
    clear(&world);
    // a private vault: the name has to lead to its endpoint
    let id = format!("{}?api-version=2023-07-01", world.vault_id(VAULT));
    let mut vault = world.arm("GET", &id, None).ok();
    vault["properties"]["publicNetworkAccess"] = json!("Disabled");
    world.arm("PUT", &id, Some(vault)).ok();
    breaks(&world, ("dns", HOST), "PODID7009", &["20.61.99.192", "answers only through its private endpoint", "168.63.129.16"]);
    plant(&world, HOST, "address 10.1.2.3");
    assert_eq!(hop(&probed(&world, 0).0, "dns", HOST)["detail"], "10.1.2.3");
    let shown = world.podid(&["probe"]).ok();
    assert!(shown.stdout.contains("tls    kv-shop-probe.vault.azure.net"), "{}", shown.stdout);
    assert_eq!(pods_left(&world), Vec::<String>::new());
}

#[test]
fn refusals_of_entra_and_of_the_vault_are_told_apart() {
    let world = made("workload-identity");
    let refuse = |host: &str, path: &str, status: u16, body: Value| {
        world.settings(&json!({ "fail": [{ "by": "csi", "host": host, "path": path, "status": status, "body": body }] }));
    };
    let error = json!({ "error": "invalid_request", "error_description":
        "AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:web'." });
    refuse(LOGIN, "/oauth2/v2.0/token", 400, error);
    let probe = breaks(&world, ("token", LOGIN), "PODID3022", &["AADSTS700213", "no federated credential"]);
    assert_eq!(verdicts(&probe)[7], "read skipped");
    let vault = |code: &str, message: &str| json!({ "error": { "code": "Forbidden", "message": message, "innererror": { "code": code } } });
    refuse(HOST, "/secrets/", 403, vault("ForbiddenByRbac", "Caller is not authorized to perform action on resource."));
    breaks(&world, ("read", HOST), "PODID6001", &["may not read the secrets of the vault", "ForbiddenByRbac"]);
    refuse(HOST, "/secrets/", 403, vault("ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service."));
    breaks(&world, ("read", HOST), "PODID7002", &["firewall blocks the cluster's nodes"]);
    let private = "Public network access is disabled and request is not from a trusted service nor via an approved private link.";
    refuse(HOST, "/secrets/", 403, vault("ForbiddenByConnection", private));
    breaks(&world, ("read", HOST), "PODID7009", &["20.61.99.192"]);
    refuse(HOST, "/secrets/", 429, json!({ "error": { "code": "TooManyRequests", "message": "slow down" } }));
    breaks(&world, ("read", HOST), "PODID7004", &["limits the rate"]);
    clear(&world);
    // what the cluster shows says more than the request that failed
    let without = json!({ "metadata": { "annotations": { "azure.workload.identity/client-id": null } } });
    world.kube("PATCH", CONTEXT, "/api/v1/namespaces/shop/serviceaccounts/web", Some(without)).ok();
    breaks(&world, ("token", LOGIN), "PODID3010", &["client-id"]);
}

#[test]
fn with_pod_identity_the_host_of_entra_is_not_needed_and_a_proxy_is_shown() {
    let world = made("pod-identity");
    plant(&world, LOGIN, "dropped");
    let (probe, _) = probed(&world, 0);
    assert_eq!(hop(&probe, "tcp", LOGIN)["verdict"], "warning");
    assert_eq!(hop(&probe, "token", "169.254.169.254")["verdict"], "ok");
    clear(&world);
    // the proxy of the workload's own pods
    let env = json!([{ "name": "HTTPS_PROXY", "value": "http://proxy.corp:3128" }, { "name": "https_proxy", "value": "http://me:hunter2@proxy.corp:3128" }]);
    let path = "/apis/apps/v1/namespaces/shop/deployments/web";
    let mut deployment = world.kube("GET", CONTEXT, path, None).ok();
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] = env;
    world.kube("PUT", CONTEXT, path, Some(deployment)).ok();
    let (probe, output) = probed(&world, 0);
    assert_eq!((&probe["proxy"], probe["hops"][0]["hop"].as_str()), (&json!("http://proxy.corp:3128"), Some("proxy")));
    assert!(probe["notes"][0].as_str().unwrap().contains("does not take over https_proxy") && !output.stdout.contains("hunter2"));
    plant(&world, HOST, "proxy 403");
    breaks(&world, ("proxy", HOST), "PODID7011", &["http://proxy.corp:3128", "status 403"]);
    clear(&world);
    // NMI asks the node for an identity that is not there; the cluster's objects are sound
    let absent = json!({ "error": "invalid_request", "error_description": "Identity not found" });
    world.settings(&json!({ "fail": [{ "by": "nmi", "path": "/metadata/identity", "status": 400, "body": absent }] }));
    breaks(&world, ("token", "169.254.169.254"), "PODID4003", &["the node has no identity with the client id"]);
}

#[test]
fn an_interrupted_probe_removes_its_pod_and_a_killed_one_is_cleared_by_the_next() {
    let world = made("pod-identity");
    // MIC is slow, so the token takes its time
    world.kube("PATCH", CONTEXT, MIC, Some(json!({ "spec": { "replicas": 0 } }))).ok();
    let begin = || {
        let run = world.start(&["probe", "web"]);
        until("the pod of the probe is there", || (pods_left(&world).len() == 1).then_some(()));
        run
    };
    let run = begin();
    run.interrupt();
    run.wait().exits(130);
    assert_eq!(pods_left(&world), Vec::<String>::new());
    begin().kill();
    assert_eq!(pods_left(&world).len(), 1);
    world.kube("PATCH", CONTEXT, MIC, Some(json!({ "spec": { "replicas": 2 } }))).ok();
    until("MIC is back", || {
        let mic = world.kube("GET", CONTEXT, MIC, None).ok();
        (mic["status"]["readyReplicas"].as_u64().unwrap_or_default() > 0).then_some(())
    });
    probed(&world, 0);
    assert_eq!(pods_left(&world), Vec::<String>::new());
}

/// Runs the script with sh and a real curl.
fn script(world: &World, arguments: &[&str], more: &[(&str, String)]) -> String {
    let log = world.path("termination-log");
    let _ = std::fs::remove_file(&log);
    let script = SCRIPT.replace("/dev/termination-log", log.to_str().unwrap());
    let mut command = world.program("sh", &[&["-c", &script, "podid-probe"], arguments].concat());
    let output = command.envs(more.iter().map(|(name, value)| (*name, value))).output().unwrap();
    let written = std::fs::read_to_string(&log).unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((stdout.as_str(), String::from_utf8_lossy(&output.stderr).as_ref()), (written.as_str(), ""), "the log has the same lines");
    written
}

const SCRIPT: &str = concat!(include_str!("../../src/deliveries/in_pod/token.sh"), include_str!("../../src/proof/probe/probe.sh"));

#[test]
fn the_script_reports_with_a_real_curl_what_podid_reads() {
    if !std::path::Path::new("/usr/bin/curl").exists() {
        use std::io::Write as _;
        let _ = std::io::stderr().write_all(b"/usr/bin/curl is missing: the script of the probe is not run\n");
        return;
    }
    let world = made("workload-identity");
    let id = |field: &str| world.podid(&["output", "identity/shop-mid", field]).ok().stdout.trim().to_owned();
    let path = "/api/v1/namespaces/shop/serviceaccounts/web/token";
    let token = world.kube("POST", CONTEXT, path, Some(json!({ "spec": { "audiences": ["api://AzureADTokenExchange"] } }))).ok();
    world.write("token", token["status"]["token"].as_str().unwrap());
    let proxy = format!("http://127.0.0.1:{}", world.port());
    let mut env: Vec<(&str, String)> = vec![
        ("https_proxy", proxy.replace("//", "//me:hunter2@")),
        ("CURL_CA_BUNDLE", world.path(".podid/ca.pem").display().to_string()),
        ("AZURE_FEDERATED_TOKEN_FILE", world.path("token").display().to_string()),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/".into()),
        ("AZURE_CLIENT_ID", id("client_id")),
        ("AZURE_TENANT_ID", id("tenant_id")),
    ];
    let resource = "https%3A%2F%2Fvault.azure.net";
    let good = script(&world, &[HOST, LOGIN, resource, "secrets/conn"], &env);
    let line = |text: &str, begins: &str| -> String {
        let found = text.lines().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest).find(|rest| rest.starts_with(begins));
        found.unwrap_or_else(|| panic!("{begins} in {text}")).to_owned()
    };
    assert_eq!(line(&good, "variable https_proxy"), format!("variable https_proxy http://***@127.0.0.1:{}", world.port()));
    assert_eq!(
        (line(&good, "way "), line(&good, "token 200 ")),
        ("way entra".into(), format!("token 200 {} {}", id("client_id"), id("principal_id")))
    );
    assert!(line(&good, "read secrets/conn 200 ").len() > 40, "{good}");
    let fields: Vec<String> = line(&good, &format!("connect {HOST}")).split('\t').map(str::to_owned).collect();
    let [_, exit, numbers, via, addresses, issuer, error] = fields.as_slice() else { panic!("{fields:?}") };
    assert_eq!((exit.as_str(), via.as_str(), addresses.as_str(), error.as_str()), ("0", "proxy", "127.0.0.1", ""));
    let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    assert!(numbers[2] > numbers[1] && numbers[1] > 0.0 && !issuer.is_empty(), "{fields:?}");
    assert!(!good.contains(VALUE) && !good.contains("hunter2") && !good.contains("eyJ"), "{good}");
    // a certificate of an unknown authority: its issuer is shown all the same
    env[1].1 = "/etc/ssl/certs/ca-certificates.crt".into();
    let foreign = script(&world, &[HOST, LOGIN, resource, "secrets/conn"], &env);
    let fields: Vec<String> = line(&foreign, &format!("connect {HOST}")).split('\t').map(str::to_owned).collect();
    assert_eq!((fields[1].as_str(), &fields[5]), ("60", issuer), "{foreign}");
    assert!(!foreign.contains("token "), "Entra is not asked over such a connection");
    // a name without address, a closed port, a server that ends the handshake, and a proxy that refuses
    let refusing = format!("localhost:{}", world.port());
    for (host, exit, proxied) in
        [("nosuch.invalid", "6", false), ("127.0.0.1:1", "7", false), (&refusing, "35", false), ("nosuch.invalid", "56", true)]
    {
        let env: Vec<(&str, String)> = if proxied { vec![("https_proxy", proxy.clone())] } else { Vec::new() };
        let text = script(&world, &[host, host, resource], &env);
        let fields: Vec<String> = line(&text, "connect ").split('\t').map(str::to_owned).collect();
        assert_eq!((fields[1].as_str(), fields[6].is_empty()), (exit, false), "{text}");
    }
}
