//! External clusters that stand in for the sandbox's own: they are read from a kubeconfig, prepared for a lab, reported by ARM, and not
//! changed when the sandbox ends. The components work on them as clients.
//!
//! `kubeconfig` reads the file, `bootstrap` applies what a lab needs.

mod bootstrap;
mod kubeconfig;

use super::{
    azure::{
        self,
        kubeconfig::KubeconfigEntry,
        stand_ins::{ReportedCluster, ScaleSetRef},
    },
    components::{Component, KubeAccess, KubeClient, KubeError},
    error::Error,
    kube,
    rsa::Public,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The external cluster that stands in for one of the sandbox's own.
#[derive(Clone, Debug)]
pub struct StandInRequest {
    /// The name of the managed cluster.
    pub name: String,
    /// Its current context is used.
    pub kubeconfig: PathBuf,
}

pub struct StandIn {
    pub name: String,
    pub url: String,
    /// The host that a CONNECT names.
    pub host: String,
    pub port: u16,
    pub entry: KubeconfigEntry,
    pub access: KubeAccess,
    reported: ReportedCluster,
    kube: KubeClient,
}

/// By name of the managed cluster.
pub type StandIns = BTreeMap<String, Arc<StandIn>>;

/// Opens each cluster, installs what a lab needs unless the world is bare, and makes ARM report it. The returned texts are notes for the user.
pub async fn join(
    requests: &[StandInRequest],
    without: &[Component],
    azure: &mut azure::state::State,
) -> Result<(StandIns, Vec<String>), Error> {
    let mut all = StandIns::new();
    let mut notes = Vec::new();
    for request in requests {
        let known: Vec<&str> = azure.clusters.values().map(|c| c.name.as_str()).collect();
        let exists = known.contains(&request.name.as_str());
        if !exists && !azure.bare {
            let why = format!("the sandbox has no managed cluster {:?}", request.name);
            return Err(Error::Use { why, hint: format!("name one of {} with --cluster NAME=KUBECONFIG", known.join(", ")) });
        }
        if !exists {
            notes.push(format!(
                "there is no managed cluster {} yet, only {}; the cluster of {} stands in for it once it is created",
                request.name,
                known.join(", "),
                request.kubeconfig.display()
            ));
        }
        let mut stand_in = StandIn::open(request).await?;
        if all.contains_key(&request.name) {
            let why = format!("duplicate cluster {} in --cluster", request.name);
            return Err(Error::Use { why, hint: "give each cluster once".to_owned() });
        }
        if let Some(other) = all.values().find(|other| (&other.host, other.port) == (&stand_in.host, stand_in.port)) {
            let why = format!("{} and {} both use the cluster at {}", other.name, request.name, other.url);
            return Err(Error::Use { why, hint: "give each of them a different cluster".to_owned() });
        }
        let failed = |refusal: KubeError| stand_in.error(&refusal);
        let version = stand_in.kube.get("/version").await.map_err(failed)?;
        if !azure.bare {
            notes.extend(bootstrap::install(&stand_in.kube, without).await.map_err(failed)?);
        }
        let nodes = stand_in.kube.get("/api/v1/nodes").await.map_err(failed)?;
        let nodes = scale_sets(&nodes);
        notes.extend(node_note(&request.name, &nodes, &azure.subscription));
        let discovery = stand_in.kube.get(DISCOVERY).await;
        let issuer = discovery.ok().and_then(|d| d["issuer"].as_str().map(str::to_owned));
        if issuer.is_none() {
            notes.push(format!(
                "{} does not publish its issuer, so its service account tokens are not accepted as client assertions",
                request.name
            ));
        }
        let version = version["gitVersion"].as_str().unwrap_or_default().trim_start_matches('v');
        let version = version.split(['+', '-']).next().unwrap_or_default().to_owned();
        stand_in.reported = ReportedCluster { host: stand_in.host.clone(), version, issuer, nodes: nodes.into_iter().next() };
        stand_in.report(azure);
        all.insert(request.name.clone(), Arc::new(stand_in));
    }
    Ok((all, notes))
}

/// Returns the scale sets of the nodes, ignoring case, with their node counts.
fn scale_sets(nodes: &Value) -> Vec<(ScaleSetRef, u32)> {
    let mut scale_sets: Vec<(ScaleSetRef, u32)> = Vec::new();
    for node in nodes["items"].as_array().into_iter().flatten() {
        let Some(place) = node["spec"]["providerID"].as_str().and_then(ScaleSetRef::of) else { continue };
        match scale_sets.iter_mut().find(|(known, _)| known.is(&place)) {
            Some((_, count)) => *count += 1,
            None => scale_sets.push((place, 1)),
        }
    }
    scale_sets
}

/// Returns a note if ARM cannot report the nodes as they are.
fn node_note(name: &str, nodes: &[(ScaleSetRef, u32)], subscription: &str) -> Option<String> {
    let sets: Vec<&str> = nodes.iter().map(|(place, _)| place.scale_set.as_str()).collect();
    match nodes {
        [] => Some(format!("no node of {name} has an Azure providerID, so its identities are assigned to the sandbox's own scale set")),
        [(first, _), ..] if !first.subscription.eq_ignore_ascii_case(subscription) => Some(format!(
            "the nodes of {name} are in subscription {}, not in the sandbox's ({subscription}), so their identities are assigned to the sandbox's own scale set",
            first.subscription
        )),
        [(first, _), _, ..] => Some(format!(
            "the nodes of {name} are in {} scale sets ({}); the identities of all are assigned to {}",
            nodes.len(),
            sets.join(", "),
            first.scale_set
        )),
        [_] => None,
    }
}

impl StandIn {
    async fn open(request: &StandInRequest) -> Result<Self, Error> {
        let wrong = |why: String| Error::Use { why, hint: "give the kubeconfig of the cluster to use".to_owned() };
        let chosen = kubeconfig::read(&request.kubeconfig).map_err(wrong)?;
        let host = chosen.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let port = chosen.url.port_or_known_default().unwrap_or(443);
        let mut access = chosen.access;
        if let Some((name, addresses)) = &mut access.named {
            if access.proxy.is_some() {
                let text = format!("{} has both a tls-server-name ({name}) and a proxy-url", request.kubeconfig.display());
                return Err(Error::Use { why: text, hint: "give a kubeconfig without one of them".to_owned() });
            }
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            *addresses = found.map(Iterator::collect).unwrap_or_default();
        }
        let kube = KubeClient::new(&access, "sandbox", "podid-sandbox");
        let kube = kube.map_err(|why| wrong(format!("could not use {}: {why}", request.kubeconfig.display())))?;
        tracing::debug!(context = chosen.context, "a cluster stands in for {}", request.name);
        let url = access.server.trim_end_matches('/').to_owned();
        let reported = ReportedCluster { host: host.clone(), version: String::new(), issuer: None, nodes: None };
        Ok(Self { name: request.name.clone(), url, host, port, entry: chosen.entry, access, reported, kube })
    }

    /// Makes ARM report this cluster, if it exists.
    pub fn report(&self, azure: &mut azure::state::State) {
        azure::stand_ins::replace(azure, &self.name, &self.reported);
    }

    /// Returns whether ARM has the cluster and does not report this one yet, or not its issuer, which was enabled meanwhile.
    pub fn is_new(&self, azure: &azure::state::State) -> bool {
        let unreported = |cluster: &azure::state::Cluster| {
            cluster.own.as_ref().is_none_or(|own| own.oidc_issuer.is_none() && cluster.oidc_issuer.is_some())
        };
        azure.clusters.values().any(|cluster| cluster.name == self.name && cluster.ending.is_none() && unreported(cluster))
    }

    pub fn client(&self) -> &KubeClient {
        &self.kube
    }

    /// Returns the issuer of its service account tokens.
    pub fn issuer(&self) -> Option<&String> {
        self.reported.issuer.as_ref()
    }

    /// Fetches the keys of its service account tokens from its API server. The issuer's own URL may not be reachable
    /// (`https://kubernetes.default.svc…`), and the sandbox only connects to the clusters that it was given.
    pub async fn keys(&self) -> Result<Vec<Public>, Error> {
        let set = self.kube.get("/openid/v1/jwks").await.map_err(|refusal| self.error(&refusal))?;
        Ok(set["keys"].as_array().into_iter().flatten().filter_map(Public::from_jwk).collect())
    }

    fn error(&self, refusal: &KubeError) -> Error {
        let Self { name, url, .. } = self;
        let (why, hint) = match refusal.status {
            0 => (
                format!("could not reach the cluster at {url} for {name}: {}", refusal.text),
                "check with `kubectl --kubeconfig FILE version` whether it runs and the kubeconfig is still valid",
            ),
            401 => (
                format!("the cluster at {url} for {name} rejected the credential of the kubeconfig: {}", refusal.text),
                "get a new kubeconfig: the credential may have expired",
            ),
            403 => (
                format!("the cluster at {url} for {name} does not allow a request that the sandbox needs: {}", refusal.text),
                "give the kubeconfig of an admin of that cluster: the sandbox applies CRDs there and runs MIC, NMI and the CSI driver",
            ),
            status => (
                format!("the cluster at {url} for {name} answered with {status}: {}", refusal.text),
                "check with `kubectl --kubeconfig FILE get --raw /readyz` whether it is ready",
            ),
        };
        Error::Cluster { why, hint: hint.to_owned() }
    }

    /// Returns all objects of the kinds that the sandbox's own clusters have, in the same form.
    pub async fn export(&self) -> Result<Value, Error> {
        let mut objects = BTreeMap::new();
        for kind in kube::kinds() {
            let list = match self.kube.get(&kind.path).await {
                Err(refusal) if refusal.is_absent() => continue,
                other => other.map_err(|refusal| self.error(&refusal))?,
            };
            let Some(items) = list["items"].as_array() else { continue };
            for item in items {
                // items of a list have no apiVersion and kind
                let mut object = Map::new();
                object.insert("apiVersion".into(), kind.api_version.clone().into());
                object.insert("kind".into(), kind.kind.clone().into());
                object.extend(item.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
                let part = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
                objects.insert(format!("{}/{}/{}", kind.qualified, part("namespace"), part("name")), Value::Object(object));
            }
        }
        Ok(kube::exported(&objects))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told_of(ids: &[&str]) -> Option<String> {
        let items: Vec<Value> = ids.iter().map(|id| json!({"spec": {"providerID": id}})).collect();
        node_note("aks-mi", &scale_sets(&json!({ "items": items })), "s")
    }

    fn id(subscription: &str, set: &str) -> String {
        format!(
            "azure:///subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/{set}/virtualMachines/0"
        )
    }

    #[test]
    fn nodes_that_arm_cannot_report_cause_a_note() {
        assert_eq!(told_of(&[&id("s", "v"), &id("s", "v"), &id("S", "V")]), None);
        assert!(told_of(&[]).unwrap().contains("no node of aks-mi has an Azure providerID"));
        assert!(told_of(&["kind://docker/a/b"]).unwrap().contains("no node"));
        let other = told_of(&[&id("other", "v")]).unwrap();
        assert!(other.contains("subscription other") && other.contains("sandbox's (s)"), "{other}");
        let several = told_of(&[&id("s", "a"), &id("s", "b")]).unwrap();
        assert!(several.contains("2 scale sets (a, b); the identities of all are assigned to a"), "{several}");
    }
}
