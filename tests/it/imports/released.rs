//! Components that a real helm installed on a real control plane: inventory, import and doctor show release and chart, and the spec that
//! `import` writes leaves them as they are.

use super::{CONTEXT, lab_in, round_trip};
use crate::common::{
    World,
    both::{self, Side},
    doctor::errors,
    helm, until,
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// A program of a component: the kind and name of its workload, and its image.
type Program = (&'static str, &'static str, &'static str);

/// Labels as most charts have them.
const COMMON: &str = "helm.sh/chart: '{{ .Chart.Name }}-{{ .Chart.Version }}', app.kubernetes.io/instance: '{{ .Release.Name }}', \
                      app.kubernetes.io/managed-by: '{{ .Release.Service }}'";
/// Those of the webhook's chart: helm itself adds who manages it, and nothing has the chart's version.
const OF_WEBHOOK: &str = "chart: '{{ .Chart.Name }}', release: '{{ .Release.Name }}'";

/// Writes a chart whose workloads run these images.
fn write_chart(world: &World, name: &str, version: &str, labels: &str, programs: &[Program]) {
    let workload = |(kind, workload, image): &Program| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {workload}, namespace: '{{{{ .Release.Namespace }}}}', labels: {{{labels}}}}}\n\
             spec:\n  selector: {{matchLabels: {{app: {workload}}}}}\n  template:\n    metadata: {{labels: {{app: {workload}}}}}\n    \
             spec: {{containers: [{{name: main, image: '{image}'}}]}}\n"
        )
    };
    fs::create_dir_all(world.path(name).join("templates")).unwrap();
    world.write(&format!("{name}/Chart.yaml"), &format!("apiVersion: v2\nname: {name}\nversion: {version}\n"));
    world.write(&format!("{name}/templates/all.yaml"), &programs.iter().map(workload).collect::<Vec<_>>().join("---\n"));
}

fn install(world: &World, helm: &Path, release: &str, chart: &str, namespace: &str) {
    let kubeconfig = world.plane.as_ref().unwrap().kubeconfig().display().to_string();
    let words = ["install", release, &format!("./{chart}"), "-n", namespace, "--create-namespace", "--kubeconfig", &kubeconfig];
    let output = Command::new(helm).args(words).current_dir(world.dir()).env("HOME", world.dir()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn components_of_charts_are_shown_with_release_and_chart_and_imported_as_they_are() {
    let Some(helm) = helm::program() else { return };
    both::run(module_path!(), Side::ControlPlane, |side| {
        let world = World::on(side, CONTEXT);
        let of_pod_identity = [
            ("Deployment", "aad-pod-identity-mic", "mcr.microsoft.com/oss/azure/aad-pod-identity/mic:v1.8.17"),
            ("DaemonSet", "aad-pod-identity-nmi", "mcr.microsoft.com/oss/azure/aad-pod-identity/nmi:v1.8.17"),
        ];
        let of_csi = [
            ("DaemonSet", "secrets-store-csi-driver", "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store/driver:v1.5.6"),
            ("DaemonSet", "csi-provider-azure", "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2"),
        ];
        let of_webhook =
            [("Deployment", "azure-wi-webhook-controller-manager", "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.6.0")];
        write_chart(&world, "aad-pod-identity", "4.1.18", COMMON, &of_pod_identity);
        write_chart(&world, "csi-secrets-store-provider-azure", "1.8.2", COMMON, &of_csi);
        write_chart(&world, "workload-identity-webhook", "1.6.0", OF_WEBHOOK, &of_webhook);
        install(&world, helm, "pod-identity", "aad-pod-identity", "kube-system");
        install(&world, helm, "csi", "csi-secrets-store-provider-azure", "kube-system");
        install(&world, helm, "wi", "workload-identity-webhook", "azure-workload-identity-system");
        let components = || -> Vec<Value> {
            let all = world.podid(&["inventory", "--context", CONTEXT, "-o", "json"]).ok().json();
            all["components"].as_array().unwrap().clone()
        };
        let found = until("all programs are ready", || {
            let found = components();
            (found.len() == 5 && found.iter().all(|one| one["ready"] == one["wanted"])).then_some(found)
        });
        let by = |program: &str| found.iter().find(|one| one["program"] == program).unwrap()["installedBy"].clone();
        let chart = "Helm (release kube-system/pod-identity, chart aad-pod-identity-4.1.18)";
        assert_eq!((by("mic"), by("nmi")), (json!(chart), json!(chart)), "{found:#?}");
        let chart = "Helm (release kube-system/csi, chart csi-secrets-store-provider-azure-1.8.2)";
        assert_eq!((by("csi driver"), by("azure provider")), (json!(chart), json!(chart)), "{found:#?}");
        let chart = "Helm (release azure-workload-identity-system/wi, chart workload-identity-webhook)";
        assert_eq!(by("webhook"), json!(chart), "{found:#?}");

        let world = lab_in(world, "004.yaml", CONTEXT, "aks2kvIdentity");
        assert_eq!(errors(&world, &["--context", CONTEXT, "-A", "--state", "none.json"]), Vec::<Value>::new());
        let (spec, _) = round_trip(&world, CONTEXT, &[]);
        assert!(
            spec.contains("pod-identity installed by Helm (release kube-system/pod-identity, chart aad-pod-identity-4.1.18)"),
            "{spec}"
        );
        assert!(spec.contains("csi installed by Helm (release kube-system/csi, chart csi-secrets-store-provider-azure-1.8.2)"), "{spec}");

        // two that answer on one node: each is removed by the command of whoever installed it, as it is printed
        install(&world, helm, "second", "aad-pod-identity", "second");
        let twice = until("the second one runs", || {
            let found = errors(&world, &["--context", CONTEXT, "-A", "--state", "none.json"]);
            found.into_iter().find(|finding| finding["code"] == "PODID1111")
        });
        let removal = "helm uninstall second -n second";
        assert!(twice["native"].as_array().unwrap().contains(&json!(removal)), "{twice:#}");
        let folder = helm.parent().unwrap().display();
        let kubeconfig = world.plane.as_ref().unwrap().kubeconfig().display();
        let line = format!("PATH={folder}:$PATH KUBECONFIG={kubeconfig} {removal}");
        let output = world.program("sh", &["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        until("the second one is away", || errors(&world, &["--context", CONTEXT, "-A", "--state", "none.json"]).is_empty().then_some(()));
    });
}
