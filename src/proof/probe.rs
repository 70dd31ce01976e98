//! A probe: a pod with the identity of a workload follows the path to its vault hop by hop, and reports each with its time. It has no volumes,
//! so that it starts where the workload's own pods hang, and it never reports a token or a value.
//!
//! `probe.sh` is what runs in the pod · `lines` what it writes · `judge` what that means · `hop` one hop with its verdict.

mod hop;
mod judge;
mod lines;

pub use hop::{Hop, Verdict};

use super::{diagnosis, pod, prover::Prover, scheduling, target::Target};
use crate::{
    chain::{
        commands::Reach,
        facts::PodPatch,
        link::{MissingLink, POD, Reason, START},
        pages,
        texts::{cut, field, first_lines},
        view::{PodRef, View},
    },
    cluster::{Error as ClusterError, Write},
    deliveries::in_pod,
    engine::{event::Event, fault::Fault, resource::Side},
    resources::{manifest, ownership::PROBE_POD},
};
use judge::{Facts, NOTHING};
use lines::Lines;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("probe/probe.sh");
/// What the script is called as a program.
const NAME: &str = "podid-probe";
const PAUSE: Duration = Duration::from_millis(200);
/// The variables by which programs find their proxy.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];

/// The ends of vaults' host names with the host of Entra and the resource of tokens in the same cloud.
const CLOUDS: &[(&str, &str, &str)] = &[
    (".vault.usgovcloudapi.net", "login.microsoftonline.us", "https%3A%2F%2Fvault.usgovcloudapi.net"),
    (".vault.azure.cn", "login.chinacloudapi.cn", "https%3A%2F%2Fvault.azure.cn"),
    (".vault.azure.net", "login.microsoftonline.com", "https%3A%2F%2Fvault.azure.net"),
];

/// How a workload is probed.
#[derive(Clone, Copy, Default)]
pub struct ProbePlan<'a> {
    /// None: the scheduler chooses one.
    pub node: Option<&'a str>,
    /// Whether the pod stays.
    pub keep: bool,
    /// The workload's own pod template, whose proxy, DNS and choice of nodes the pod takes over.
    pub template: Option<&'a Value>,
    /// Whether the vault answers only through private endpoints; None: not known.
    pub is_private: Option<bool>,
}

/// What a probe found.
#[derive(Debug)]
pub struct Probe {
    pub workload: String,
    pub vault: String,
    pub identity: String,
    pub namespace: String,
    /// Empty where no pod was made.
    pub pod: String,
    pub node: Option<String>,
    pub kept: bool,
    pub proxy: Option<String>,
    pub servers: Vec<String>,
    pub hops: Vec<Hop>,
    /// What the pod did not take over, as sentences.
    pub notes: Vec<String>,
    /// Why there are no hops.
    pub fault: Option<Fault>,
    /// How kubectl reaches the cluster of the pod.
    pub reach: Reach,
}

impl Probe {
    /// Whether the pod came to its secrets. What it does not need may be broken.
    pub fn is_sound(&self) -> bool {
        let is_broken = self.fault.is_some() || self.hops.iter().any(|hop| hop.verdict == Verdict::Broken);
        !is_broken && self.hops.iter().any(|hop| hop.hop == "read" && hop.verdict == Verdict::Ok)
    }
}

impl Prover {
    /// Deletes what killed runs left in the workload's namespace.
    pub async fn sweep(&self, target: &Target) -> Result<(), Fault> {
        let cluster = self.clusters.writer(&target.bound.cluster).await?;
        pod::clear_leftovers(&cluster, &target.bound.namespace).await
    }

    /// Asks the cluster with a dry run whether it takes the pod.
    pub async fn rehearse_probe(&self, target: &Target, plan: &ProbePlan<'_>) -> Result<(), Fault> {
        let cluster = self.clusters.for_dry_run().writer(&target.bound.cluster).await?;
        let at = manifest::at(&pod::api(), Some(&target.bound.namespace), &pod::name_of(PROBE_POD, &target.delivered.name));
        let manifest = self.manifest(target, plan, &at, &vault_host(target)?, &mut Vec::new());
        cluster.create(&at, &manifest).await.map(drop).map_err(Fault::cloud)
    }

    pub async fn probe(&self, target: &Target, plan: &ProbePlan<'_>) -> Probe {
        let mut probe = Probe {
            workload: target.shown(),
            vault: target.delivered.vault.name.clone(),
            identity: target.bound.identity.name.clone(),
            namespace: target.bound.namespace.clone(),
            pod: String::new(),
            node: plan.node.map(str::to_owned),
            kept: false,
            proxy: None,
            servers: Vec::new(),
            hops: Vec::new(),
            notes: Vec::new(),
            fault: None,
            reach: Reach::default(),
        };
        if let Err(fault) = Box::pin(self.run_probe(target, plan, &mut probe)).await {
            probe.fault = Some(fault);
        }
        probe.reach = self.reach(target).await;
        for fault in probe.hops.iter_mut().filter_map(|hop| hop.fault.as_mut()) {
            probe.reach.texts(&mut fault.hints);
        }
        probe
    }

    async fn run_probe(&self, target: &Target, plan: &ProbePlan<'_>, probe: &mut Probe) -> Result<(), Fault> {
        let namespace = target.bound.namespace.as_str();
        let host = vault_host(target)?;
        let cluster = self.clusters.writer(&target.bound.cluster).await?;
        let at = manifest::at(&pod::api(), Some(namespace), &pod::name_of(PROBE_POD, &target.delivered.name));
        let manifest = self.manifest(target, plan, &at, &host, &mut probe.notes);
        let made = match cluster.create(&at, &manifest).await {
            Ok(made) => made,
            Err(error) => return Err(self.not_created(target, error).await),
        };
        let pod = pod::created(at, &made);
        probe.pod.clone_from(&pod.at.name);
        probe.kept = plan.keep;
        let mut stop = self.stop.clone();
        let work = async {
            let ended = self.run_of(target, &cluster, &pod).await?;
            probe.node = Some(field(&ended, "/spec/nodeName").to_owned()).filter(|node| !node.is_empty());
            self.judge(target, plan, &host, &pod, &ended, probe).await
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            _ = stop.wait_for(|stop| *stop) => Err(Fault::Interrupted),
        };
        if plan.keep {
            return outcome;
        }
        let removed = cluster.delete(&pod.at, Some(&pod.uid), Some(0)).await.map_err(Fault::cloud);
        outcome.and(removed)
    }

    fn manifest(
        &self,
        target: &Target,
        plan: &ProbePlan<'_>,
        at: &crate::cluster::ObjectRef,
        host: &str,
        notes: &mut Vec<String>,
    ) -> Value {
        let (login, resource) = of_cloud(host);
        let mut command: Vec<String> =
            ["sh", "-c", &format!("{}{SCRIPT}", in_pod::BEGINNING), NAME, host, login, resource].map(str::to_owned).into();
        let objects: Vec<String> =
            target.delivered.objects.iter().map(|object| format!("{}/{}", object.kind.plural(), object.name)).collect();
        command.extend(if objects.is_empty() { vec![NOTHING.to_owned()] } else { objects });
        let mut patch = target.mode.pod(&target.bound);
        // with Workload ID the webhook says which identity is meant, and leaves alone what is there already
        let client_id = target.bound.identity.client_id().filter(|_| is_asked_by_id(&patch));
        patch.env.extend(client_id.map(|id| json!({ "name": in_pod::CLIENT_ID, "value": id })));
        patch.env.extend(proxies(plan.template, notes));
        if plan.keep {
            patch.annotations.insert(pod::KEPT.to_owned(), "true".to_owned());
        }
        let image = self.image.clone().unwrap_or_else(|| in_pod::IMAGE.to_owned());
        let parts = pod::PodParts {
            app: &target.bound.app,
            container: "probe",
            image,
            command: Some(command),
            patch,
            again: false,
            node: plan.node,
            limit: self.limit,
        };
        let mut manifest = pod::made_of(at, parts);
        for name in ["dnsPolicy", "dnsConfig", "hostAliases"] {
            if let Some(own) = plan.template.and_then(|template| template.pointer(&format!("/spec/{name}"))) {
                manifest["spec"][name] = own.clone();
            }
        }
        // where the workload's own pods may run
        for name in ["nodeSelector", "tolerations"].into_iter().filter(|_| plan.node.is_none()) {
            if let Some(own) = plan.template.and_then(|template| template.pointer(&format!("/spec/{name}"))) {
                match (manifest["spec"][name].as_object_mut(), own.as_object()) {
                    (Some(fields), Some(own)) => fields.extend(own.clone()),
                    _ => manifest["spec"][name] = own.clone(),
                }
            }
        }
        manifest
    }

    /// Waits until the pod has ended, or until it is known that it does not begin.
    async fn run_of(&self, target: &Target, cluster: &Write, pod: &PodRef) -> Result<Value, Fault> {
        let begun = Instant::now();
        let (mut last, mut told) = (Value::Null, None);
        let mut since: Option<(String, Instant)> = None;
        while begun.elapsed() < self.limit {
            match cluster.get(&pod.at).await {
                Ok(Some(now)) if field(&now, "/metadata/uid") == pod.uid => {
                    if has_ended(&now) {
                        return Ok(now);
                    }
                    if let Some(reason) = waits(&now) {
                        let what = reason.missing.what.clone();
                        if since.as_ref().is_none_or(|(known, _)| *known != what) {
                            since = Some((what.clone(), Instant::now()));
                        }
                        let seen_for = since.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default();
                        if reason.heals.is_over(seen_for) {
                            return Err(Fault::cloud(reason.missing));
                        }
                        if told.as_ref() != Some(&what) {
                            (self.events)(Event::Waiting { key: None, text: format!("waiting until the pod of the probe runs: {what}") });
                            told = Some(what);
                        }
                    }
                    last = now;
                }
                Ok(_) => return Err(Fault::cloud(diagnosis::deleted().missing)),
                Err(ClusterError::Unreachable { .. } | ClusterError::Failed { .. }) => {}
                Err(error) => return Err(Fault::cloud(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Fault::cloud(self.too_late(target, pod, &last).await))
    }

    async fn too_late(&self, target: &Target, pod: &PodRef, last: &Value) -> MissingLink {
        let limit = self.limit.as_secs();
        if let Some(reason) = waits(last) {
            return reason.missing.because(format!("it lasted for {limit} s"));
        }
        let what = match field(last, "/status/phase") {
            "Running" => format!("the pod of the probe did not end within {limit} s"),
            _ => format!("the pod of the probe did not start within {limit} s"),
        };
        let missing = MissingLink::new(POD, what).hint("Give it more time with `--timeout`, or look at it: keep it with `--keep`.");
        let Ok(reader) = self.clusters.reader(&target.bound.cluster).await else { return missing };
        let events = target.view(&reader, &self.commands).warnings(&target.bound.namespace, &pod.at.name).await;
        events.iter().map(|event| cut(&first_lines(field(event, "/message")))).fold(missing, MissingLink::because)
    }

    async fn judge(
        &self,
        target: &Target,
        plan: &ProbePlan<'_>,
        host: &str,
        pod: &PodRef,
        ended: &Value,
        probe: &mut Probe,
    ) -> Result<(), Fault> {
        let run = in_pod::last_run(ended).cloned().unwrap_or_default();
        let lines = Lines::read(field(&run, "/message"));
        if lines.connections.is_empty() {
            return Err(Fault::cloud(no_lines(&run, ended)));
        }
        probe.proxy = lines.proxy().map(str::to_owned);
        probe.servers.clone_from(&lines.servers);
        let reader = self.clusters.reader(&target.bound.cluster).await?;
        let view = View { pod: Some(pod), ..target.view(&reader, &self.commands) };
        let has_own_token = lines.token.as_ref().is_some_and(|answer| answer.status == 200);
        let (login_host, _) = of_cloud(host);
        let mut facts = Facts { target, view: &view, vault_host: host, login_host, is_private: plan.is_private, missing: None };
        let hops = judge::hops(&lines, &facts);
        let at_token = |hop: &Hop| hop.hop == "token" && hop.verdict == Verdict::Broken;
        if has_own_token && !hops.iter().any(at_token) {
            probe.hops = hops;
            return Ok(());
        }
        // what the cluster shows of the links before the token says more than the answer to the request
        facts.missing = first_missing(target, &view).await;
        probe.hops = judge::hops(&lines, &facts);
        Ok(())
    }
}

/// Whether the pod asks for an identity by its id: the metadata service has those of all pods of the node.
fn is_asked_by_id(patch: &PodPatch) -> bool {
    patch.service_account.is_none()
}

async fn first_missing(target: &Target, view: &View<'_>) -> Option<MissingLink> {
    for link in target.mode.chain(&target.bound) {
        let Some(check) = link.check.filter(|check| check.side == Side::Kubernetes) else { continue };
        if let Some(reason) = (check.look)(view, &link).await.into_iter().next() {
            let page = reason.missing.page.unwrap_or(link.page);
            return Some(reason.missing.page(page));
        }
    }
    None
}

fn vault_host(target: &Target) -> Result<String, Fault> {
    let vault = &target.delivered.vault;
    let uri = vault.uri.as_deref().map(|uri| uri.trim_start_matches("https://").trim_end_matches('/').to_owned());
    match uri {
        Some(host) if !host.is_empty() => Ok(host),
        _ if !vault.name.is_empty() => Ok(format!("{}.vault.azure.net", vault.name)),
        _ => Err(Fault::refused(
            format!("no vault is known of {}", target.shown()),
            "Probe a workload that reads secrets: `podid inventory` shows which do.",
        )),
    }
}

fn of_cloud(host: &str) -> (&'static str, &'static str) {
    let (_, login, resource) = CLOUDS.iter().find(|(end, ..)| host.ends_with(end)).or(CLOUDS.last()).copied().unwrap_or_default();
    (login, resource)
}

/// The proxy of the workload's first container. A password in it is not written into another pod.
fn proxies(template: Option<&Value>, notes: &mut Vec<String>) -> Vec<Value> {
    let own = template.and_then(|template| template.pointer("/spec/containers/0/env")).and_then(Value::as_array);
    let mut found = Vec::new();
    for entry in own.into_iter().flatten().filter(|entry| PROXIES.contains(&field(entry, "/name"))) {
        let name = field(entry, "/name");
        if field(entry, "/value").contains('@') {
            notes.push(format!("the pod does not take over {name} of the workload, which holds a password: a Secret is the place for it"));
        } else {
            found.push(entry.clone());
        }
    }
    found
}

fn has_ended(pod: &Value) -> bool {
    matches!(field(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Why the pod does not run yet.
fn waits(pod: &Value) -> Option<Reason> {
    scheduling::reason(pod).or_else(|| diagnosis::image(pod))
}

/// Why a pod that ended wrote nothing.
fn no_lines(run: &Value, pod: &Value) -> MissingLink {
    if let Some(reason) = diagnosis::ended(pod).filter(|_| run.is_null()) {
        return reason.missing;
    }
    let exit = run.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    let said = [field(run, "/reason"), field(run, "/message")].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let missing = MissingLink::new(START, format!("the container of the probe reported nothing (exit code {exit})")).page(&pages::START);
    let missing = if said.is_empty() { missing } else { missing.because(cut(&said)) };
    missing.hint("Give the probe an image that has sh and curl, with `--image`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_is_told_by_the_vaults_name() {
        assert_eq!(of_cloud("kv.vault.azure.net").0, "login.microsoftonline.com");
        assert_eq!(of_cloud("kv.vault.usgovcloudapi.net").0, "login.microsoftonline.us");
        assert_eq!(of_cloud("kv.elsewhere").1, "https%3A%2F%2Fvault.azure.net");
    }

    #[test]
    fn a_proxy_with_a_password_is_not_copied() {
        let template = json!({ "spec": { "containers": [{ "env": [
            { "name": "HTTPS_PROXY", "value": "http://proxy:3128" }, { "name": "https_proxy", "value": "http://me:hunter2@proxy" },
            { "name": "NO_PROXY", "valueFrom": { "configMapKeyRef": { "name": "p", "key": "no" } } }, { "name": "OTHER", "value": "x" },
        ] }] } });
        let mut notes = Vec::new();
        let copied = proxies(Some(&template), &mut notes);
        assert_eq!(copied.len(), 2);
        assert!(notes.len() == 1 && notes[0].contains("https_proxy") && !notes[0].contains("hunter2"));
    }

    #[test]
    fn a_container_that_reported_nothing_is_named_with_its_exit_code() {
        let missing = no_lines(&json!({ "exitCode": 127, "reason": "StartError", "message": "exec: sh: not found" }), &json!({}));
        assert!(missing.what.contains("exit code 127") && missing.causes == ["StartError: exec: sh: not found"]);
        let evicted = json!({ "status": { "phase": "Failed", "reason": "NodeAffinity" } });
        assert!(no_lines(&Value::Null, &evicted).what.contains("NodeAffinity"));
    }
}
