//! Dangerous kubeconfigs, and a machine with too few open files.

use crate::errors::{cluster::with_kubeconfig, lab::Lab};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn no_token_is_sent_to_an_unencrypted_server() {
    let lab = with_kubeconfig(|cluster, _| cluster["server"] = json!("http://127.0.0.1:9"));
    assert_snapshot!(lab.fails("up -f app.yaml --yes --any-server"), @r#"
    exit 4
    error: namespace/aks-mi/shop: could not use context "aks-mi": its server http://127.0.0.1:[PORT] is not encrypted, and the credential of user "clusterUser_podid-lab_aks-mi" would be sent to it
      because the kubeconfig is [DIR]/kubeconfig; nothing was sent
    hint: Use the server's encrypted address: `kubectl config set-cluster aks-mi --server=https://127.0.0.1:[PORT] --kubeconfig [DIR]/kubeconfig`.
    hint: For a tunnel such as `kubectl proxy`, which logs in by itself, use a context without a user.
    "#);
}

#[test]
fn a_token_with_a_line_break_is_reported_with_its_file_and_user() {
    let lab = with_kubeconfig(|_, user| user["token"] = json!(format!("{}\n", user["token"].as_str().unwrap())));
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the kubeconfig could not be read: [DIR]/kubeconfig: context "aks-mi": the token of user "clusterUser_podid-lab_aks-mi" ends in a line break: remove it (of a `tokenFile` podid and kubectl leave it out themselves)
    hint: Get one with `az aks get-credentials -g podid-lab -n aks-mi`, or name it with `--kubeconfig`.
    "#);
}

#[test]
fn an_unverified_server_certificate_gets_a_warning() {
    let lab = with_kubeconfig(|cluster, _| {
        cluster.as_object_mut().unwrap().remove("certificate-authority-data");
        cluster["insecure-skip-tls-verify"] = json!(true);
    });
    let output = lab.command("plan -f app.yaml -o json --quiet").output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stderr}");
    let text = "warning: the context aks-mi does not verify the server's certificate (insecure-skip-tls-verify in ";
    assert_eq!(stderr.matches(text).count(), 1, "{stderr}");
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(plan["warnings"][0]["key"], "context/aks-mi", "{plan}");
}

#[test]
fn too_few_open_files_are_an_error_with_a_hint() {
    let lab = Lab::with_app();
    for files in ["6", "9", "12", "20", "40", "60"] {
        let mut shell = Command::new("/bin/sh");
        let podid = lab.command("");
        shell.args(["-c", "ulimit -n $0 && exec \"$@\"", files]).arg(podid.get_program()).args(["plan", "-f", "app.yaml"]);
        shell.envs(podid.get_envs().map(|(name, value)| (name, value.unwrap_or_default())));
        let output = shell.current_dir(lab.path("")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{files}: {stderr}");
        assert!(stderr.contains("could not start") && stderr.contains("`ulimit -n 1024`"), "{files}: {stderr}");
    }
}
