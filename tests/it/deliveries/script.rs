//! The script of the proof, run here with the real sh and curl, against the same Azure: it reports what the sandbox's kubelet reports for a pod.

use super::{CONTEXT, SDK, VALUE, VAULT, world_with};
use crate::common::{World, until};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _};

const SCRIPT: &str = concat!(include_str!("../../../src/deliveries/in_pod/token.sh"), include_str!("../../../src/deliveries/sdk/check.sh"));
const BLOBS: &str =
    concat!(include_str!("../../../src/deliveries/in_pod/token.sh"), include_str!("../../../src/deliveries/blobs/check.sh"));
const PODS: &str = "/api/v1/namespaces/shop/pods";

struct Check {
    script: &'static str,
    /// What the script is called as a program.
    name: &'static str,
    /// The variable with the address, and the address.
    target: (&'static str, String),
    client_id: String,
}

impl Check {
    /// Returns the exit code and the message of a pod of the sandbox.
    fn played(&self, world: &World, name: &str, secrets: &[&str]) -> (i64, String) {
        let command: Vec<&str> = ["sh", "-c", self.script, self.name].into_iter().chain(secrets.iter().copied()).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "shop", "labels": { "aadpodidbinding": "shop-mid" } },
            "spec": { "restartPolicy": "Never", "containers": [{
                "name": "check", "image": "curlimages/curl", "command": command,
                "env": [{ "name": self.target.0, "value": self.target.1 }, { "name": "AZURE_CLIENT_ID", "value": self.client_id }],
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
        let script = self.script.replace("/dev/termination-log", log.to_str().unwrap());
        let mut command = world.program("sh", &[&["-c", &script, self.name], secrets].concat());
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let proxy = format!("http://127.0.0.1:{}", world.port());
        command.envs([("PATH", path), ("http_proxy", proxy.clone()), ("https_proxy", proxy)]);
        command.env("CURL_CA_BUNDLE", world.path(".podid/ca.pem"));
        command.env(self.target.0, &self.target.1).env("AZURE_CLIENT_ID", &self.client_id);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr), "");
        (output.status.code().unwrap().into(), fs::read_to_string(&log).unwrap())
    }
}

fn has_curl() -> bool {
    let there = std::path::Path::new("/usr/bin/curl").exists();
    if !there {
        use std::io::Write as _;
        let _ = std::io::stderr().write_all(b"/usr/bin/curl is missing: the script of the proof is not run\n");
    }
    there
}

/// Returns the client id of the identity that the pods are bound to. A pod stays, so that the node has the identity.
fn identity_on_a_node(world: &World) -> String {
    let holder = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "holder", "namespace": "shop", "labels": { "aadpodidbinding": "shop-mid" } },
        "spec": { "containers": [{ "name": "pause", "image": "pause" }] },
    });
    world.kube("POST", CONTEXT, PODS, Some(holder)).ok();
    world.podid(&["output", "identity/shop-mid", "client_id"]).ok().stdout.trim().to_owned()
}

#[test]
fn the_script_for_blobs_reports_the_same_with_a_real_curl() {
    if !has_curl() {
        return;
    }
    let spec = format!(
        "{}storage: [{{name: shopdata, containers: [uploads]}}]\n",
        SDK.replace(
            "secrets: [{name: conn}, {name: key}]}",
            "secrets: [{name: conn}], storage: [{account: shopdata, container: uploads}]}"
        )
    );
    let world = world_with(&spec, &[]);
    world.podid(&["up", "--yes"]).ok();
    let client_id = identity_on_a_node(&world);
    let check = |place: &str| Check {
        script: BLOBS,
        name: "podid-blob-check",
        target: ("BLOB_URL", format!("https://{place}/podid-verify-test")),
        client_id: client_id.clone(),
    };
    let good = check("shopdata.blob.core.windows.net/uploads");
    let played = good.played(&world, "good", &[]);
    assert!(played.0 == 0 && played.1.ends_with("\nwrite 201\nread 200\ndelete 202\n"), "{}", played.1);
    assert_eq!(good.run(&world, &[]), played);
    let export: Value = serde_json::from_str(&world.export()).unwrap();
    assert!(!export["blobs"].to_string().contains("podid-verify-test"), "the blob is deleted");
    // each answer has an id and a time of its own
    let code = |(exit, message): (i64, String)| {
        let line = message.lines().last().unwrap_or_default().to_owned();
        (exit, line.split("RequestId:").next().unwrap_or_default().to_owned())
    };
    let forbidden = check("shopdata.blob.core.windows.net/elsewhere");
    let played = code(forbidden.played(&world, "forbidden", &[]));
    assert!(played.0 == 1 && played.1.starts_with("write 403 ") && played.1.contains("AuthorizationPermissionMismatch"), "{played:?}");
    assert_eq!(code(forbidden.run(&world, &[])), played);
    assert!(check("nobodys.blob.core.windows.net/uploads").played(&world, "nowhere", &[]).1.contains("write 000 no such host"));
    assert!(!world.read("curl.log").contains("eyJ"), "a token is in an argument");
}

#[test]
fn the_script_reports_the_same_with_a_real_curl_and_never_a_value() {
    if !has_curl() {
        return;
    }
    let world = world_with(SDK, &[]);
    world.podid(&["up", "--yes"]).ok();
    // A value that looks like an answer.
    let tricky = format!(r#"{VALUE}","id":"https://x/secrets/conn/0000"#);
    world.vault("PUT", VAULT, "/secrets/conn", Some(json!({ "value": tricky }))).ok();
    let client_id = identity_on_a_node(&world);
    let check = |vault: &str, client_id: &str| Check {
        script: SCRIPT,
        name: "podid-check",
        target: ("KEYVAULT_URI", format!("https://{vault}.vault.azure.net/")),
        client_id: client_id.to_owned(),
    };
    let nowhere = check("kv-nowhere-x1", &client_id);
    let stranger = check(VAULT, "00000000-0000-0000-0000-000000000001");
    let check = check(VAULT, &client_id);
    let good = check.played(&world, "good", &["conn", "key"]);
    assert_eq!(good.0, 0, "{}", good.1);
    assert_eq!(check.run(&world, &["conn", "key"]), good);
    let version = world.vault("GET", VAULT, "/secrets/conn", None).ok()["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(good.1.contains(&format!("\n1 200 {version}\n2 200 ")), "{}", good.1);
    let absent = check.played(&world, "absent", &["key", "nothing", "conn"]);
    assert!(absent.0 == 1 && absent.1.contains("\n2 404 ") && absent.1.contains("SecretNotFound"), "{}", absent.1);
    assert_eq!(check.run(&world, &["key", "nothing", "conn"]), absent);
    assert!(nowhere.played(&world, "nowhere", &["conn"]).1.contains("1 000 no such host"));
    let (exit, message) = stranger.run(&world, &["conn"]);
    assert!(exit == 1 && message.starts_with("token 400 ") && message.contains("Identity not found"), "{message}");
    let seen = world.read("curl.log") + &good.1 + &absent.1;
    assert!(!seen.contains(VALUE) && !seen.contains("eyJ"), "a value or a token is in an argument or in the message");
}
