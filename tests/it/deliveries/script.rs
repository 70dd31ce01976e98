//! The script of the proof, run here with the real sh and curl, against the same Azure: it reports what the sandbox's kubelet reports for a pod.

use super::{CONTEXT, SDK, VALUE, VAULT, world_with};
use crate::common::{World, until};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _};

const SCRIPT: &str = include_str!("../../../src/deliveries/sdk/check.sh");
const PODS: &str = "/api/v1/namespaces/shop/pods";

struct Check {
    vault: String,
    client_id: String,
}

impl Check {
    /// Returns the exit code and the message of a pod of the sandbox.
    fn played(&self, world: &World, name: &str, secrets: &[&str]) -> (i64, String) {
        let command: Vec<&str> = ["sh", "-c", SCRIPT, "podid-check"].into_iter().chain(secrets.iter().copied()).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "shop", "labels": { "aadpodidbinding": "shop-mid" } },
            "spec": { "restartPolicy": "Never", "containers": [{
                "name": "check", "image": "curlimages/curl", "command": command,
                "env": [{ "name": "KEYVAULT_URI", "value": self.vault }, { "name": "AZURE_CLIENT_ID", "value": self.client_id }],
            }] },
        });
        world.kube("POST", CONTEXT, PODS, Some(pod)).ok();
        let ended = until("the pod has ended", || {
            let pod = world.kube("GET", CONTEXT, &format!("{PODS}/{name}"), None).ok();
            let ended: Value = pod["status"]["containerStatuses"][0]["state"]["terminated"].clone();
            (!ended.is_null()).then_some(ended)
        });
        (ended["exitCode"].as_i64().unwrap(), ended["message"].as_str().unwrap().to_owned())
    }

    /// Runs the script with sh and a curl that goes through the sandbox's proxy as a program of the node.
    fn run(&self, world: &World, secrets: &[&str]) -> (i64, String) {
        let (log, bin) = (world.path("termination-log"), world.path("bin"));
        let _ = fs::remove_file(&log);
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("curl"), "#!/bin/sh\nprintf '%s\\n' \"$*\" >>curl.log\nexec /usr/bin/curl -H 'x-podid-node: aks-mi' \"$@\"\n")
            .unwrap();
        fs::set_permissions(bin.join("curl"), fs::Permissions::from_mode(0o755)).unwrap();
        let script = SCRIPT.replace("/dev/termination-log", log.to_str().unwrap());
        let mut command = world.program("sh", &[&["-c", &script, "podid-check"], secrets].concat());
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let proxy = format!("http://127.0.0.1:{}", world.port());
        command.envs([("PATH", path), ("http_proxy", proxy.clone()), ("https_proxy", proxy)]);
        command.env("CURL_CA_BUNDLE", world.path(".podid/ca.pem"));
        command.env("KEYVAULT_URI", &self.vault).env("AZURE_CLIENT_ID", &self.client_id);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr), "");
        (output.status.code().unwrap().into(), fs::read_to_string(&log).unwrap())
    }
}

#[test]
fn the_script_reports_the_same_with_a_real_curl_and_never_a_value() {
    if !std::path::Path::new("/usr/bin/curl").exists() {
        use std::io::Write as _;
        let _ = std::io::stderr().write_all(b"/usr/bin/curl is missing: the script of the proof is not run\n");
        return;
    }
    let world = world_with(SDK, &[]);
    world.podid(&["up", "--yes"]).ok();
    // A value that looks like an answer.
    let tricky = format!(r#"{VALUE}","id":"https://x/secrets/conn/0000"#);
    world.vault("PUT", VAULT, "/secrets/conn", Some(json!({ "value": tricky }))).ok();
    let client_id = world.podid(&["output", "identity/shop-mid", "client_id"]).ok().stdout.trim().to_owned();
    let check = Check { vault: format!("https://{VAULT}.vault.azure.net/"), client_id };
    // While this pod is there, the node has the identity.
    let holder = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "holder", "namespace": "shop", "labels": { "aadpodidbinding": "shop-mid" } },
        "spec": { "containers": [{ "name": "pause", "image": "pause" }] },
    });
    world.kube("POST", CONTEXT, PODS, Some(holder)).ok();
    let good = check.played(&world, "good", &["conn", "key"]);
    assert_eq!(good.0, 0, "{}", good.1);
    assert_eq!(check.run(&world, &["conn", "key"]), good);
    let version = world.vault("GET", VAULT, "/secrets/conn", None).ok()["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(good.1.contains(&format!("\n1 200 {version}\n2 200 ")), "{}", good.1);
    let absent = check.played(&world, "absent", &["key", "nothing", "conn"]);
    assert!(absent.0 == 1 && absent.1.contains("\n2 404 ") && absent.1.contains("SecretNotFound"), "{}", absent.1);
    assert_eq!(check.run(&world, &["key", "nothing", "conn"]), absent);
    let nowhere = Check { vault: "https://kv-nowhere-x1.vault.azure.net/".into(), client_id: check.client_id.clone() };
    assert!(nowhere.played(&world, "nowhere", &["conn"]).1.contains("1 000 no such host"));
    let stranger = Check { vault: check.vault.clone(), client_id: "00000000-0000-0000-0000-000000000001".into() };
    let (exit, message) = stranger.run(&world, &["conn"]);
    assert!(exit == 1 && message.starts_with("token 400 ") && message.contains("Identity not found"), "{message}");
    let seen = world.read("curl.log") + &good.1 + &absent.1;
    assert!(!seen.contains(VALUE) && !seen.contains("eyJ"), "a value or a token is in an argument or in the message");
}
