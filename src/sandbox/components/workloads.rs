//! Which programs run on a cluster: those whose containers run there, whoever installed them.

use super::mirror::Mirror;
use crate::programs::Program;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The driver's default of `--rotation-poll-interval`.
const POLL: Duration = Duration::from_secs(120);

/// Parses a duration as Go prints it: `2m0s`, `500ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let number: u64 = number.parse().ok()?;
        total += match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        rest = after;
    }
    Some(total).filter(|total| !total.is_zero())
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

    /// Returns how often the running driver mounts again; None if it does not.
    pub(super) fn rotation(&self, node: Option<&str>) -> Option<Duration> {
        let mut interval = None;
        self.container(Program::Driver, node, is_running, |container| {
            let args: Vec<&str> = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let on = args.iter().any(|arg| matches!(arg.trim_start_matches('-'), "enable-secret-rotation" | "enable-secret-rotation=true"));
            let every = args.iter().find_map(|arg| arg.trim_start_matches('-').strip_prefix("rotation-poll-interval="));
            interval = on.then(|| every.and_then(go_duration).unwrap_or(POLL));
            on
        });
        interval
    }

    fn container(
        &self,
        program: Program,
        node: Option<&str>,
        counts: impl Fn(&Value) -> bool,
        mut fits: impl FnMut(&Value) -> bool,
    ) -> bool {
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
    fn rotation_is_an_argument_of_the_driver() {
        let pods = Mirror::new();
        let workloads = Workloads::new(pods.clone(), true);
        for (every, args) in [
            (None, json!(["--nodeid=n"])),
            (None, json!(["--enable-secret-rotation=false", "--rotation-poll-interval=2m"])),
            (Some(120), json!(["--enable-secret-rotation"])),
            (Some(90), json!(["--enable-secret-rotation=true", "--rotation-poll-interval=1m30s"])),
        ] {
            pods.store(pod("driver", "Running", json!({"image": "i/secrets-store/driver:v1.5.6", "args": args})));
            assert_eq!(workloads.rotation(Some("n1")), every.map(Duration::from_secs), "{args}");
        }
        assert_eq!(go_duration("200ms"), Some(Duration::from_millis(200)));
        assert!(go_duration("2").is_none() && go_duration("0s").is_none() && go_duration("x").is_none());
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
