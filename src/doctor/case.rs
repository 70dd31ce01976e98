//! What is examined: one delivery of secrets to pods, with the workloads that get it. The state knows some; others only the cluster knows,
//! and what a proof would take from the state is read off its objects.

use super::finding::Finding;
use crate::{
    access::Question,
    azure::ArmId,
    chain::{
        edge::{Edge, EdgeState},
        facts::{Bound, BoundIdentity, Delivered, Parameters, VaultFacts},
        pages,
        texts::field,
        uses::{IdentityUse, PodView},
    },
    deliveries,
    engine::{desired::Requester, fault::Fault, input::Input},
    inventory::{Mount, Token, Workload, WorkloadPod},
    modes,
    proof::Target,
    resources::{ownership, world::ClusterTarget},
    survey::{
        Survey,
        kinds::{CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, STATEFUL_SET},
    },
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

pub struct Case<'a> {
    pub target: Target,
    /// `shop/web` of a workload that the state knows, `deployment/shop/web` of one that only the cluster knows.
    pub resource: String,
    pub workloads: Vec<&'a Workload>,
}

impl Case<'_> {
    /// Whether somebody else set it up, and a volume brings the secrets: whether the app asks for tokens, too, is not known.
    pub fn is_by_volume_alone(&self) -> bool {
        let Target { bound, delivered, delivery, .. } = &self.target;
        bound.keys.is_empty() && delivered.keys.is_empty() && !delivery.pod(delivered).volumes.is_empty()
    }
}

/// Which workloads are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selected {
    pub namespace: Option<String>,
    /// `deployment`, `pod` or `serviceaccount`; None: any kind.
    pub kind: Option<String>,
    pub name: Option<String>,
}

impl Selected {
    /// As a command line names it: a kind, and a name.
    pub fn of(workload: Option<(Option<String>, String)>, namespace: Option<String>) -> Self {
        let (kind, name) = workload.map_or((None, None), |(kind, name)| (kind, Some(name)));
        Self { namespace, kind, name }
    }

    fn has_namespace(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
    }

    pub fn has(&self, workload: &Workload) -> bool {
        let Some(name) = self.name.as_deref() else { return self.has_namespace(&workload.namespace) };
        let named = match self.kind.as_deref() {
            Some("pod") => workload.pods.iter().any(|pod| pod.name == name),
            Some("serviceaccount") => workload.service_account == name,
            Some(kind) => workload.kind.eq_ignore_ascii_case(kind) && workload.name == name,
            None => workload.name == name,
        };
        named && self.has_namespace(&workload.namespace)
    }

    pub fn has_target(&self, target: &Target, workloads: &[&Workload]) -> bool {
        let Some(name) = self.name.as_deref() else { return self.has_namespace(&target.delivered.namespace) };
        let named = self.kind.is_none() && target.delivered.name == name
            || self.kind.as_deref() == Some("serviceaccount") && target.bound.subject == name;
        self.has_namespace(&target.delivered.namespace) && (named || workloads.iter().any(|workload| self.has(workload)))
    }
}

/// The selected cases: those of the state first, then the workloads that none of them is about.
pub fn cases<'a>(
    targets: Vec<Target>,
    workloads: &'a [Workload],
    survey: &Survey,
    cluster: &ClusterTarget,
    selected: &Selected,
    app: &str,
) -> Result<Vec<Case<'a>>, Fault> {
    let mut found = Vec::new();
    let mut covered: Vec<&Workload> = Vec::new();
    for target in targets {
        let own: Vec<&Workload> = workloads.iter().filter(|workload| !is_proof(workload) && is_of(workload, &target)).collect();
        covered.extend(&own);
        if selected.has_target(&target, &own) {
            found.push(Case { resource: target.shown(), target, workloads: own });
        }
    }
    let is_open = |workload: &&Workload| {
        let is_covered = covered.iter().any(|other| std::ptr::eq(*other, *workload));
        !is_covered && !is_proof(workload) && selected.has(workload)
    };
    for workload in workloads.iter().filter(is_open) {
        let mounts: Vec<Option<&Mount>> = match workload.mounts.as_slice() {
            // an app that asks by itself, for a vault that only it knows
            [] if !workload.identities.is_empty() => vec![None],
            mounts => mounts.iter().map(Some).collect(),
        };
        for mount in mounts {
            if let Some(target) = discovered(workload, mount, survey, cluster, app)? {
                found.push(Case { target, resource: resource(workload), workloads: vec![workload] });
            }
        }
    }
    Ok(found)
}

/// `deployment/shop/web`
fn resource(workload: &Workload) -> String {
    format!("{}/{}/{}", workload.kind.to_lowercase(), workload.namespace, workload.name)
}

/// Volumes whose provider is told no identity, or one of the node: no binding decides there.
pub fn unbound(workloads: &[Workload], survey: &Survey, selected: &Selected) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in workloads.iter().filter(|workload| selected.has(workload) && !is_proof(workload)) {
        let password = template(workload, survey).is_some_and(|template| template.to_string().contains("nodePublishSecretRef"));
        for mount in &workload.mounts {
            let name = mount.secrets.through.as_ref().map(|node| node.name.as_str()).unwrap_or_default();
            let finding = match &mount.token {
                Token::Password if !password && mount.secrets.parameters.is_some() => Finding::new(
                    &pages::NO_IDENTITY,
                    resource(workload),
                    format!("{name} names no identity, and the volume no secret of a service principal"),
                ),
                Token::Node(id) => {
                    let who = id.as_deref().map_or_else(|| "the system-assigned identity".to_owned(), |id| format!("the identity {id}"));
                    Finding::new(
                        &pages::OF_NODE,
                        resource(workload),
                        format!("{name} is read by {who} of the node, whatever the pods are bound to"),
                    )
                }
                _ => continue,
            };
            found.push(finding.read(format!("{name} in the cluster")));
        }
    }
    found
}

/// What has to be known about the rights of the cases' identities: the secrets that each reads.
pub fn questions(cases: &[Case<'_>], survey: &Survey) -> BTreeSet<Question> {
    let of_case = |case: &Case<'_>| {
        let Target { bound, delivered, .. } = &case.target;
        let identity = survey.azure.identity(bound.identity.client_id(), bound.identity.resource_id())?;
        let secrets = delivered.objects.iter().filter(|object| object.kind.is_secret()).map(|object| object.name.clone());
        Some(Question {
            principal: identity.principal_id.clone(),
            vault: delivered.vault.name.to_ascii_lowercase(),
            secrets: secrets.collect(),
        })
    };
    cases.iter().filter_map(of_case).collect()
}

fn is_proof(workload: &Workload) -> bool {
    workload.kind == POD.kind && ownership::is_own_pod(&workload.name)
}

/// Whether a workload gets the target's secrets, is bound by its objects, or has its name.
fn is_of(workload: &Workload, target: &Target) -> bool {
    let Target { bound, delivered, .. } = target;
    if workload.namespace != delivered.namespace {
        return false;
    }
    let through = format!("{}/{}", delivered.namespace, delivered.name);
    let mounts = |mount: &Mount| {
        mount.secrets.delivery == delivered.delivery && mount.secrets.through.as_ref().is_some_and(|node| node.name == through)
    };
    let leads = |edge: &Edge| {
        let is = |(kind, name): (&&str, &String)| {
            edge.to.kind.eq_ignore_ascii_case(kind) && edge.to.name == format!("{}/{name}", bound.namespace)
        };
        bound.objects.iter().any(is)
    };
    let is_bound = workload.identities.iter().any(|one| one.mode == bound.mode && one.edges.first().is_some_and(leads));
    // an app that mounts something else is another target's
    let mounts_other = workload.mounts.iter().any(|mount| mount.secrets.through.is_some());
    workload.mounts.iter().any(mounts) || workload.name == delivered.name || is_bound && !mounts_other
}

/// The word of commands for an identity that nothing names: a command with it is not ready to be run.
const UNNAMED: &str = "IDENTITY";

/// What the objects of a workload say, as the state would say it.
fn discovered(
    workload: &Workload,
    mount: Option<&Mount>,
    survey: &Survey,
    cluster: &ClusterTarget,
    app: &str,
) -> Result<Option<Target>, Fault> {
    let of_volume = mount.map(|mount| &mount.token);
    if matches!(of_volume, Some(Token::Node(_) | Token::Password | Token::Unknown)) {
        return Ok(None);
    }
    let Some(one) = mount.and_then(identity_of).or_else(|| workload.identities.first()) else { return Ok(None) };
    let Some(template) = template(workload, survey) else { return Ok(None) };
    let mode = modes::named(Some(one.mode))?;
    let view = PodView { namespace: &workload.namespace, object: template, node: &workload.node, template_of: None };
    let names = mode.discovered(&view, one);
    let found = one.identity.found(survey);
    let known = |id: &Option<String>| id.clone().map(Input::Known);
    let resource_id = found.map(|identity| identity.id.to_string()).or_else(|| one.identity.resource_id.clone());
    let identity = BoundIdentity {
        key: None,
        name: if one.identity.is_named() { one.identity.shown(survey) } else { UNNAMED.to_owned() },
        resource_group: resource_id.as_deref().and_then(ArmId::parse).and_then(|id| id.group_name().map(str::to_owned)),
        // a client id that Azure gave to another identity since then is what the objects say
        resource_id: known(&one.identity.resource_id.clone().or_else(|| found.map(|identity| identity.id.to_string()))),
        client_id: known(&one.identity.client_id),
    };
    let bound = Bound {
        mode: mode.name(),
        app: app.to_owned(),
        by: Requester::Command,
        cluster: cluster.clone(),
        namespace: workload.namespace.clone(),
        name: names.objects.values().next().cloned().unwrap_or_else(|| names.subject.clone()),
        subject: names.subject,
        identity,
        objects: names.objects,
        keys: Vec::new(),
        flags: Vec::new(),
    };
    let secrets = mount.map(|mount| &mount.secrets);
    let vault = secrets.and_then(|secrets| secrets.vault.clone()).unwrap_or_default();
    let of_azure = survey.azure.vault(&vault);
    let through =
        secrets.and_then(|secrets| secrets.through.as_ref()).map(|node| node.name.rsplit('/').next().unwrap_or_default().to_owned());
    let delivered = Delivered {
        delivery: secrets.map_or_else(deliveries::without_objects, |secrets| secrets.delivery),
        app: app.to_owned(),
        by: Requester::Command,
        cluster: cluster.clone(),
        namespace: workload.namespace.clone(),
        name: through.unwrap_or_else(|| workload.name.clone()),
        subject: Some(bound.subject.clone()),
        vault: VaultFacts {
            name: vault,
            resource_group: of_azure.and_then(|vault| vault.id.group_name().map(str::to_owned)),
            uri: of_azure.map(|vault| vault.uri.clone()),
            rbac: of_azure.map(|vault| vault.rbac),
        },
        objects: secrets.map(|secrets| secrets.objects.clone()).unwrap_or_default(),
        synced: secrets.map(|secrets| secrets.synced.clone()).unwrap_or_default(),
        parameters: Parameters::new(),
        keys: Vec::new(),
    };
    let delivery = deliveries::of(&delivered)?;
    Target::by(delivery, bound, delivered).map(Some)
}

/// The identity of the volume, a sound one before others.
fn identity_of(mount: &Mount) -> Option<&IdentityUse> {
    let all = match &mount.token {
        Token::Identities(all) => all,
        Token::Node(_) | Token::Password | Token::Unknown => return None,
    };
    all.iter().find(|one| one.is_sound()).or_else(|| all.first())
}

/// The template of a workload's pods, or one of them.
pub fn template<'a>(workload: &Workload, survey: &'a Survey) -> Option<&'a Value> {
    let kinds = [&DEPLOYMENT, &STATEFUL_SET, &DAEMON_SET, &REPLICA_SET, &JOB, &CRON_JOB];
    let object = kinds.into_iter().find(|kind| kind.kind == workload.kind);
    let object = object.and_then(|kind| survey.cluster.named(kind, &workload.namespace, &workload.name));
    let of_object =
        object.and_then(|object| object.pointer("/spec/template").or_else(|| object.pointer("/spec/jobTemplate/spec/template")));
    of_object.or_else(|| survey.cluster.named(&POD, &workload.namespace, &workload.pods.first()?.name))
}

/// The pods of a workload that are to be looked at: those that are not ready first, then the newest.
pub fn pods<'a>(workload: &Workload, survey: &'a Survey) -> Vec<&'a Value> {
    const MOST: usize = 3;
    let mut chosen: Vec<(bool, &Value)> = Vec::new();
    for pod in &workload.pods {
        let Some(object) = survey.cluster.named(&POD, &workload.namespace, &pod.name) else { continue };
        let is_over = matches!(pod.phase.as_str(), "Succeeded" | "Failed") || object.pointer("/metadata/deletionTimestamp").is_some();
        if !is_over {
            chosen.push((pod.is_ready, object));
        }
    }
    chosen.sort_by_key(|(is_ready, object)| (*is_ready, std::cmp::Reverse(field(object, "/metadata/creationTimestamp").to_owned())));
    chosen.into_iter().map(|(_, object)| object).take(MOST).collect()
}

/// When the oldest pod of the workloads was made that is not over.
pub fn oldest_pod(case: &Case<'_>, survey: &Survey) -> Option<Timestamp> {
    let all = case.workloads.iter().flat_map(|workload| workload.pods.iter().map(move |pod| (workload, pod)));
    let objects =
        all.filter(|(_, pod)| is_alive(pod)).filter_map(|(workload, pod)| survey.cluster.named(&POD, &workload.namespace, &pod.name));
    let objects = objects.filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
    objects.filter_map(|pod| field(pod, "/metadata/creationTimestamp").parse().ok()).min()
}

fn is_alive(pod: &WorkloadPod) -> bool {
    !matches!(pod.phase.as_str(), "Succeeded" | "Failed")
}

/// Returns whether every pod on a node has its identity, so that earlier reports about it no longer apply.
pub fn are_bound(case: &Case<'_>) -> bool {
    let all = case.workloads.iter().flat_map(|workload| &workload.pods);
    let mut pods = all.filter(|pod| is_alive(pod) && pod.node.is_some()).peekable();
    let is_bound = |pod: &WorkloadPod| {
        let mut edges = pod.identities.iter().flat_map(|one| &one.edges).peekable();
        edges.peek().is_some() && edges.all(|edge| edge.state == EdgeState::There)
    };
    pods.peek().is_some() && pods.all(is_bound)
}

/// What is missing on the workload's own paths, as clauses with what makes it.
pub fn missing_edges(case: &Case<'_>) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for workload in &case.workloads {
        let of_mounts =
            workload.mounts.iter().flat_map(|mount| mount.secrets.edges.iter().chain(mount.identities().iter().flat_map(|one| &one.edges)));
        for edge in of_mounts {
            if let EdgeState::Missing { why, hint } = &edge.state
                && !found.iter().any(|(known, _)| known == why)
            {
                found.push((why.clone(), hint.clone()));
            }
        }
    }
    found
}
