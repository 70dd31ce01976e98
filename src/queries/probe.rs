//! `probe`: which workloads are probed from which nodes, and how what was found is answered.

use super::chosen::{self, Looked, Recorded};
use crate::{
    azure::{ArmId, id},
    chain::{
        link::MissingLink,
        page::{Code, Severity},
    },
    cli::{DryRun, Format, Probe as Asked},
    cluster::{self, Api},
    converge::{self, answer, render},
    doctor::case,
    engine::{fault::Fault, input::Input},
    exit::Exit,
    failure::Failure,
    output::{Line, Text},
    proof::{self, Probe, ProbePlan, Prover, Target, Verdict},
    resources::{
        self, manifest,
        world::{ANY_HOST, ClusterTarget},
    },
    session::Session,
    spec::suggest::nearest,
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const LIMIT: Duration = Duration::from_secs(180);
/// How many pods run at once.
const AT_ONCE: usize = 16;

/// A workload with what is known of it beyond the state.
struct Probed {
    target: Target,
    template: Option<Value>,
    is_private: Option<bool>,
}

pub async fn probe(session: &Session, asked: &Asked) -> Result<Exit, Failure> {
    let recorded = Recorded::read(session, asked.file.as_deref(), false)?;
    if let Some((_, fault)) = recorded.faults.first() {
        return Err(Failure::from(fault));
    }
    let prover =
        Prover { only_reads: false, events: converge::event_sink(session), image: asked.image.clone(), ..recorded.prover(session, LIMIT) };
    let all = session.unless_interrupted(chosen(session, asked, recorded)).await??;
    let mut runs: Vec<(&Probed, Option<String>)> = Vec::new();
    for one in &all {
        let nodes = session.unless_interrupted(nodes(&prover, asked, &one.target)).await??;
        runs.extend(nodes.into_iter().map(|node| (one, node)));
    }
    if session.global.dry_run.is_on() {
        return rehearse(session, &prover, &runs).await;
    }
    let mut swept = BTreeSet::new();
    for one in &all {
        if swept.insert((&one.target.bound.cluster.name, &one.target.bound.namespace)) {
            session.unless_interrupted(prover.sweep(&one.target)).await?.map_err(|fault| Failure::from(&fault))?;
        }
    }
    let prover = &prover;
    let probes: Vec<Probe> =
        stream::iter(&runs).map(|(one, node)| run(prover, asked, one, node.as_deref())).buffered(AT_ONCE).collect().await;
    match session.global.output {
        Format::Table => answer(session, shown(&probes))?,
        Format::Json | Format::Yaml => answer(session, render(session, &document(&probes)))?,
    }
    Ok(complain(session, &probes))
}

async fn run(prover: &Prover, asked: &Asked, one: &Probed, node: Option<&str>) -> Probe {
    let plan = ProbePlan { node, keep: asked.keep, template: one.template.as_ref(), is_private: one.is_private };
    prover.probe(&one.target, &plan).await
}

/// Those of the state; what the state does not know is looked for in the cluster.
async fn chosen(session: &Session, asked: &Asked, recorded: Recorded) -> Result<Vec<Probed>, Failure> {
    let app = recorded.app().to_owned();
    let selected = asked.selected();
    let is_there =
        |target: &Target| asked.cluster.as_ref().is_none_or(|named| named.name().eq_ignore_ascii_case(&target.bound.cluster.name));
    let of_state: Vec<Target> =
        recorded.targets.into_iter().filter(|target| is_there(target) && selected.has_target(target, &[])).collect();
    if !of_state.is_empty() {
        let mut found = Vec::new();
        for target in of_state {
            let (template, is_private) = futures::join!(template(session, &target), is_private(session, &target));
            found.push(Probed { target, template, is_private });
        }
        return Ok(found);
    }
    let cluster = converge::cluster_of(session, asked.cluster.as_ref()).await?;
    let Looked { survey, workloads, .. } = Looked::at(session, &cluster, selected.namespace.as_deref()).await?;
    let hosts = match &survey.azure.cluster {
        Some(known) => resources::cluster::hosts(known),
        None if cluster.issuer.is_some() => vec![ANY_HOST.to_owned()],
        None => Vec::new(),
    };
    if hosts.is_empty() && !session.global.any_server {
        let what =
            format!("could not read the cluster {} from Azure, so it is not certain that the context leads to it", cluster.id.name());
        return Err(Failure::new(Exit::Refused, what).hint("Pass `--any-server` if it does."));
    }
    let place = ClusterTarget { name: cluster.id.name().to_owned(), context: cluster.context.clone(), hosts: Input::Known(hosts) };
    let cases = case::cases(Vec::new(), &workloads, &survey, &place, &selected, &app);
    let cases = cases.map_err(|fault| Failure::from(&fault))?.into_iter().filter(|case| !case.target.delivered.vault.name.is_empty());
    let found: Vec<Probed> = cases
        .map(|case| {
            let template = case.workloads.first().and_then(|workload| case::template(workload, &survey)).cloned();
            let is_private = survey.azure.vault(&case.target.delivered.vault.name).map(|vault| vault.is_private);
            Probed { target: case.target, template, is_private }
        })
        .collect();
    if found.is_empty() {
        let what = format!("there is no {} whose identity and vault are known", chosen::shown(&selected));
        return Err(Failure::new(Exit::Refused, what)
            .hint("`podid inventory -A` shows the workloads with their identities and vaults; `podid mount apply` makes a mount."));
    }
    Ok(found)
}

/// The template of the Deployment of the workload's name, if there is one.
async fn template(session: &Session, target: &Target) -> Option<Value> {
    let read = session.clusters.reader(&target.bound.cluster).await.ok()?;
    let at = manifest::at(&Api::new("apps", "v1", "Deployment", "deployments"), Some(&target.delivered.namespace), &target.delivered.name);
    read.get(&at).await.ok()??.pointer("/spec/template").cloned()
}

/// None: this login may not look at the vault.
async fn is_private(session: &Session, target: &Target) -> Option<bool> {
    let identity = ArmId::parse(target.bound.identity.resource_id()?)?;
    let vault = &target.delivered.vault;
    let at = ArmId::resource(identity.subscription_id(), vault.resource_group.as_deref()?, id::VAULT, &vault.name);
    session.azure.read().vault(&at).await.ok()?.map(|vault| vault.is_private)
}

/// The nodes to probe from; None: the one that the scheduler chooses.
async fn nodes(prover: &Prover, asked: &Asked, target: &Target) -> Result<Vec<Option<String>>, Failure> {
    if asked.node.is_none() && !asked.all_nodes {
        return Ok(vec![None]);
    }
    let read = prover.clusters.reader(&target.bound.cluster).await.map_err(|fault| Failure::from(&fault))?;
    let api = Api::new("", "v1", "Node", "nodes");
    let listed = match (read.list(&api, None, None).await, &asked.node) {
        (Ok(listed), _) => listed,
        // who may not list nodes may know one all the same
        (Err(cluster::Error::Forbidden { .. }), Some(node)) => return Ok(vec![Some(node.clone())]),
        (Err(error), _) => return Err(Failure::from(&error)),
    };
    let text = |node: &Value, pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_linux = |node: &Value| matches!(text(node, "/metadata/labels/kubernetes.io~1os").as_str(), "linux" | "");
    let names: Vec<String> = listed.iter().filter(|node| is_linux(node)).map(|node| text(node, "/metadata/name")).collect();
    let Some(wanted) = &asked.node else {
        if names.is_empty() {
            return Err(Failure::new(Exit::Refused, "the cluster has no Linux node").hint("`kubectl get nodes -o wide` shows its nodes."));
        }
        return Ok(names.into_iter().map(Some).collect());
    };
    if names.contains(wanted) {
        return Ok(vec![Some(wanted.clone())]);
    }
    let near = nearest(wanted, names.iter().map(String::as_str)).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
    Err(Failure::new(Exit::Refused, format!("there is no Linux node {wanted} in the cluster"))
        .hint(format!("{near}`kubectl get nodes` lists them.")))
}

async fn rehearse(session: &Session, prover: &Prover, runs: &[(&Probed, Option<String>)]) -> Result<Exit, Failure> {
    let server = session.global.dry_run == DryRun::Server;
    let mut pods = Vec::new();
    for (one, node) in runs {
        let plan = ProbePlan { node: node.as_deref(), keep: false, template: one.template.as_ref(), is_private: None };
        if server {
            let asked = session.unless_interrupted(prover.rehearse_probe(&one.target, &plan)).await?;
            asked.map_err(|fault| Failure::from(&fault))?;
        }
        let on = node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        pods.push(format!("{}/podid-probe-{}-*{on}", one.target.bound.namespace, one.target.delivered.name));
    }
    let text = match session.global.output {
        Format::Table => {
            let shown =
                |pod: &String| if server { format!("created pod {pod} (server dry run)") } else { format!("would create pod {pod}") };
            let mut text: Text = pods.iter().map(shown).map(Line::from).collect();
            text.push("dry run: no pod was created, so nothing was probed");
            text
        }
        Format::Json | Format::Yaml => {
            let how = if server { "server" } else { "plan" };
            render(session, &json!({ "version": 1, "dry_run": how, "pods": pods, "probes": [] }))
        }
    };
    answer(session, text)?;
    Ok(Exit::Done)
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", (seconds * 1000.0).ceil()),
        Some(seconds) => format!("{seconds:.1} s"),
        None => "-".to_owned(),
    }
}

fn shown(probes: &[Probe]) -> Text {
    let mut lines = Text::new();
    for probe in probes {
        let from = probe.node.as_ref().map(|node| format!(", from {node}")).unwrap_or_default();
        lines.push(format!("{} by {} to {}{from}", probe.workload, probe.identity, probe.vault));
        if let Some(proxy) = &probe.proxy {
            lines.push(format!("  by the proxy {proxy}"));
        }
        if !probe.servers.is_empty() {
            lines.push(format!("  DNS servers: {}", probe.servers.join(", ")));
        }
        lines.extend(probe.notes.iter().map(|note| Line::from(format!("  note: {note}"))));
        let widest = probe.hops.iter().map(|hop| hop.host.chars().count()).max().unwrap_or_default();
        for hop in &probe.hops {
            let line = Line::from(format!("  {:<6} {:<widest$} {:>8}  ", hop.hop, hop.host, time(hop.seconds)));
            let line = match hop.verdict {
                Verdict::Ok => line.plain(format!("{:<8}", hop.verdict.word())),
                Verdict::Warning => line.yellow(format!("{:<8}", hop.verdict.word())),
                Verdict::Broken => line.red(format!("{:<8}", hop.verdict.word())),
                Verdict::Skipped => line.dim(format!("{:<8}", hop.verdict.word())),
            };
            // what is wrong stands below in full
            let detail = hop.fault.as_ref().map_or_else(|| hop.detail.clone(), |fault| code(fault).to_string());
            lines.push(line.plain(format!(" {detail}")));
        }
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for (hop, fault) in probe.hops.iter().filter_map(|hop| Some((hop, hop.fault.as_ref()?))) {
            let severity = if hop.verdict == Verdict::Warning { Severity::Warning } else { Severity::Error };
            // one cause may break two hops
            if known.insert(&fault.what) {
                show_fault(&mut lines, probe, severity, fault);
            }
        }
        if probe.kept && !probe.pod.is_empty() {
            let (pod, namespace) = (&probe.pod, &probe.namespace);
            let kept = format!("kept the pod: `kubectl logs {pod} -n {namespace}`, and at last `kubectl delete pod {pod} -n {namespace}`");
            lines.push(probe.reach.text(&kept));
        }
    }
    let broken = probes.iter().filter(|probe| !probe.is_sound()).count();
    let plural = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    lines.push(format!("{}, {broken} broken", plural(probes.len(), "probe")));
    lines
}

fn code(fault: &MissingLink) -> Code {
    fault.page.unwrap_or(fault.link.page).code
}

/// As a finding of `doctor`.
fn show_fault(lines: &mut Text, probe: &Probe, severity: Severity, fault: &MissingLink) {
    let code = code(fault);
    let line = if severity == Severity::Error { Line::new().red("error") } else { Line::new().yellow("warning") };
    lines.push(line.plain(" ").bold(code).plain(format!(" {}: {}", probe.workload, fault.what)));
    for (word, texts) in [("because", &fault.causes), ("fix", &fault.hints)] {
        for text in texts {
            lines.push_message(Line::from(format!("  {word:<8} ")), "           ", text);
        }
    }
    lines.push(format!("  {:<8} podid explain {code}", "more"));
}

fn document(probes: &[Probe]) -> Value {
    let one = |probe: &Probe| {
        let mut document = json!({
            "workload": probe.workload, "vault": probe.vault, "identity": probe.identity, "namespace": probe.namespace,
            "pod": Some(&probe.pod).filter(|pod| !pod.is_empty()), "node": probe.node, "kept": probe.kept, "proxy": probe.proxy,
            "dnsServers": probe.servers, "sound": probe.is_sound(), "notes": probe.notes,
            "hops": probe.hops.iter().map(proof::Hop::document).collect::<Vec<_>>(),
        });
        if let Some(fault) = &probe.fault {
            let mut failure = Failure::from(fault);
            document["reason"] = json!(failure.message);
            document["causes"] = json!(failure.causes);
            probe.reach.texts(&mut failure.hints);
            document["hints"] = json!(failure.hints);
        }
        document
    };
    json!({ "version": 1, "probes": probes.iter().map(one).collect::<Vec<_>>() })
}

/// Says on stderr what kept a pod from probing. Returns the worst exit code.
fn complain(session: &Session, probes: &[Probe]) -> Exit {
    let mut worst = Exit::Done;
    for probe in probes.iter().filter(|probe| !probe.is_sound()) {
        let Some(fault) = &probe.fault else {
            worst = worst.max(Exit::Failed);
            continue;
        };
        let mut failure = Failure::from(fault);
        failure.message = format!("could not probe {}: {}", probe.workload, failure.message);
        probe.reach.texts(&mut failure.hints);
        worst = worst.max(if matches!(fault, Fault::Interrupted) { Exit::Interrupted } else { failure.kind });
        session.terminal.fail(&failure);
    }
    worst
}
