//! Which programs run on a cluster: those whose containers run there, whoever installed them. An image is known by the end of its
//! repository, so that mirrors, digests and other versions are known, too.

use super::mirror::Mirror;
use serde_json::Value;
use std::sync::Arc;

/// A program that the components simulate.
#[derive(Clone, Copy)]
pub(super) enum Program {
    Mic,
    Nmi,
    Driver,
    Provider,
    FlexVolume,
    /// The gateway controller of application routing.
    Istiod,
}

impl Program {
    /// The end of the image's repository.
    fn repository(self) -> &'static str {
        match self {
            Self::Mic => "/mic",
            Self::Nmi => "/nmi",
            Self::Driver => "secrets-store/driver",
            Self::Provider => "/provider-azure",
            Self::FlexVolume => "/keyvault-flexvolume",
            Self::Istiod => "/istio/pilot",
        }
    }

    fn is_run_by(self, container: &Value) -> bool {
        container["image"].as_str().is_some_and(|image| repository(image).ends_with(self.repository()))
    }
}

/// Returns an image without tag and digest. A colon before the last slash belongs to the port of the registry.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// The pods of a cluster.
pub(super) struct Workloads {
    pods: Arc<Mirror>,
    /// False if all programs run, whatever the pods are; but for FlexVolume, which no cluster has of itself.
    decide: bool,
}

impl Workloads {
    pub(super) fn new(pods: Arc<Mirror>, decide: bool) -> Self {
        Self { pods, decide }
    }

    /// Returns whether pods decide what runs.
    pub(super) fn decide(&self) -> bool {
        self.decide
    }

    /// Returns whether a program runs, on a node if one is given.
    pub(super) fn run(&self, program: Program, node: Option<&str>) -> bool {
        let always = !self.decide && !matches!(program, Program::FlexVolume);
        always || self.container(program, node, is_running, |_| true)
    }

    /// Returns whether the node's NMI takes identities from bindings, without MIC. Where all programs run, a pod that only starts counts.
    pub(super) fn managed_mode(&self, node: Option<&str>) -> bool {
        let flag = |arg: &str| arg.trim_start_matches('-') == "operation-mode=managed";
        let managed = |container: &Value| arguments(container).any(flag);
        self.container(Program::Nmi, node, |pod| !self.decide || is_running(pod), managed)
    }

    /// Returns whether the running MIC or NMI serves identities in their own namespaces only, by flag or by environment.
    pub(super) fn force_namespaced(&self, program: Program, node: Option<&str>) -> bool {
        self.container(program, node, is_running, |container| {
            let flag = |arg: &str| matches!(arg.trim_start_matches('-'), "forceNamespaced" | "forceNamespaced=true");
            let env = container["env"].as_array().into_iter().flatten();
            arguments(container).any(flag)
                || env
                    .clone()
                    .any(|e| e["name"] == "FORCENAMESPACED" && e["value"].as_str().is_some_and(|v| v.eq_ignore_ascii_case("true")))
        })
    }

    fn container(&self, program: Program, node: Option<&str>, counts: impl Fn(&Value) -> bool, fits: impl Fn(&Value) -> bool) -> bool {
        self.pods.all().iter().any(|pod| {
            let here = node.is_none_or(|node| pod["spec"]["nodeName"] == node);
            let mut containers = pod["spec"]["containers"].as_array().into_iter().flatten();
            here && pod["metadata"]["deletionTimestamp"].is_null()
                && counts(pod)
                && containers.any(|container| program.is_run_by(container) && fits(container))
        })
    }
}

fn is_running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running"
}

fn arguments(container: &Value) -> impl Iterator<Item = &str> {
    let all = ["command", "args"].into_iter().flat_map(|list| container[list].as_array().into_iter().flatten());
    all.filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, phase: &str, container: Value) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "own"}, "spec": {"nodeName": "n1", "containers": [container]}, "status": {"phase": phase},
        })
    }

    #[test]
    fn an_image_is_known_by_its_repository() {
        let known = |program: Program, image: &str| program.is_run_by(&json!({ "image": image }));
        for image in [
            "mcr.microsoft.com/oss/azure/aad-pod-identity/mic:v1.8.17",
            "localhost:5000/mic",
            "registry.example/mirror/mic@sha256:0123",
            "registry.example:443/mirror/mic:v1.8.17@sha256:0123",
        ] {
            assert!(known(Program::Mic, image), "{image}");
        }
        for image in ["mimic:1", "example/mic/other:1", "example/nmi:1", "mic:5000/other", ""] {
            assert!(!known(Program::Mic, image), "{image}");
        }
        assert!(known(Program::Driver, "registry.k8s.io/csi-secrets-store/driver:v1.5.6"));
        assert!(known(Program::Driver, "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store/driver:v1.5.6"));
        assert!(known(Program::Provider, "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2"));
    }

    #[test]
    fn only_running_pods_count_and_only_on_their_node() {
        let pods = Mirror::new();
        let workloads = Workloads::new(pods.clone(), true);
        assert!(!workloads.run(Program::Nmi, None));
        pods.store(pod("nmi-1", "Pending", json!({"image": "i/nmi:1"})));
        assert!(!workloads.run(Program::Nmi, None));
        pods.store(pod("nmi-1", "Running", json!({"image": "i/nmi:1"})));
        assert!(workloads.run(Program::Nmi, Some("n1")) && !workloads.run(Program::Nmi, Some("n2")));
        assert!(!workloads.run(Program::Mic, None) && !workloads.force_namespaced(Program::Nmi, None));
        assert!(Workloads::new(Mirror::new(), false).run(Program::Nmi, Some("n2")));
    }

    #[test]
    fn namespaced_mode_is_a_flag_or_an_environment_variable() {
        let pods = Mirror::new();
        let workloads = Workloads::new(pods.clone(), true);
        for (forced, container) in [
            (true, json!({"image": "i/nmi", "args": ["--forceNamespaced"]})),
            (true, json!({"image": "i/nmi", "args": ["--node=n", "-forceNamespaced=true"]})),
            (true, json!({"image": "i/nmi", "env": [{"name": "FORCENAMESPACED", "value": "true"}]})),
            (false, json!({"image": "i/nmi", "args": ["--forceNamespaced=false"], "env": [{"name": "FORCENAMESPACED", "value": "false"}]})),
        ] {
            pods.store(pod("nmi", "Running", container.clone()));
            assert_eq!(workloads.force_namespaced(Program::Nmi, Some("n1")), forced, "{container}");
        }
    }

    #[test]
    fn managed_mode_is_a_flag_of_the_nodes_nmi() {
        let pods = Mirror::new();
        let args = json!({"image": "i/nmi:1", "args": ["--node=n", "--operation-mode=managed", "--forceNamespaced=true"]});
        pods.store(pod("nmi", "Pending", args.clone()));
        let (deciding, all) = (Workloads::new(pods.clone(), true), Workloads::new(pods.clone(), false));
        assert!(!deciding.managed_mode(Some("n1")) && all.managed_mode(Some("n1")) && !all.managed_mode(Some("n2")));
        pods.store(pod("nmi", "Running", args));
        assert!(deciding.managed_mode(Some("n1")));
        pods.store(pod("nmi", "Running", json!({"image": "i/nmi:1", "args": ["--operation-mode=standard"]})));
        assert!(!deciding.managed_mode(Some("n1")) && !all.managed_mode(Some("n1")));
    }
}
