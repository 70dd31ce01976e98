//! An external cluster stands in for one of the sandbox's own. Here it is the cluster of another sandbox, reached like any API server: by
//! address, authority, server name and credential. tests/labs.rs does the same with a real control plane.

use crate::common::{
    World,
    lent::Lent,
    plane::Plane,
    same,
    specs::{LAB_004, vault_of},
};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Returns the other sandbox's data about its cluster: host name, authority, token.
fn entry(other: &World) -> (String, String, String) {
    let config: Value = serde_json::from_str(&other.read(".podid/kubeconfig")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let server = text(&config["clusters"][0]["cluster"]["server"]);
    let host = server.trim_start_matches("https://").trim_end_matches(":443").to_owned();
    (host, text(&config["clusters"][0]["cluster"]["certificate-authority-data"]), text(&config["users"][0]["user"]["token"]))
}

/// Returns a kubeconfig that leads to the other sandbox's `aks-mi` without its proxy, as `user`.
fn kubeconfig(other: &World, user: &Value) -> Value {
    let (host, authority, _) = entry(other);
    let cluster = json!({
        "server": format!("https://127.0.0.1:{}", other.port()), "tls-server-name": host, "certificate-authority-data": authority,
    });
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "theirs", "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "theirs", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": user}],
    })
}

fn admin(other: &World) -> Value {
    json!({ "token": entry(other).2 })
}

/// Returns a served world whose `aks-mi` is the other's.
fn standing_in(other: &World) -> World {
    let mut world = World::new();
    world.write("theirs", &kubeconfig(other, &admin(other)).to_string());
    world.serve_with(&["--cluster", "theirs"]);
    world
}

fn managed(world: &World) -> Value {
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2026-02-01", world.group_id());
    world.arm("GET", &id, None).ok()
}

fn of_cluster(export: &str) -> String {
    let all: Value = serde_json::from_str(export).unwrap();
    format!("{:#}\n", all["kubernetes"]["aks-mi"])
}

#[test]
fn a_lab_is_proved_on_an_external_cluster_and_leaves_it_unchanged() {
    let other = World::served();
    let world = standing_in(&other);
    assert_eq!(managed(&world)["properties"]["fqdn"], "127.0.0.1");
    let before = world.export();
    let up = world.up(LAB_004, &["--verify"]).ok();
    assert!(up.last_line().starts_with("proved default/spc-myk8skv"), "{}", up.stdout);
    // The object is there, and nowhere else.
    let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/default/azureidentities/aks-kv-identity";
    other.kube("GET", "aks-mi", path, None).ok();
    assert_eq!(world.up(LAB_004, &[]).ok().last_line(), "nothing to do: 15 resources are as they should be");
    world.down(LAB_004, &["--delete-data", vault_of(LAB_004)]).ok();
    same("after `down`", &before, &world.export());
}

#[test]
fn the_export_of_an_external_cluster_has_the_same_form() {
    let other = World::served();
    let world = standing_in(&other);
    world.up(LAB_004, &[]).ok();
    same("seen from both sides", &of_cluster(&other.export()), &of_cluster(&world.export()));
}

#[test]
fn serving_installs_the_crds_and_keeps_what_others_set() {
    let other = World::served();
    other.kube("DELETE", "aks-mi", &format!("{CRDS}/azureidentities.aadpodidentity.k8s.io"), None).ok();
    let driver = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io";
    other.kube("PATCH", "aks-mi", driver, Some(json!({"spec": {"requiresRepublish": false}}))).ok();
    let world = standing_in(&other);
    let crd = other.kube("GET", "aks-mi", &format!("{CRDS}/azureidentities.aadpodidentity.k8s.io"), None).ok();
    assert_eq!(crd["metadata"]["managedFields"][0]["manager"], "podid-sandbox");
    assert_eq!(crd["metadata"]["managedFields"][0]["operation"], "Apply");
    assert_eq!(other.kube("GET", "aks-mi", driver, None).ok()["spec"]["requiresRepublish"], false);
    let said = world.read("serve.log");
    assert!(said.contains("note: the CSIDriver secrets-store.csi.k8s.io exists already"), "{said}");
    assert!(said.contains("was not changed"), "{said}");
}

#[test]
fn a_bare_world_installs_nothing_on_an_external_cluster() {
    let mut other = World::new();
    other.serve_with(&["--bare"]);
    let before = of_cluster(&other.export());
    let mut world = World::new();
    world.write("theirs", &kubeconfig(&other, &admin(&other)).to_string());
    world.serve_with(&["--bare", "--cluster", "theirs"]);
    assert_eq!(other.kube("GET", "aks-mi", CRDS, None).ok()["items"], json!([]));
    same("the other cluster", &before, &of_cluster(&world.export()));
    // only what ARM asks for
    let driver = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io";
    set_secrets_provider(&world, true);
    assert_eq!(other.kube("GET", "aks-mi", driver, None).ok()["spec"]["podInfoOnMount"], true);
    set_secrets_provider(&world, false);
    same("the other cluster", &before, &of_cluster(&world.export()));
}

/// Enables or disables the add-on for Key Vault secrets on `aks-mi`.
fn set_secrets_provider(world: &World, enabled: bool) {
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2026-02-01", world.group_id());
    let mut body = managed(world);
    body["properties"]["addonProfiles"]["azureKeyvaultSecretsProvider"] = json!({ "enabled": enabled });
    world.arm("PUT", &id, Some(body)).ok();
}

#[test]
fn the_sandboxs_own_cluster_is_restored() {
    let other = World::served();
    let mut world = World::new();
    world.up(LAB_004, &[]).ok();
    let own = world.export();
    world.write("theirs", &kubeconfig(&other, &admin(&other)).to_string());
    world.serve_with(&["--cluster", "aks-mi=theirs"]);
    assert_ne!(of_cluster(&own), of_cluster(&world.export()), "the lab is not on the other cluster");
    // The state records where the objects were.
    world.podid(&["plan", "--exit-code", "-f", LAB_004]).exits(3);
    world.unserve();
    same("without the other cluster", &own, &world.export());
    world.plan(LAB_004).ok();
}

#[test]
fn reset_does_not_touch_the_external_cluster_and_says_so() {
    let other = World::served();
    let world = standing_in(&other);
    world.up(LAB_004, &[]).ok();
    let there = of_cluster(&world.export());
    let url = format!("https://127.0.0.1:{}", other.port());
    world.podid(&["sandbox", "reset"]).ok().says(&format!("the cluster at {url}, which stands in for aks-mi, was left as it is"));
    let after = world.export();
    let azure: Value = serde_json::from_str(&after).unwrap();
    assert!(!azure["resources"].as_object().unwrap().keys().any(|id| id.contains("aks2kvIdentity")), "Azure is new");
    same("the other cluster", &there, &of_cluster(&after));
    assert_eq!(managed(&world)["properties"]["fqdn"], "127.0.0.1");
}

#[test]
fn arm_returns_the_address_of_the_external_cluster_but_no_credential() {
    let other = World::served();
    let world = standing_in(&other);
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi", world.group_id());
    let answer = world.arm("POST", &format!("{path}/listClusterUserCredential?api-version=2026-02-01"), None).ok();
    let text = answer["kubeconfigs"][0]["value"].as_str().unwrap();
    use base64::Engine as _;
    let config: Value = serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap();
    assert_eq!(config["users"][0]["user"], json!({}), "the credential is the user's own");
    assert_eq!(config["clusters"][0]["cluster"]["server"], format!("https://127.0.0.1:{}", other.port()));
}

/// Sends one CONNECT, and returns what comes through the tunnel for a plain request to the control host.
fn through(other: &World, proxy: u16, target: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy)).unwrap();
    write!(stream, "CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    if !head.starts_with("HTTP/1.1 200") {
        return (head, String::new());
    }
    let token = crate::common::by_hand::control_token(other.dir());
    let asked = "GET http://sandbox.podid/settings HTTP/1.1\r\nhost: sandbox.podid\r\nconnection: close";
    write!(stream, "{asked}\r\nauthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (head, answer)
}

#[test]
fn the_proxy_connects_to_the_external_cluster_and_nowhere_else() {
    let other = World::served();
    let world = standing_in(&other);
    let (_, answer) = through(&other, world.port(), &format!("127.0.0.1:{}", other.port()));
    let pid = other.setting("pid");
    assert!(answer.contains(&format!("\"pid\":{pid}")) || answer.contains(&format!("\"pid\": {pid}")), "{answer}");
    let (head, _) = through(&other, world.port(), &format!("127.0.0.1:{}", world.port()));
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[test]
fn a_token_may_come_from_a_file() {
    let other = World::served();
    let mut world = World::new();
    world.write("token", &format!("{}\n", entry(&other).2));
    world.write("theirs", &kubeconfig(&other, &json!({"tokenFile": "token"})).to_string());
    world.serve_with(&["--cluster", "theirs"]);
    // The file is read again for each request.
    world.write("token", &entry(&other).2);
    world.up(LAB_004, &["--verify"]).ok().says("proved ");
}

#[cfg(unix)]
#[test]
fn a_login_command_runs_again_only_when_its_token_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let other = World::served();
    let mut world = World::new();
    let script = "#!/bin/sh\necho run >> runs\ntoken=$(cat token)\nprintf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%s\"}}' \"$token\"\n";
    world.write("login", script);
    std::fs::set_permissions(world.path("login"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let runs = |world: &World| world.read("runs").lines().count();
    world.write("token", &entry(&other).2);
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "IfAvailable"}});
    world.write("theirs", &kubeconfig(&other, &exec).to_string());
    world.serve_with(&["--cluster", "theirs"]);
    assert_eq!(runs(&world), 1, "one login for all components");
    world.up(LAB_004, &["--verify"]).ok().says("proved ");
    let before = runs(&world);
    assert!(before <= 2, "and one of podid's own");
    world.unserve();
    // The first token is wrong: the command runs once more, then an error is reported.
    world.write("token", "wrong");
    let file = world.path("theirs");
    let said = world.podid(&["sandbox", "serve", "--cluster", file.to_str().unwrap()]).exits(1);
    assert_eq!(runs(&world), before + 2);
    assert!(said.stderr.contains("rejected the credential of the kubeconfig"), "{}", said.stderr);
}

#[test]
fn an_unsuitable_cluster_is_refused_before_serving() {
    let other = World::served();
    let world = World::new();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let ready = world.path("never.json");
        let all = [&["sandbox", "serve", "--ready-file", ready.to_str().unwrap()], arguments].concat();
        world.podid(&all).exits(code).says(words);
        assert!(!ready.exists() && !world.path(".podid/serve.json").exists(), "it served all the same");
    };
    refused(&["--cluster", "nowhere"], 2, "could not read nowhere");
    world.write("broken", "clusters: [");
    refused(&["--cluster", "broken"], 2, "broken is not a valid kubeconfig at line");
    let good = kubeconfig(&other, &admin(&other));
    let mut no_context = good.clone();
    no_context["current-context"] = json!("gone");
    world.write("no-context", &no_context.to_string());
    refused(&["--cluster", "no-context"], 2, "does not define its current context \"gone\"");
    world.write("good", &good.to_string());
    refused(&["--cluster", "aks-xy=good"], 2, "no managed cluster \"aks-xy\"");
    refused(&["--cluster", "good", "--cluster", "good"], 2, "duplicate cluster aks-mi in --cluster");
    refused(&["--cluster", "good", "--cluster", "aks-sp=good"], 2, "both use the cluster at");
    let mut away = good.clone();
    away["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    world.write("away", &away.to_string());
    refused(&["--cluster", "away"], 1, "could not reach the cluster at https://127.0.0.1:1 for aks-mi");
    world.write("stranger", &kubeconfig(&other, &json!({"token": "s~cret"})).to_string());
    refused(&["--cluster", "stranger"], 1, "rejected the credential of the kubeconfig");
    let mut untrusted = good.clone();
    untrusted["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority-data");
    world.write("untrusted", &untrusted.to_string());
    refused(&["--cluster", "untrusted"], 1, "could not reach the cluster");
    // This service account may read and nothing else.
    let token = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let token = other.kube("POST", "aks-mi", token, Some(json!({"spec": {}}))).ok()["status"]["token"].clone();
    world.write("guest", &kubeconfig(&other, &json!({"token": token})).to_string());
    refused(&["--cluster", "guest"], 1, "customresourcedefinitions");
}

/// Creates an identity `claims` that trusts the account `default/SUBJECT` of the cluster, whose issuer is the one that ARM returns.
fn trusting(world: &World, subject: &str) -> String {
    let issuer = managed(world)["properties"]["oidcIssuerProfile"]["issuerURL"].clone();
    let id = world.identity_id("claims");
    let identity = world.arm("PUT", &format!("{id}?api-version=2024-11-30"), Some(json!({"location": "westeurope"}))).ok();
    let subject = format!("system:serviceaccount:default:{subject}");
    let wish = json!({"properties": {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}});
    world.arm("PUT", &format!("{id}/federatedIdentityCredentials/one?api-version=2024-11-30"), Some(wish)).ok();
    identity["properties"]["clientId"].as_str().unwrap().to_owned()
}

const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default/token";

fn exchange() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["api://AzureADTokenExchange"]}})
}

/// Returns the status of the token endpoint, and its AADSTS number (0: a token).
fn presented(world: &World, client: &str, assertion: &Value) -> (u16, u64) {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client)
        .append_pair("client_assertion", assertion.as_str().unwrap())
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("scope", "https://vault.azure.net/.default")
        .finish();
    let tenant = world.environment().into_iter().find(|(name, _)| name == "AZURE_TENANT_ID").unwrap().1;
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let answer = world.send("POST", &url, "", "application/x-www-form-urlencoded", Some(form));
    (answer.status, answer.body["error_codes"][0].as_u64().unwrap_or_default())
}

#[test]
fn a_service_account_token_of_an_external_cluster_is_verified_with_its_keys() {
    let other = World::served();
    let world = standing_in(&other);
    let client = trusting(&world, "default");
    let token = |of: &World| of.kube("POST", "aks-mi", ACCOUNT, Some(exchange())).ok()["status"]["token"].clone();
    assert_eq!(presented(&world, &client, &token(&other)), (200, 0));
    // A third sandbox has the same names, and so the same issuer, but another key.
    let third = World::served();
    assert_eq!(presented(&world, &client, &token(&third)), (401, 50_013));
    trusting(&world, "Default");
    assert_eq!(presented(&world, &client, &token(&other)), (401, 7_002_138));
}

#[test]
fn keys_are_fetched_again_for_an_unknown_key_and_unavailable_keys_mean_rejection() {
    let mut other = World::served();
    let world = standing_in(&other);
    let client = trusting(&world, "default");
    let port = other.port().to_string();
    let token = |of: &World| of.kube("POST", "aks-mi", ACCOUNT, Some(exchange())).ok()["status"]["token"].clone();
    assert_eq!(presented(&world, &client, &token(&other)), (200, 0));
    // The cluster gets another key, as in a rotation.
    other.unserve();
    let mut keys: Value = serde_json::from_str(&other.read(".podid/keys.json")).unwrap();
    keys.as_object_mut().unwrap().shift_remove("account_key");
    other.write(".podid/keys.json", &keys.to_string());
    other.serve_with(&["--listen", &format!("127.0.0.1:{port}")]);
    let new = token(&other);
    assert_eq!(presented(&world, &client, &new), (200, 0));
    // The old key is gone when the next one comes.
    other.unserve();
    other.write(".podid/keys.json", &keys.to_string());
    other.serve_with(&["--listen", &format!("127.0.0.1:{port}")]);
    let newest = token(&other);
    other.unserve();
    assert_eq!(presented(&world, &client, &newest), (401, 50_013));
}

#[test]
fn a_service_account_token_of_a_real_cluster_is_accepted() {
    let Some(plane) = Plane::if_wanted() else { return };
    let mut world = World::new();
    world.serve_with(&["--cluster", plane.kubeconfig().to_str().unwrap()]);
    world.plane = Some(Lent::alone(plane));
    let client = trusting(&world, "default");
    let token = world.kube("POST", "aks-mi", ACCOUNT, Some(exchange())).ok()["status"]["token"].clone();
    assert_eq!(presented(&world, &client, &token), (200, 0));
    let forged = token.as_str().unwrap().rsplit_once('.').unwrap().0.to_owned() + &format!(".{}", "A".repeat(342));
    assert_eq!(presented(&world, &client, &json!(forged)), (401, 50_013));
}

#[test]
fn an_external_cluster_is_found_by_its_address() {
    let other = World::served();
    let world = standing_in(&other);
    // The command names no cluster: the context identifies it.
    let bind = ["bind", "-n", "default", "--identity", "shop-id", "--context", "aks-mi", "--resource-group", "podid-lab", "--yes"];
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shop-id", "--yes"]).ok();
    world.podid(&bind).ok().says("azureidentity/aks-mi/default/shop-id");
}

#[test]
fn the_definitions_are_available_as_yaml() {
    let world = World::new();
    let printed = world.podid(&["sandbox", "crds"]).ok().stdout;
    let documents: Vec<Value> = printed.split("---\n").skip(1).map(|text| serde_saphyr::from_str(text).unwrap()).collect();
    assert_eq!(documents, podid_crds::all());
    assert_eq!(documents.len(), 6);
}

/// Writes a certificate of a cluster-admin, as files `me.crt` and `me.key` of the world.
fn certificate(world: &World, plane: &Plane) {
    let at = |name: &str| plane.dir().join(name).display().to_string();
    let openssl = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(world.program("openssl", &words).output().unwrap().status.success(), "{line}");
    };
    // Without extensions the certificate would be of version 1, which rustls rejects.
    world.write("me.ext", "extendedKeyUsage=clientAuth\n");
    openssl("req -new -newkey rsa:2048 -nodes -keyout me.key -out me.csr -subj /O=system:masters/CN=me");
    let (ca, key) = (at("ca.crt"), at("ca.key"));
    openssl(&format!("x509 -req -in me.csr -extfile me.ext -CA {ca} -CAkey {key} -set_serial 7 -days 1 -out me.crt"));
}

#[cfg(unix)]
#[test]
fn a_client_certificate_from_a_file_or_a_login_command_opens_a_real_cluster() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(plane) = Plane::if_wanted() else { return };
    let mut world = World::new();
    certificate(&world, &plane);
    let text = std::fs::read_to_string(plane.kubeconfig()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    let encoded = |name: &str| serde_json::to_string(&world.read(name)).unwrap();
    let status = format!("{{\"clientCertificateData\":{},\"clientKeyData\":{}}}", encoded("me.crt"), encoded("me.key"));
    let credential = format!("{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{status}}}");
    world.write("credential.json", &credential);
    world.write("login", "#!/bin/sh\ncat \"$(dirname \"$0\")/credential.json\"\n");
    std::fs::set_permissions(world.path("login"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never"});
    for user in [json!({"client-certificate": "me.crt", "client-key": "me.key"}), json!({ "exec": exec })] {
        config["users"][0]["user"] = user;
        world.write("theirs", &config.to_string());
        world.serve_with(&["--cluster", "theirs"]);
        world.up(LAB_004, &["--verify"]).ok().says("proved default/spc-myk8skv");
        world.down(LAB_004, &[]).ok();
        world.podid(&["sandbox", "reset"]).ok();
        world.unserve();
    }
}
