//! The paths by which a workload may read a secret: from the pod over what delivers and the identity to the vault.

use super::{
    grants,
    workload::{Mount, Token, Workload, WorkloadPod},
};
use crate::{
    chain::{
        edge::{Edge, EdgeNode, EdgeState},
        uses::IdentityUse,
    },
    survey::Survey,
};

/// A way from a workload or pod to a secret, edge by edge.
#[derive(Clone, Debug)]
pub struct Path {
    /// The mode, the delivery, and the vault, as far as it has them.
    pub mode: Option<&'static str>,
    pub delivery: Option<&'static str>,
    pub vault: Option<String>,
    pub edges: Vec<Edge>,
}

impl Path {
    /// The first edge that is missing.
    pub fn first_missing(&self) -> Option<usize> {
        self.edges.iter().position(Edge::is_missing)
    }

    /// Whether something on the way could not be read.
    pub fn is_uncertain(&self) -> bool {
        self.edges.iter().any(|edge| matches!(edge.state, EdgeState::Unknown { .. }))
    }

    /// How good it is: a whole path, then one that breaks late.
    fn rank(&self) -> (usize, bool) {
        (self.first_missing().unwrap_or(usize::MAX), !self.is_uncertain())
    }
}

/// What pods get: of a workload, or of one pod.
struct Gets<'a> {
    node: EdgeNode,
    identities: &'a [IdentityUse],
    mounts: &'a [Mount],
}

/// The best path to a secret. `vault`: only in this one. None: nothing leads from the workload towards any vault.
pub fn of_workload(workload: &Workload, secret: &str, vault: Option<&str>, survey: &Survey) -> Option<Path> {
    best(&Gets { node: workload.node.clone(), identities: &workload.identities, mounts: &workload.mounts }, secret, vault, survey)
}

pub fn of_pod(workload: &Workload, pod: &WorkloadPod, secret: &str, vault: Option<&str>, survey: &Survey) -> Option<Path> {
    let node = EdgeNode::object("Pod", &workload.namespace, &pod.name);
    best(&Gets { node, identities: &pod.identities, mounts: &pod.mounts }, secret, vault, survey)
}

fn best(gets: &Gets<'_>, secret: &str, vault: Option<&str>, survey: &Survey) -> Option<Path> {
    let mut paths: Vec<Path> = gets.mounts.iter().flat_map(|mount| by_mount(&gets.node, mount, secret, vault, survey)).collect();
    let has_it = |mount: &Mount| mount.secrets.objects.iter().any(|object| object.name.eq_ignore_ascii_case(secret));
    if !gets.mounts.iter().any(has_it) {
        // the app may ask by itself for what is not mounted
        let named = vault.or_else(|| gets.mounts.iter().find_map(|mount| mount.secrets.vault.as_deref()));
        if let Some(vault) = named {
            paths.extend(gets.identities.iter().map(|one| by_identity(Vec::new(), one, None, vault, secret, survey)));
        }
    }
    // of equal ones the first
    paths.into_iter().rev().max_by_key(Path::rank)
}

fn by_mount(node: &EdgeNode, mount: &Mount, secret: &str, vault: Option<&str>, survey: &Survey) -> Vec<Path> {
    let secrets = &mount.secrets;
    let mut before = secrets.edges.clone();
    let delivery = Some(secrets.delivery);
    let broken = |edges: Vec<Edge>| vec![Path { mode: mount.mode(), delivery, vault: secrets.vault.clone(), edges }];
    if before.iter().any(Edge::is_missing) {
        return broken(before);
    }
    let by = secrets.through.clone().unwrap_or_else(|| node.clone());
    let Some(own) = &secrets.vault else {
        before.push(Edge::missing(&by, &EdgeNode::new("Vault", "?"), "keyvaultName", format!("{by} names no vault")));
        return broken(before);
    };
    if vault.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(own)) {
        return Vec::new();
    }
    let is_listed = secrets.objects.iter().any(|object| object.name.eq_ignore_ascii_case(secret));
    if !is_listed && !secrets.objects.is_empty() {
        let to = EdgeNode::new("Secret", format!("{own}/{secret}"));
        before.push(Edge::missing(&by, &to, "objects", format!("{by} does not list the secret {secret}")).hint(
            "Add it to the workload's `secrets` in the spec, or to the command that made the mount: `podid mount apply` with `--secret NAME`.",
        ));
        return broken(before);
    }
    match &mount.token {
        Token::Identities(all) if all.is_empty() => {
            let why = match &secrets.parameters {
                Some(_) => format!("{by} gets its token by the identity of the pod, and {node} has none"),
                None => format!("{node} has no identity"),
            };
            before.push(
                Edge::missing(&by, &EdgeNode::new("Identity", "?"), "identity", why)
                    .hint("Give its pods an identity: `podid bind`, then `podid app wire`."),
            );
            broken(before)
        }
        Token::Identities(all) => all.iter().map(|one| by_identity(before.clone(), one, delivery, own, secret, survey)).collect(),
        Token::Node(client_id) => vec![by_node(before, &by, client_id.as_deref(), mount, own, secret, survey)],
        Token::Password => {
            let to = EdgeNode::new("ServicePrincipal", "?");
            before.push(Edge::unknown(
                &by,
                &to,
                "nodePublishSecretRef",
                "its password is in a Kubernetes Secret, which podid does not read",
            ));
            broken(before)
        }
        Token::Unknown => broken(before),
    }
}

fn by_identity(before: Vec<Edge>, one: &IdentityUse, delivery: Option<&'static str>, vault: &str, secret: &str, survey: &Survey) -> Path {
    let identity = one.identity.node(survey);
    let principal = one.identity.found(survey).map(|found| found.principal_id.as_str());
    let mut edges = before;
    edges.extend(one.edges.iter().cloned());
    edges.extend(grants::edges(survey, &identity, principal, vault, Some(secret)));
    Path { mode: Some(one.mode), delivery, vault: Some(vault.to_owned()), edges }
}

fn by_node(
    mut edges: Vec<Edge>,
    by: &EdgeNode,
    client_id: Option<&str>,
    mount: &Mount,
    vault: &str,
    secret: &str,
    survey: &Survey,
) -> Path {
    let found = client_id.and_then(|id| survey.azure.identity(Some(id), None));
    let name = found.map(|found| found.id.name().to_owned()).or_else(|| client_id.map(str::to_owned));
    let identity = EdgeNode::new("Identity", name.unwrap_or_else(|| "system-assigned of the node".to_owned()));
    edges.push(Edge::there(by, &identity, "useVMManagedIdentity"));
    edges.extend(grants::edges(survey, &identity, found.map(|found| found.principal_id.as_str()), vault, Some(secret)));
    Path { mode: mount.mode(), delivery: Some(mount.secrets.delivery), vault: Some(vault.to_owned()), edges }
}
