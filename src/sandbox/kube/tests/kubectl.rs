//! Unmodified kubectl against the API server, where the machine has one: each minor that is found.

use super::*;
use std::path::PathBuf;
use std::process::Command;

/// The kubectl binaries on PATH and in the folder that the first one links to, by name.
fn found() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(folders.clone().iter().filter_map(|f| f.join("kubectl").canonicalize().ok()?.parent().map(PathBuf::from)));
    let mut out: Vec<PathBuf> = folders.iter().filter_map(|f| f.read_dir().ok()).flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    let minor = |p: &PathBuf| p.file_name().and_then(|n| n.to_str()?.strip_prefix("kubectl.1.")?.parse::<u32>().ok());
    out.retain(|p| minor(p).is_some_and(|m| m >= 29));
    if out.is_empty() {
        out = folders.iter().map(|f| f.join("kubectl")).filter(|p| p.is_file()).take(1).collect();
    }
    out.sort();
    out.dedup();
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_kubectl_creates_applies_shows_and_deletes() {
    let all = found();
    if all.is_empty() {
        println!("no kubectl on this machine: not run");
    }
    for binary in all {
        let address = front::serve(cluster(), 0).await;
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("identity.yaml");
        let write = |client: &str| {
            let text = format!(
                "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureIdentity\nmetadata: {{name: demo, namespace: app}}\nspec: {{type: 0, clientID: {client}}}\n"
            );
            std::fs::write(&manifest, text).unwrap();
        };
        let run = |line: &str| {
            let mut command = Command::new(&binary);
            command.args(["--server", &address, "--cache-dir"]).arg(folder.path().join("cache"));
            command.env("KUBECONFIG", "/dev/null").env("HOME", folder.path()).args(line.split(' '));
            let output = tokio::task::block_in_place(|| command.output()).unwrap();
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            (output.status.code().unwrap_or(-1), text)
        };
        let name = binary.file_name().unwrap().to_string_lossy().into_owned();
        let must = |line: &str, wanted: &str| {
            let (code, text) = run(line);
            assert!(code == 0 && text.contains(wanted), "{name} {line}: exit {code}\n{text}");
        };
        let file = manifest.display().to_string();
        must("version", "Server Version: v1.34");
        must("create namespace app", "namespace/app created");
        write("one");
        must(&format!("apply -f {file}"), "azureidentity.aadpodidentity.k8s.io/demo created");
        must(&format!("apply -f {file}"), "unchanged");
        write("two");
        let (code, difference) = run(&format!("diff -f {file}"));
        assert!(code == 1 && difference.contains("+  clientID: two"), "{name} diff: exit {code}\n{difference}");
        must(&format!("apply --server-side -f {file}"), "serverside-applied");
        must("get azureidentities -n app", "CLIENTID");
        must("get azureidentity demo -n app -o yaml", "clientID: two");
        must("describe azureidentity demo -n app", "Client ID");
        must("label azureidentity demo -n app x=y", "labeled");
        must("annotate azureidentity demo -n app x=y", "annotated");
        must("create configmap m -n app --from-literal=a=b", "configmap/m created");
        must("create secret generic s -n app --from-literal=a=b", "secret/s created");
        must(r#"patch configmap m -n app -p {"data":{"c":"d"}}"#, "configmap/m patched");
        must("auth can-i create pods -n app", "yes");
        must("api-resources", "azureidentitybindings");
        must("create token default -n app", "eyJ");
        must("run p -n app --image=x", "pod/p created");
        must("wait pod/p -n app --for=jsonpath={.status.phase}=Pending --timeout=5s", "condition met");
        must("get pods -n app", "0/1     Pending");
        must("explain pod.spec.containers", "imagePullPolicy");
        must(&format!("delete -f {file}"), "deleted");
        must("delete pod p -n app --timeout=10s", "deleted");
        must("delete namespace app --timeout=10s", "deleted");
        let (code, gone) = run("get namespace app");
        assert!(code == 1 && gone.contains("namespaces \"app\" not found"), "{name}: {gone}");
    }
}
