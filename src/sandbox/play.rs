//! Who plays on which cluster. Nobody does until there is a pod to play for, so that a plain command pays nothing.

use super::{
    http::{Body, Request},
    players::{self, Players, Token, Which},
    running::{Cluster, Running},
};
use bytes::Bytes;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;

/// What calls for the players: a pod outside of kube-system or one that nobody runs yet, or an assignment that MIC has yet to undo.
const CALLS: [&str; 2] = ["/api/v1/pods", "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities"];

const ALL: [Which; 3] = [Which::Mic, Which::Nmi, Which::Csi];

#[derive(Default)]
pub struct Stage {
    /// By cluster name.
    players: Mutex<BTreeMap<String, Players>>,
    shut: AtomicBool,
    /// Who plays; all, so long as nothing was said.
    cast: OnceLock<Vec<Which>>,
}

impl Stage {
    /// Others are in the place of these. Said once, before anybody plays.
    pub fn without(&self, absent: &[Which]) {
        let _ = self.cast.set(ALL.into_iter().filter(|which| !absent.contains(which)).collect());
    }

    fn cast(&self) -> &[Which] {
        self.cast.get().map_or(&ALL, Vec::as_slice)
    }

    /// Nobody plays, and nobody is let in until it is open again.
    pub async fn clear(&self) {
        self.shut.store(true, Ordering::Release);
        let all = std::mem::take(&mut *self.players.lock().await);
        for (_, players) in all {
            players.stop().await;
        }
    }

    pub fn open(&self) {
        self.shut.store(false, Ordering::Release);
    }

    /// Whether nobody has anything left to do.
    pub async fn idle(&self) -> bool {
        self.players.lock().await.values().all(Players::idle)
    }

    /// Starts the players of a cluster that needs them.
    pub async fn wake(&self, running: &Arc<Running>, cluster: &Cluster) {
        let mut players = self.players.lock().await;
        if self.shut.load(Ordering::Acquire) || players.contains_key(&cluster.name) || !wanted(running, cluster).await {
            return;
        }
        let kube = players::KubeAccess {
            server: format!("https://{}:443", cluster.fqdn),
            token: Some(Token::Fixed(running.keys.admin_token.clone())),
            ca_pem: Some(running.authority.ca_pem.clone()),
            proxy: Some(running.proxy()),
            ..players::KubeAccess::default()
        };
        if let Some(config) = config(running, &cluster.name, kube, false) {
            players.insert(cluster.name.clone(), players::start(config, self.cast()));
        }
    }

    /// On clusters from outside they play all the time: nobody says when there is something to do.
    pub async fn wake_stand_ins(&self, running: &Arc<Running>) {
        let mut players = self.players.lock().await;
        for (name, stand_in) in &running.stand_ins {
            if self.shut.load(Ordering::Acquire) || players.contains_key(name) {
                continue;
            }
            if let Some(config) = config(running, name, stand_in.access.clone(), true) {
                players.insert(name.clone(), players::start(config, self.cast()));
            }
        }
    }
}

async fn wanted(running: &Running, cluster: &Cluster) -> bool {
    for path in CALLS {
        let request = Request {
            method: "GET".to_owned(),
            host: cluster.fqdn.clone(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("authorization".to_owned(), format!("Bearer {}", running.keys.admin_token))],
            body: Bytes::new(),
        };
        let answer = cluster.kube.answer(&request).await;
        let Body::Full(bytes) = answer.body else { continue };
        let list: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let items = list.get("items").and_then(Value::as_array);
        let calls = |item: &Value| item["metadata"]["namespace"] != "kube-system" || item["status"]["phase"] == "Pending";
        if items.into_iter().flatten().any(calls) {
            return true;
        }
    }
    false
}

fn config(running: &Running, cluster: &str, kube: players::KubeAccess, foreign: bool) -> Option<players::Config> {
    let azure = running.azure();
    let there = azure.clusters.values().find(|c| c.name == cluster)?;
    let login = match super::azure::callers::login_of_nodes(&azure, there)? {
        (client_id, None) => players::Login::Managed { client_id },
        (client_id, Some(client_secret)) => players::Login::ServicePrincipal { client_id, client_secret },
    };
    Some(players::Config {
        cluster: cluster.to_owned(),
        proxy: running.proxy(),
        ca_pem: running.authority.ca_pem.clone(),
        kube,
        foreign,
        tenant: azure.tenant.clone(),
        subscription: azure.subscription.clone(),
        node_group: there.node_group.clone(),
        scale_set: azure.scale_sets.get(&there.scale_set)?.name.clone(),
        login,
    })
}

impl Running {
    /// `http://ADDR:PORT`.
    pub fn proxy(&self) -> String {
        self.address.get().map_or_else(String::new, |address| format!("http://{address}"))
    }

    pub async fn wake_all(self: &Arc<Self>) {
        let names: Vec<String> = self.clusters().iter().map(|c| c.name.clone()).collect();
        self.wake(&names).await;
    }

    /// Those of these clusters, and those from outside.
    pub async fn wake(self: &Arc<Self>, names: &[String]) {
        self.stage.wake_stand_ins(self).await;
        for cluster in self.clusters().iter().filter(|c| names.contains(&c.name)) {
            self.stage.wake(self, cluster).await;
        }
    }

    /// Waits until nobody has anything left to do, for two looks in a row, but no longer than this.
    pub async fn settle(self: &Arc<Self>, most: Duration) -> bool {
        let end = tokio::time::Instant::now() + most;
        let mut quiet = 0;
        loop {
            self.wake_all().await;
            let idle = self.stage.idle().await && self.clusters().iter().all(|c| c.kube.idle());
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet >= 2 {
                return true;
            }
            if tokio::time::Instant::now() >= end {
                return false;
            }
            let empty = self.stage.is_empty().await;
            tokio::time::sleep(Duration::from_millis(if empty { 1 } else { 25 })).await;
        }
    }
}

impl Stage {
    async fn is_empty(&self) -> bool {
        self.players.lock().await.is_empty()
    }
}
