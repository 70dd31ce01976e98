//! Which principals, and which pods as them, can read a secret now.

use super::{
    node_identity::{ASSIGNED, node_identities},
    workload::{Mount, Token, Workload},
};
use crate::{
    access::{self, Reader},
    azure::Vault,
    chain::{
        edge::{Edge, EdgeState},
        uses::IdentityUse,
    },
    modes,
    survey::Survey,
};

/// A principal that can read, by one grant, and the pods that can be it.
pub struct Way {
    pub principal: String,
    pub kind: &'static str,
    pub reader: Reader,
    /// The name of the group through which it has the grant.
    pub group: Option<String>,
    pub users: Vec<User>,
}

/// Pods that get tokens of a principal.
pub struct User {
    /// `deployment shop/web`; `every pod` where no workload is meant in particular.
    pub workload: String,
    pub pods: Vec<String>,
    /// How: the mode, or the way around it.
    pub by: String,
    /// Why it is not certain.
    pub doubt: Option<String>,
}

/// Lists who can read a secret, those that a deny assignment stops included, which are marked.
pub fn who_can(survey: &Survey, workloads: &[Workload], vault: &Vault, secret: &str) -> Vec<Way> {
    let of_nodes = node_identities(survey);
    access::expanded(survey, vault, Some(secret))
        .into_iter()
        .map(|reader| {
            let identity = survey.azure.identities.iter().find(|one| one.principal_id.eq_ignore_ascii_case(&reader.principal_id));
            let is_it = |id: &str| id.eq_ignore_ascii_case(&reader.principal_id);
            let of_node = of_nodes.iter().find(|one| one.principal_id.as_deref().is_some_and(is_it));
            let mut users = Vec::new();
            if let Some(identity) = identity {
                users.extend(workloads.iter().flat_map(|workload| bound(workload, &identity.client_id, survey)));
            }
            if of_node.is_some() {
                users.extend(around(survey, workloads, identity.map(|identity| identity.client_id.as_str())));
            }
            let kind = match (identity, of_node) {
                (Some(_), Some(one)) if one.role == ASSIGNED => "identity on nodes",
                (_, Some(_)) => "node identity",
                (Some(_), None) => "identity",
                (None, None) => kind_of(&reader, survey),
            };
            let group = reader.group.as_deref().map(|group| access::shown_principal(survey, group));
            Way { principal: access::shown_principal(survey, &reader.principal_id), kind, reader, group, users }
        })
        .collect()
}

fn kind_of(reader: &Reader, survey: &Survey) -> &'static str {
    use crate::azure::PrincipalKind::{Group, ServicePrincipal, User};
    match (survey.azure.names.get(&reader.principal_id.to_ascii_lowercase()).map(|one| one.kind), reader.kind.as_deref()) {
        (Some(User), _) | (None, Some("User")) => "user",
        (Some(Group), _) | (None, Some("Group")) => "group",
        (Some(ServicePrincipal), _) | (None, Some("ServicePrincipal")) => "service principal",
        _ => "principal",
    }
}

/// The pods of a workload that get the identity by a mode.
fn bound(workload: &Workload, client_id: &str, survey: &Survey) -> Vec<User> {
    let is_it = |one: &&IdentityUse| {
        one.identity.found(survey).is_some_and(|found| found.client_id.eq_ignore_ascii_case(client_id)) && one.is_sound()
    };
    let mut users: Vec<User> = Vec::new();
    let mut add = |one: &IdentityUse, pod: Option<&str>| {
        let by = one.mode.to_owned();
        let at = users.iter().position(|user| user.by == by).unwrap_or_else(|| {
            users.push(User { workload: workload.shown(), pods: Vec::new(), by, doubt: doubt(&one.edges) });
            users.len() - 1
        });
        if let Some(pod) = pod
            && !users[at].pods.iter().any(|known| known == pod)
        {
            users[at].pods.push(pod.to_owned());
        }
    };
    for pod in &workload.pods {
        pod.identities.iter().chain(pod.mounts.iter().flat_map(Mount::identities)).filter(is_it).for_each(|one| add(one, Some(&pod.name)));
    }
    if workload.pods.is_empty() {
        workload.identities.iter().chain(workload.mounts.iter().flat_map(Mount::identities)).filter(is_it).for_each(|one| add(one, None));
    }
    users
}

fn doubt(edges: &[Edge]) -> Option<String> {
    edges.iter().find_map(|edge| match &edge.state {
        EdgeState::Unknown { why } => Some(why.clone()),
        EdgeState::There | EdgeState::Missing { .. } => None,
    })
}

/// The pods that get tokens of an identity of their nodes, whatever they are bound to.
fn around(survey: &Survey, workloads: &[Workload], client_id: Option<&str>) -> Vec<User> {
    let user = |workload: &Workload, pods: Vec<String>, by: String| User { workload: workload.shown(), pods, by, doubt: None };
    let all_pods = |workload: &Workload| workload.pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
    let is_guarded = modes::all().any(|mode| mode.guards_nodes(survey));
    let is_blocked = survey.azure.cluster.as_ref().is_some_and(|cluster| cluster.pod_link_local_access.as_deref() == Some("None"));
    let mut users = Vec::new();
    for workload in workloads {
        let by_volume = workload.mounts.iter().any(|mount| match (&mount.token, client_id) {
            (Token::Node(Some(named)), Some(id)) => named.eq_ignore_ascii_case(id),
            (Token::Node(None), None) => true,
            _ => false,
        });
        if by_volume {
            users.push(user(workload, all_pods(workload), "a volume with useVMManagedIdentity".to_owned()));
        }
        let excepted: Vec<(&str, &str)> =
            workload.pods.iter().filter_map(|pod| Some((pod.name.as_str(), pod.node_access.as_ref()?.why.as_str()))).collect();
        match (excepted.first(), &workload.node_access) {
            (Some((_, why)), _) => {
                users.push(user(workload, excepted.iter().map(|(pod, _)| (*pod).to_owned()).collect(), format!("it {why}")))
            }
            (None, Some(access)) if workload.pods.is_empty() => users.push(user(workload, Vec::new(), format!("it {}", access.why))),
            _ if workload.is_on_host_network && !workload.pods.is_empty() => {
                users.push(user(workload, all_pods(workload), "it is on the network of its node".to_owned()));
            }
            _ => {}
        }
    }
    if !is_guarded && !is_blocked {
        let count = workloads.iter().map(|workload| workload.pods.len()).sum::<usize>();
        users.push(User {
            workload: format!("every pod of the cluster ({count})"),
            pods: Vec::new(),
            by: "no NMI keeps pods from the metadata service of their nodes".to_owned(),
            doubt: (!survey.cluster.of_kind(&crate::survey::kinds::DAEMON_SET).is_whole())
                .then(|| "the daemonsets could not be read".to_owned()),
        });
    }
    users
}
