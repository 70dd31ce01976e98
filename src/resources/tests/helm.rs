//! Releases in the embedded sandbox, installed by a real helm (scripts/with-helm) from the chart in tests/helm/chart. PODID_TEST_HELM decides:
//! `required` (built if missing), `off`, or unset: used if it is built, else one line says what was not run.

use super::lab::{APP, Lab, done};
use crate::{
    cluster::{Api, Cluster, Settings},
    engine::{
        desired::{Desired, Intent, Requester},
        execute::Report,
        fault::Fault,
        input::DependsOn,
        key::Key,
        ledger::Origin,
        plan::Act,
    },
    failure::Failure,
    resources::{
        access::{Access, Reach},
        helm_release::{self, Chart, HelmRelease},
        kind::Resource as _,
        manifest,
        namespace::{self, Namespace},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// The same helm as that of the integration tests.
#[path = "../../../tests/it/common/helm.rs"]
mod real;

use real::program;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A sandbox, what podid does in it, and a second look at it.
struct Shop {
    sandbox: podid_sandbox::Sandbox,
    lab: Lab,
    cluster: Cluster,
    _dir: tempfile::TempDir,
}

impl Shop {
    async fn open(helm: &Path) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let sandbox = podid_sandbox::open(podid_sandbox::Options::new(dir.path())).await.unwrap();
        let kubeconfig = sandbox.access().kubeconfig.clone();
        let mut lab = Lab::new(&kubeconfig, "aks-mi").with_helm(helm);
        lab.limit = Duration::from_secs(60);
        let settings = Settings {
            kubeconfig: Some(kubeconfig.display().to_string()),
            context: Some("aks-mi".into()),
            parallelism: 4,
            ..Settings::default()
        };
        let cluster = Cluster::new(settings).await.unwrap();
        Self { sandbox, lab, cluster, _dir: dir }
    }

    fn release(&self, values: Value) -> HelmRelease {
        HelmRelease {
            target: self.lab.target.clone(),
            namespace: "demo".into(),
            name: "web".into(),
            chart: Chart { repository: None, name: root().join("tests/helm/chart").display().to_string(), version: None },
            values,
            retired: None,
            after: vec![DependsOn::of(&namespace::key(&self.lab.target.name, "demo"))],
        }
    }

    fn graph(&self, release: &HelmRelease) -> Desired {
        let mut desired = Desired::new(APP, Requester::Spec);
        let demo = Namespace { target: self.lab.target.clone(), name: "demo".into() };
        desired.add(namespace::key(&demo.target.name, &demo.name), &demo, Intent::Present).unwrap();
        desired.add(self.key(), release, Intent::Present).unwrap();
        desired
    }

    fn key(&self) -> Key {
        helm_release::key(&self.lab.target.name, "demo", "web")
    }

    async fn get(&self, api: Api, name: &str) -> Option<Value> {
        self.cluster.write().get(&manifest::at(&api, Some("demo"), name)).await.unwrap()
    }

    async fn greeting(&self) -> Option<String> {
        let found = self.get(Api::new("", "v1", "ConfigMap", "configmaps"), "web").await?;
        Some(found["data"]["greeting"].as_str().unwrap().to_owned())
    }

    /// Status and labels of the release's Secrets, by revision.
    async fn revisions(&self) -> Vec<(String, Value)> {
        let secrets = self.cluster.write().list(&helm_release::secrets(), Some("demo"), Some("owner=helm"), None).await.unwrap();
        let mut all: Vec<(String, Value)> = secrets
            .iter()
            .map(|secret| {
                let labels = secret["metadata"]["labels"].clone();
                (format!("{} {}", labels["version"].as_str().unwrap(), labels["status"].as_str().unwrap()), labels)
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// As a helm that is killed leaves a release: a revision says, in label and payload, that it is under way.
    async fn interrupt(&self, revision: u64, status: &str) {
        let name = format!("sh.helm.release.v1.web.v{revision}");
        let at = manifest::at(&helm_release::secrets(), Some("demo"), &name);
        let secret = self.cluster.write().get(&at).await.unwrap().unwrap();
        let stored = STANDARD.decode(STANDARD.decode(secret["data"]["release"].as_str().unwrap()).unwrap()).unwrap();
        let mut release: Value = serde_json::from_reader(flate2::read::GzDecoder::new(stored.as_slice())).unwrap();
        release["info"]["status"] = json!(status);
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zipped.write_all(release.to_string().as_bytes()).unwrap();
        let release = STANDARD.encode(STANDARD.encode(zipped.finish().unwrap()));
        let steps = json!([
            { "op": "replace", "path": "/metadata/labels/status", "value": status },
            { "op": "replace", "path": "/data/release", "value": release },
        ]);
        self.cluster.write().patch(&at, &steps).await.unwrap();
    }

    /// Runs helm by hand, as somebody else.
    async fn by_hand(&self, helm: &Path, words: &[&str]) {
        let mut command = tokio::process::Command::new(helm);
        command
            .args(words)
            .args(["--namespace", "demo", "--kube-context", "aks-mi", "--kubeconfig"])
            .arg(&self.sandbox.access().kubeconfig);
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn failure(report: &Report) -> Failure {
    assert_eq!(report.failed.len(), 1, "{report:#?}");
    Failure::from(&report.failed[0].2)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_installed_changed_and_removed_with_its_namespace() {
    let Some(helm) = program() else { return };
    let mut shop = Shop::open(helm).await;
    let first = shop.graph(&shop.release(json!({ "greeting": "hi" })));
    assert_eq!(done(&shop.lab.up(&first).await), ["aks/demo", "aks/demo/web"]);
    assert_eq!(shop.greeting().await.as_deref(), Some("hi"));
    let deployment = shop.get(Api::new("apps", "v1", "Deployment", "deployments"), "web").await.unwrap();
    assert_eq!(deployment["status"]["availableReplicas"], 1, "helm waited until it was ready");
    let revisions = shop.revisions().await;
    assert_eq!(revisions[0].0, "1 deployed");
    assert_eq!((&revisions[0].1["managed-by"], &revisions[0].1["podid-app"]), (&json!("podid"), &json!(APP)));
    let outputs = &shop.lab.ledger.get(APP, &shop.key()).unwrap().outputs;
    assert_eq!((&outputs["version"], &outputs["revision"]), (&json!("1.0.0"), &json!(1)));
    assert_eq!(shop.lab.acts(&first).await, [], "nothing is left to do");

    let next = shop.graph(&shop.release(json!({ "greeting": "bye", "replicas": 2 })));
    let (plan, _) = shop.lab.plan(&next).await.unwrap();
    let changes: Vec<String> =
        plan.action(&shop.key()).unwrap().changes.iter().map(|c| format!("{} {} {}", c.field, c.from, c.to)).collect();
    assert_eq!(changes, ["values.greeting \"hi\" \"bye\"", "values.replicas null 2"]);
    done(&shop.lab.up(&next).await);
    assert_eq!(shop.greeting().await.as_deref(), Some("bye"));
    assert_eq!(shop.revisions().await.into_iter().map(|(revision, _)| revision).collect::<Vec<_>>(), ["1 superseded", "2 deployed"]);
    assert_eq!(shop.lab.acts(&next).await, []);

    let gone = done(&shop.lab.down().await);
    assert_eq!(gone, ["aks/demo/web", "aks/demo"], "what helm installed does not keep the namespace");
    assert_eq!(shop.greeting().await, None);
    shop.sandbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_helm_left_is_healed_by_the_next_run() {
    let Some(helm) = program() else { return };
    let mut shop = Shop::open(helm).await;
    let first = shop.graph(&shop.release(json!({ "greeting": "hi" })));
    done(&shop.lab.up(&first).await);

    // the first installation: there is nothing to go back to
    shop.interrupt(1, "pending-install").await;
    let (plan, _) = shop.lab.plan(&first).await.unwrap();
    let action = plan.action(&shop.key()).unwrap();
    assert_eq!(action.act, Act::Update);
    assert!(
        action.why.as_ref().unwrap().contains("revision 1 is pending-install: what an interrupted helm left is uninstalled first"),
        "{action:?}"
    );
    done(&shop.lab.up(&first).await);
    assert_eq!(shop.revisions().await[0].0, "1 deployed");

    // an upgrade
    let next = shop.graph(&shop.release(json!({ "greeting": "bye" })));
    done(&shop.lab.up(&next).await);
    shop.interrupt(1, "deployed").await;
    shop.interrupt(2, "pending-upgrade").await;
    let (plan, _) = shop.lab.plan(&next).await.unwrap();
    assert!(plan.action(&shop.key()).unwrap().why.as_ref().unwrap().contains("is rolled back to revision 1 first"));
    done(&shop.lab.up(&next).await);
    assert_eq!(shop.greeting().await.as_deref(), Some("bye"));
    assert_eq!(shop.revisions().await.last().unwrap().0, "4 deployed", "a rollback and an upgrade");
    assert_eq!(shop.lab.acts(&next).await, []);

    // a removal
    shop.interrupt(4, "uninstalling").await;
    assert_eq!(shop.lab.acts(&next).await, [(Act::Update, "aks/demo/web".to_owned())]);
    done(&shop.lab.down().await);
    assert_eq!(shop.revisions().await, []);
    shop.sandbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_does_not_become_ready_fails_with_helms_reason_and_the_next_run_goes_on() {
    let Some(helm) = program() else { return };
    let mut shop = Shop::open(helm).await;
    shop.lab.limit = Duration::from_secs(4);
    let broken = shop.graph(&shop.release(json!({ "replicas": "many", "adminsecret": { "clientSecret": "hunter2" } })));
    let report = shop.lab.up(&broken).await;
    let failure = failure(&report);
    assert!(failure.message.starts_with("could not install the chart"), "{failure:?}");
    assert!(failure.causes.concat().contains("replicas") && !format!("{failure:?}").contains("hunter2"), "{failure:?}");
    shop.lab.limit = Duration::from_secs(60);
    let mended = shop.graph(&shop.release(json!({ "greeting": "hi" })));
    done(&shop.lab.up(&mended).await);
    assert_eq!(shop.greeting().await.as_deref(), Some("hi"));
    shop.sandbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_release_is_adopted_if_it_equals_and_refused_if_it_differs() {
    let Some(helm) = program() else { return };
    let mut shop = Shop::open(helm).await;
    let chart = root().join("tests/helm/chart").display().to_string();
    shop.by_hand(helm, &["install", "web", &chart, "--create-namespace", "--set", "greeting=theirs"]).await;

    let equal = shop.graph(&shop.release(json!({ "greeting": "theirs" })));
    assert_eq!(shop.lab.acts(&equal).await, []);
    done(&shop.lab.up(&equal).await);
    assert_eq!(shop.lab.ledger.get(APP, &shop.key()).unwrap().origin, Origin::Adopted);

    let other = shop.graph(&shop.release(json!({ "greeting": "ours" })));
    let (plan, _) = shop.lab.plan(&other).await.unwrap();
    assert!(plan.refused[0].reason.contains("is not podid's (app shop), and differs in values.greeting"), "{:?}", plan.refused);
    shop.interrupt(1, "pending-install").await;
    let (plan, _) = shop.lab.plan(&equal).await.unwrap();
    assert!(plan.refused[0].way_out.as_ref().unwrap().contains("`helm uninstall web -n demo`"), "{:?}", plan.refused);
    shop.interrupt(1, "deployed").await;

    shop.lab.adopt = true;
    done(&shop.lab.up(&other).await);
    assert_eq!(shop.greeting().await.as_deref(), Some("ours"));
    assert_eq!(shop.revisions().await.last().unwrap().1.get("podid-app"), None, "it stays theirs");
    shop.lab.down().await;
    assert_eq!(shop.greeting().await.as_deref(), Some("ours"), "what was adopted is not uninstalled");
    shop.sandbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_kinds_others_use_is_not_uninstalled() {
    let Some(helm) = program() else { return };
    let mut shop = Shop::open(helm).await;
    let graph = shop.graph(&shop.release(json!({ "definition": true })));
    done(&shop.lab.up(&graph).await);
    let api = Api::new("helm.example", "v1", "Gate", "gates");
    let at = manifest::at(&api, Some("demo"), "north");
    let gate = json!({ "apiVersion": "helm.example/v1", "kind": "Gate", "metadata": { "name": "north", "namespace": "demo" }, "spec": { "open": true } });
    shop.cluster.write().create(&at, &gate).await.unwrap();

    let absent = crate::engine::planner::all_absent(APP, &shop.lab.ledger, None, crate::resources::KINDS).unwrap();
    let (plan, _) = shop.lab.plan(&absent).await.unwrap();
    let release = plan.action(&shop.key()).unwrap();
    assert_eq!(release.act, Act::Keep);
    assert!(release.why.as_ref().unwrap().ends_with("which podid did not make: gate/demo/north"), "{release:?}");

    shop.cluster.write().delete(&at, None, None).await.unwrap();
    assert_eq!(done(&shop.lab.down().await), ["aks/demo/web", "aks/demo"]);
    shop.sandbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_helm_a_release_is_looked_at_and_not_changed() {
    let mut shop = Shop::open(Path::new("/nowhere/helm")).await;
    let graph = shop.graph(&shop.release(json!({})));
    assert_eq!(shop.lab.acts(&graph).await.len(), 2, "a plan needs no helm");
    let report = shop.lab.up(&graph).await;
    assert!(matches!(report.failed[0].2, Fault::Cloud(_)));
    let failure = failure(&report);
    assert_eq!(failure.message, "could not run /nowhere/helm: there is no such program");
    shop.sandbox.close().await;
}

#[test]
fn the_plan_says_that_a_chart_is_retired_and_rbac_that_its_rights_are_unknown() {
    let release = HelmRelease {
        target: Lab::new(Path::new("/nowhere"), "lab").target,
        namespace: "demo".into(),
        name: "web".into(),
        chart: Chart { repository: Some("https://charts.example".into()), name: "ingress-nginx".into(), version: Some("4.15.1".into()) },
        values: json!({ "a": 1, "clientSecret": "hunter2" }),
        retired: Some("retired March 2026, no security patches".into()),
        after: Vec::new(),
    };
    use crate::engine::resource::Kind as _;
    assert_eq!(release.plan_note().as_deref(), Some("by helm; the chart ingress-nginx is retired March 2026, no security patches"));
    let summary = release.creation_summary();
    assert_eq!(summary[0].1, "ingress-nginx 4.15.1 from https://charts.example");
    assert_eq!(summary[1].1, json!({ "a": 1, "clientSecret": "(redacted)" }));
    let line = "helm upgrade --install web ingress-nginx --repo https://charts.example --version 4.15.1 -n demo --create-namespace --wait -f values.yaml";
    assert_eq!(release.commands(), [line]);
    let rights = release.own_access(Access::Write);
    assert_eq!((rights[0].verbs, &rights[0].reach), (&["list"][..], &Reach::Namespace("demo".into())));
    assert!(rights[1].without.is_some() && rights[1].resource == "*");
}
