//! Clusters from outside that stand in for the sandbox's own: found by a kubeconfig, given what a lab needs, told to ARM, and left as they
//! are when the sandbox ends. The players work on them as its clients.
//!
//! `kubeconfig` what the file says · `outfit` what is applied there.

mod kubeconfig;
mod outfit;

use super::{
    azure::{
        self,
        clusters::Entry,
        stand_ins::{Place, StandIn as Told},
    },
    error::Error,
    kube,
    players::{Kube, KubeAccess, Refusal, Which},
    rsa::Public,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Which cluster of the sandbox is to be played by which other one.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Name of the managed cluster.
    pub name: String,
    /// Its current context counts.
    pub kubeconfig: PathBuf,
}

pub struct StandIn {
    pub name: String,
    pub url: String,
    /// Whom a CONNECT would name.
    pub host: String,
    pub port: u16,
    pub entry: Entry,
    pub access: KubeAccess,
    told: Told,
    kube: Kube,
}

/// By name of the managed cluster.
pub type StandIns = BTreeMap<String, Arc<StandIn>>;

/// Opens each cluster, brings it its outfit, and has ARM tell of it. The texts are what a user should know of how that went.
pub async fn join(wishes: &[Wish], without: &[Which], azure: &mut azure::State) -> Result<(StandIns, Vec<String>), Error> {
    let mut all = StandIns::new();
    let mut notes = Vec::new();
    for wish in wishes {
        let known: Vec<&str> = azure.clusters.values().map(|c| c.name.as_str()).collect();
        if !known.contains(&wish.name.as_str()) {
            let why = format!("the sandbox has no managed cluster {:?}", wish.name);
            return Err(Error::Use { why, way: format!("name one of {} with --cluster NAME=KUBECONFIG", known.join(", ")) });
        }
        let mut stand_in = StandIn::open(wish).await?;
        if all.contains_key(&wish.name) {
            let why = format!("--cluster names {} twice", wish.name);
            return Err(Error::Use { why, way: "give each cluster once".to_owned() });
        }
        if let Some(other) = all.values().find(|other| (&other.host, other.port) == (&stand_in.host, stand_in.port)) {
            let why = format!("{} and {} would both be the cluster at {}", other.name, wish.name, other.url);
            return Err(Error::Use { why, way: "give each a cluster of its own".to_owned() });
        }
        let failed = |refusal: Refusal| stand_in.error(&refusal);
        let version = stand_in.kube.get("/version").await.map_err(failed)?;
        notes.extend(outfit::bring(&stand_in.kube, without).await.map_err(failed)?);
        let nodes = stand_in.kube.get("/api/v1/nodes").await.map_err(failed)?;
        let nodes = places(&nodes);
        notes.extend(told(&wish.name, &nodes, &azure.subscription));
        let discovery = stand_in.kube.get(DISCOVERY).await;
        let issuer = discovery.ok().and_then(|d| d["issuer"].as_str().map(str::to_owned));
        if issuer.is_none() {
            notes.push(format!(
                "{} does not tell its issuer, so its service account tokens are not taken in the place of a secret",
                wish.name
            ));
        }
        let version = version["gitVersion"].as_str().unwrap_or_default().trim_start_matches('v');
        let version = version.split(['+', '-']).next().unwrap_or_default().to_owned();
        stand_in.told = Told { host: stand_in.host.clone(), version, issuer, nodes: nodes.into_iter().next() };
        stand_in.tell(azure);
        all.insert(wish.name.clone(), Arc::new(stand_in));
    }
    Ok((all, notes))
}

/// The scale sets of the nodes, in any case of their names, each with how many nodes are its own.
fn places(nodes: &Value) -> Vec<(Place, u32)> {
    let mut places: Vec<(Place, u32)> = Vec::new();
    for node in nodes["items"].as_array().into_iter().flatten() {
        let Some(place) = node["spec"]["providerID"].as_str().and_then(Place::of) else { continue };
        match places.iter_mut().find(|(known, _)| known.is(&place)) {
            Some((_, count)) => *count += 1,
            None => places.push((place, 1)),
        }
    }
    places
}

/// Where ARM cannot tell of the nodes as they are.
fn told(name: &str, nodes: &[(Place, u32)], subscription: &str) -> Option<String> {
    let sets: Vec<&str> = nodes.iter().map(|(place, _)| place.scale_set.as_str()).collect();
    match nodes {
        [] => Some(format!("no node of {name} has an Azure providerID, so the sandbox's own scale set carries its identities")),
        [(first, _), ..] if !first.subscription.eq_ignore_ascii_case(subscription) => Some(format!(
            "the nodes of {name} say they are of subscription {}, which is not the sandbox's ({subscription}), so the sandbox's own scale set carries their identities",
            first.subscription
        )),
        [(first, _), _, ..] => Some(format!(
            "the nodes of {name} are of {} scale sets ({}), of which {} carries the identities of all",
            nodes.len(),
            sets.join(", "),
            first.scale_set
        )),
        [_] => None,
    }
}

impl StandIn {
    async fn open(wish: &Wish) -> Result<Self, Error> {
        let wrong = |why: String| Error::Use { why, way: "give the kubeconfig of the cluster that is to be used".to_owned() };
        let chosen = kubeconfig::read(&wish.kubeconfig).map_err(wrong)?;
        let host = chosen.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let port = chosen.url.port_or_known_default().unwrap_or(443);
        let mut access = chosen.access;
        if let Some((name, addresses)) = &mut access.named {
            if access.proxy.is_some() {
                let text = format!("{} has both a tls-server-name ({name}) and a proxy-url", wish.kubeconfig.display());
                return Err(Error::Use { why: text, way: "give one without one of them".to_owned() });
            }
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            *addresses = found.map(Iterator::collect).unwrap_or_default();
        }
        let kube = Kube::new(&access, "sandbox", "podid-sandbox");
        let kube = kube.map_err(|why| wrong(format!("{} cannot be used: {why}", wish.kubeconfig.display())))?;
        tracing::debug!(context = chosen.context, "a cluster stands in for {}", wish.name);
        let url = access.server.trim_end_matches('/').to_owned();
        let told = Told { host: host.clone(), version: String::new(), issuer: None, nodes: None };
        Ok(Self { name: wish.name.clone(), url, host, port, entry: chosen.entry, access, told, kube })
    }

    /// Has ARM tell of this cluster.
    pub fn tell(&self, azure: &mut azure::State) {
        azure::stand_ins::take(azure, &self.name, &self.told);
    }

    /// Of its service account tokens.
    pub fn issuer(&self) -> Option<&String> {
        self.told.issuer.as_ref()
    }

    /// The keys that its service account tokens are signed with, as its API server tells them: the issuer's own address may lead nowhere
    /// (`https://kubernetes.default.svc…`), and a sandbox asks nobody but the clusters that it was given.
    pub async fn keys(&self) -> Result<Vec<Public>, Error> {
        let set = self.kube.get("/openid/v1/jwks").await.map_err(|refusal| self.error(&refusal))?;
        Ok(set["keys"].as_array().into_iter().flatten().filter_map(Public::from_jwk).collect())
    }

    fn error(&self, refusal: &Refusal) -> Error {
        let Self { name, url, .. } = self;
        let (why, way) = match refusal.status {
            0 => (
                format!("the cluster at {url} for {name} could not be reached: {}", refusal.text),
                "see with `kubectl --kubeconfig FILE version` whether it runs and the kubeconfig is still good",
            ),
            401 => (
                format!("the cluster at {url} for {name} does not let the kubeconfig's user in: {}", refusal.text),
                "get a new kubeconfig of it: the credential may have expired",
            ),
            403 => (
                format!("the cluster at {url} for {name} does not allow what the sandbox needs there: {}", refusal.text),
                "give a kubeconfig of an admin of that cluster: the sandbox applies CRDs there and plays MIC, NMI and the CSI driver",
            ),
            status => (
                format!("the cluster at {url} for {name} answered with {status}: {}", refusal.text),
                "see with `kubectl --kubeconfig FILE get --raw /readyz` whether it is well",
            ),
        };
        Error::Cluster { why, way: way.to_owned() }
    }

    /// All objects of the kinds that the sandbox's own clusters know, in the same form as those of its own.
    pub async fn export(&self) -> Result<Value, Error> {
        let mut objects = BTreeMap::new();
        for kind in kube::kinds() {
            let list = match self.kube.get(&kind.path).await {
                Err(refusal) if refusal.is_absent() => continue,
                other => other.map_err(|refusal| self.error(&refusal))?,
            };
            let Some(items) = list["items"].as_array() else { continue };
            for item in items {
                // an item of a list does not say what it is
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
        told("aks-mi", &places(&json!({ "items": items })), "s")
    }

    fn id(subscription: &str, set: &str) -> String {
        format!(
            "azure:///subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/{set}/virtualMachines/0"
        )
    }

    #[test]
    fn nodes_that_arm_cannot_tell_of_as_they_are_are_told_of_in_words() {
        assert_eq!(told_of(&[&id("s", "v"), &id("s", "v"), &id("S", "V")]), None);
        assert!(told_of(&[]).unwrap().contains("no node of aks-mi has an Azure providerID"));
        assert!(told_of(&["kind://docker/a/b"]).unwrap().contains("no node"));
        let other = told_of(&[&id("other", "v")]).unwrap();
        assert!(other.contains("subscription other") && other.contains("sandbox's (s)"), "{other}");
        let several = told_of(&[&id("s", "a"), &id("s", "b")]).unwrap();
        assert!(several.contains("2 scale sets (a, b), of which a carries"), "{several}");
    }
}
