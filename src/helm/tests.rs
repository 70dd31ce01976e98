//! Releases as helm stores them, charts as it packs them, and programs that are no helm.

use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{io::Write as _, path::Path, time::Duration};

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn stored(revision: u64, status: &str, payload: &[u8]) -> Value {
    json!({
        "type": SECRET_TYPE,
        "metadata": { "name": format!("sh.helm.release.v1.web.v{revision}"), "labels": { "name": "web", "owner": "helm", "status": status, "version": revision.to_string(), "podid-app": "shop" } },
        "data": { "release": STANDARD.encode(STANDARD.encode(payload)) },
    })
}

fn payload(version: &str) -> Vec<u8> {
    let crd = |name: &str, annotations: &str| {
        format!(
            "---\n# Source: web/templates/crd.yaml\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}\n{annotations}"
        )
    };
    let manifest = crd("gates.demo.example", "")
        + &crd("kept.demo.example", "  annotations:\n    helm.sh/resource-policy: keep\n")
        + "---\nkind: ConfigMap\n";
    let release = json!({
        "name": "web", "info": { "status": "deployed" }, "chart": { "metadata": { "name": "web", "version": version } },
        "config": { "replicas": 2 }, "manifest": manifest,
    });
    zipped(release.to_string().as_bytes())
}

#[test]
fn the_latest_revision_counts_and_the_last_deployed_one_is_known() {
    let secrets = [
        stored(10, "pending-upgrade", &payload("1.2.0")),
        stored(9, "deployed", &payload("1.1.0")),
        stored(2, "superseded", &payload("1.0.0")),
    ];
    let history = History::read(&secrets).unwrap().unwrap();
    assert_eq!((history.secret.as_str(), history.deployed), ("sh.helm.release.v1.web.v10", Some(9)));
    let latest = history.latest;
    assert_eq!(
        (latest.revision, latest.status.as_str(), latest.chart.as_str(), latest.version.as_str()),
        (10, "pending-upgrade", "web", "1.2.0")
    );
    assert_eq!((latest.config, latest.labels["podid-app"].as_str()), (json!({ "replicas": 2 }), "shop"));
    assert_eq!(latest.definitions, ["gates.demo.example"], "helm leaves what is annotated so");
}

#[test]
fn a_release_that_was_uninstalled_is_none() {
    assert_eq!(History::read(&[stored(1, "uninstalled", &payload("1.0.0"))]), Ok(None));
    assert_eq!(History::read(&[]), Ok(None));
    let other = json!({ "type": "Opaque", "metadata": { "name": "sh.helm.release.v1.web.v1" } });
    assert_eq!(History::read(&[other]), Ok(None));
}

#[test]
fn a_damaged_release_is_an_error_without_its_text() {
    for payload in [&b"hunter2"[..], b"\x1f\x8b\x08hunter2", &zipped(b"hunter2")] {
        let error = History::read(&[stored(1, "deployed", payload)]).unwrap_err().to_string();
        assert!(error.contains("Secret sh.helm.release.v1.web.v1") && !error.contains("hunter2"), "{error}");
    }
}

/// A tar file with these files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, text) in files {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        tar.extend(header);
        tar.extend(text.as_bytes());
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.extend([0; 1024]);
    zipped(&tar)
}

#[test]
fn a_chart_is_read_from_a_folder_and_from_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let chart = "apiVersion: v2\nname: web\nversion: 1.2.3\n";
    std::fs::write(dir.path().join("Chart.yaml"), chart).unwrap();
    let packed = dir.path().join("web-1.2.3.tgz");
    std::fs::write(
        &packed,
        archive(&[("web/values.yaml", "a: 1\n"), ("web/charts/sub/Chart.yaml", "name: sub\nversion: 9.9.9\n"), ("web/Chart.yaml", chart)]),
    )
    .unwrap();
    let at = |path: &Path| ChartName::at(&path.display().to_string());
    let wanted = ChartName { name: "web".into(), version: "1.2.3".into() };
    assert_eq!(at(dir.path()), Ok(wanted.clone()));
    assert_eq!(at(&packed), Ok(wanted));
    std::fs::write(&packed, archive(&[("web/values.yaml", "a: 1\n")])).unwrap();
    assert!(at(&packed).unwrap_err().to_string().contains("has no Chart.yaml"));
    assert!(at(&dir.path().join("missing")).unwrap_err().to_string().contains("No such file"));
}

#[cfg(unix)]
mod programs {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Instant};
    use tokio::sync::watch;

    /// A script that answers `helm version` and then does `text`.
    fn program(dir: &Path, version: &str, text: &str) -> PathBuf {
        let path = dir.join("helm");
        let script = format!("#!/bin/sh\nif [ \"$1\" = version ]; then echo {version}; exit; fi\n{text}\n");
        // a file that is still open for writing cannot be started, and another test may have forked meanwhile
        let next = dir.join("helm.new");
        std::fs::write(&next, script).unwrap();
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(next, &path).unwrap();
        path
    }

    async fn run(path: PathBuf, stop: watch::Receiver<bool>, limit: Duration) -> Result<(), Error> {
        let kubeconfig = SecretString::from("the kubeconfig");
        let call = Call {
            action: "install web".into(),
            arguments: vec!["upgrade".into(), "--values".into(), "-".into()],
            words: vec!["-web".into()],
            kubeconfig: &kubeconfig,
            values: Some("{\"a\":1}".into()),
            secrets: vec!["hunter2".into()],
            limit,
        };
        Program::new(Some(path), stop).run(call).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn helm_gets_values_on_stdin_and_a_private_kubeconfig() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let text = format!(
            "echo \"$@\" >{at}/arguments; cat >{at}/values; ls -l \"$5\" >{at}/mode; cat \"$5\" >{at}/kubeconfig; echo \"$5\" >{at}/place"
        );
        let (_keep, stop) = watch::channel(false);
        run(program(dir.path(), "v3.13.0", &text), stop, LONG).await.unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let place = read("place").trim().to_owned();
        assert_eq!(read("arguments").trim(), format!("upgrade --values - --kubeconfig {place} -- -web"));
        assert_eq!((read("values").as_str(), read("kubeconfig").as_str()), ("{\"a\":1}", "the kubeconfig"));
        assert!(read("mode").starts_with("-rw-------"), "{}", read("mode"));
        assert!(!Path::new(&place).exists(), "the credential is not left behind");
    }

    #[tokio::test]
    async fn the_reason_of_a_failure_is_shown_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let (_keep, stop) = watch::channel(false);
        let text = "seq 1 50 >&2; echo 'Error: the password hunter2 is wrong' >&2; exit 1";
        let Err(Error::Failed { action, lines }) = run(program(dir.path(), "v4.0.1", text), stop, LONG).await else { panic!("it failed") };
        assert_eq!((action.as_str(), lines.len()), ("install web", 12));
        assert_eq!(lines.last().map(String::as_str), Some("the password (redacted) is wrong"));
    }

    #[tokio::test]
    async fn an_old_or_missing_helm_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (_keep, stop) = watch::channel(false);
        let error = run(program(dir.path(), "v3.12.3", "true"), stop.clone(), LONG).await.unwrap_err();
        assert!(error.to_string().ends_with("it is v3.12.3, and podid needs 3.13 or newer"), "{error}");
        let error = run(program(dir.path(), "Usage:", "true"), stop.clone(), LONG).await.unwrap_err();
        assert!(error.to_string().ends_with("it does not say its version"), "{error}");
        let missing = run(dir.path().join("nothing"), stop, LONG).await.unwrap_err();
        assert!(matches!(missing, Error::Missing { given: true, .. }), "{missing}");
    }

    #[tokio::test]
    async fn a_helm_is_stopped_with_podid_and_may_record_that() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display().to_string();
        let text = format!("trap 'echo recorded >{at}/end; exit 1' TERM; touch {at}/begun; while :; do sleep 0.05; done");
        let (stop, stopped) = watch::channel(false);
        let begun = dir.path().join("begun");
        let stopping = async {
            while !begun.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stop.send_replace(true);
        };
        let at = Instant::now();
        let (ended, ()) = tokio::join!(run(program(dir.path(), "v3.19.5", &text), stopped, LONG), stopping);
        assert_eq!(ended, Err(Error::Interrupted));
        assert_eq!(std::fs::read_to_string(dir.path().join("end")).unwrap(), "recorded\n");
        assert!(at.elapsed() < LONG);
    }
}
