//! What kinds read and write with: Azure, the clusters by context, and the sources of secret values.

use super::{managed::Managed, readiness::trouble::OfVolume, values::Values};
use crate::{
    azure::{self, ArmId},
    cluster::{self, Api, Error as ClusterError},
    engine::{fault::Fault, input::Input, key::Key, plan::Warning, resource::Backend},
    helm,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Mutex, OnceCell, watch};

pub struct Cloud;

impl Backend for Cloud {
    type Reader = Reader;
    type Writer = Writer;
}

/// Has no way to write.
pub struct Reader {
    pub azure: azure::Read,
    pub clusters: Clusters,
    pub values: Arc<Values>,
    /// Foreign things that differ may be taken over: their fields are looked at as if they were ours to set.
    pub adopt: bool,
    pub force_conflicts: bool,
    /// Nothing but reads is sent: no dry run of a write either.
    pub only_reads: bool,
    /// podid's own kinds of objects that count as a namespace's content.
    pub content: Vec<Api>,
    /// What others made for resources of this app: `Resource::brings`.
    pub brought: BTreeSet<String>,
    reads: Mutex<BTreeMap<String, cluster::Read>>,
}

impl Reader {
    pub fn new(azure: azure::Read, clusters: Clusters, values: Arc<Values>, content: Vec<Api>) -> Self {
        Self {
            azure,
            clusters,
            values,
            adopt: false,
            force_conflicts: false,
            only_reads: false,
            content,
            brought: BTreeSet::new(),
            reads: Mutex::default(),
        }
    }

    /// The same, looking with what the user consented to.
    #[must_use]
    pub fn consenting(self, adopt: bool, force_conflicts: bool) -> Self {
        Self { adopt, force_conflicts, ..self }
    }

    /// The same, sending nothing but reads.
    #[must_use]
    pub fn only_reading(self, only_reads: bool) -> Self {
        Self { only_reads, ..self }
    }

    /// The same, knowing what others made for this app.
    #[must_use]
    pub fn knowing(self, brought: BTreeSet<String>) -> Self {
        Self { brought, ..self }
    }

    /// One memory per cluster and pass. Whether it is the right cluster is asked each time: what is known of it may change in a pass.
    pub async fn cluster(&self, target: &ClusterTarget) -> Result<cluster::Read, Fault> {
        let cluster = self.clusters.checked(target).await?;
        Ok(self.reads.lock().await.entry(target.context.clone()).or_insert_with(|| cluster.read()).clone())
    }

    /// Lets go of all objects that were read.
    pub async fn forget(&self) {
        self.reads.lock().await.clear();
    }
}

pub struct Writer {
    pub azure: azure::Write,
    /// For what a write has to look up first.
    pub look: azure::Read,
    pub clusters: Clusters,
    pub values: Arc<Values>,
    pub force_conflicts: bool,
    pub adopt: bool,
    /// Gets a sentence when a write has to wait for a cluster.
    pub on_wait: azure::OnWait,
    /// How long an object may take to become ready.
    pub limit: Duration,
    /// Says what a text about a pod's volume means, where a delivery knows it.
    pub of_volume: fn(&str) -> Option<OfVolume>,
    /// Becomes true when the user wants to stop.
    pub stop: watch::Receiver<bool>,
}

impl Writer {
    /// Waits for what changes nothing, unless the user wants to stop: a write that goes on for minutes is otherwise ended only by a second
    /// Ctrl-C.
    pub async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Result<T, Fault> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = wait => Ok(done),
            // an error means that nobody can stop it any more
            Ok(_) = stop.wait_for(|stop| *stop) => Err(Fault::Interrupted),
        }
    }

    pub async fn cluster(&self, target: &ClusterTarget) -> Result<cluster::Write, Fault> {
        self.clusters.writer(target).await
    }
}

/// In which cluster a Kubernetes object lies, and how it is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterTarget {
    /// Name of the managed cluster.
    #[serde(alias = "cluster")]
    pub name: String,
    /// Context of the kubeconfig.
    pub context: String,
    /// Host names of its API server, as ARM tells them; `ANY_HOST` alone: ARM does not know the cluster.
    pub hosts: Input<Vec<String>>,
}

/// The host of a cluster whose API server nobody but the kubeconfig knows.
pub const ANY_HOST: &str = "*";

impl ClusterTarget {
    /// Whether ARM does not know the cluster.
    pub fn is_outside(&self) -> bool {
        self.hosts.known().is_some_and(|hosts| hosts.iter().any(|host| host == ANY_HOST))
    }
}

/// Told what people must know of a connection before it is used: a text, and what to do.
pub type OnWarning = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Connections by context, made when first needed.
#[derive(Clone)]
pub struct Clusters {
    settings: cluster::Settings,
    any_server: bool,
    dry_run: bool,
    helm: helm::Program,
    open: Arc<Mutex<BTreeMap<String, Arc<OnceCell<cluster::Cluster>>>>>,
    /// `other_contexts`, of the clusters that were opened.
    others: Arc<Mutex<BTreeMap<String, Option<String>>>>,
    /// Managed clusters by context, for contexts that no kubeconfig has.
    managed: Managed,
    on_warning: OnWarning,
    warnings: Arc<Mutex<Vec<Warning>>>,
}

impl Clusters {
    pub fn new(settings: cluster::Settings, any_server: bool, on_warning: OnWarning) -> Self {
        Self {
            settings,
            any_server,
            dry_run: false,
            helm: helm::Program::default(),
            open: Arc::default(),
            others: Arc::default(),
            managed: Managed::default(),
            on_warning,
            warnings: Arc::default(),
        }
    }

    /// The same, with the helm that installs charts.
    #[must_use]
    pub fn with_helm(self, helm: helm::Program) -> Self {
        Self { helm, ..self }
    }

    pub fn helm(&self) -> &helm::Program {
        &self.helm
    }

    /// A kubeconfig that leads only to this cluster, for a program that podid runs.
    pub async fn kubeconfig(&self, target: &ClusterTarget) -> Result<SecretString, Fault> {
        self.checked(target).await?.kubeconfig().await.map_err(Fault::cloud)
    }

    /// For each cluster that was opened its context, or None if kubectl uses that one by itself.
    pub async fn other_contexts(&self) -> BTreeMap<String, Option<String>> {
        self.others.lock().await.clone()
    }

    /// The context of the only cluster that was opened, if kubectl uses another one by itself.
    pub async fn only_other_context(&self) -> Option<String> {
        let open = self.open.lock().await;
        // the current context is opened without a name first, to look which cluster it leads to
        let mut named = open.iter().filter(|(context, _)| !context.is_empty()).filter_map(|(_, cell)| cell.get());
        let (only, None) = (named.next()?, named.next()) else { return None };
        only.other_context().filter(|_| !self.managed.has_opened()).map(str::to_owned)
    }

    /// What was warned of so far.
    pub async fn warnings(&self) -> Vec<Warning> {
        self.warnings.lock().await.clone()
    }

    async fn warn_of(&self, cluster: &cluster::Cluster) {
        let Some(file) = cluster.unverified() else { return };
        let context = cluster.context();
        let text = format!(
            "the context {context} does not verify the server's certificate (insecure-skip-tls-verify in {file}), so any server at that address can get the credential"
        );
        let hint = "Take insecure-skip-tls-verify out and set certificate-authority-data: `az aks get-credentials -g GROUP -n CLUSTER --overwrite-existing` writes it.";
        let warning = Warning { key: Key::of("context", [context]), text, hint: Some(hint.to_owned()) };
        let mut warnings = self.warnings.lock().await;
        if !warnings.contains(&warning) {
            (self.on_warning)(&warning.text, hint);
            warnings.push(warning);
        }
    }

    /// The same, with an Azure that returns the credentials of clusters.
    #[must_use]
    pub fn with_azure(self, azure: azure::Azure) -> Self {
        Self { managed: Managed::of(azure), ..self }
    }

    /// Lets a cluster be reached although no kubeconfig has its context, such as one that this run creates.
    pub fn know(&self, context: &str, cluster: &ArmId) {
        self.managed.know(context, cluster);
    }

    /// The cluster of a context, or the managed cluster that is known by that name.
    async fn open_managed(&self, context: &str) -> Result<cluster::Cluster, Fault> {
        match self.managed.id(context) {
            Some(id) if !self.contexts().is_ok_and(|all| all.iter().any(|(name, _)| name == context)) => {
                self.managed.open(context, &id, &self.settings).await
            }
            _ => self.open(Some(context)).await.map_err(Fault::cloud),
        }
    }

    /// The same connections; what is written through them is kept by no server.
    #[must_use]
    pub fn for_dry_run(&self) -> Self {
        Self { dry_run: true, ..self.clone() }
    }

    /// Whether every write is a dry run, of which the server keeps nothing.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// `context`: None is the kubeconfig's current one.
    pub async fn open(&self, context: Option<&str>) -> Result<cluster::Cluster, ClusterError> {
        let cell = Arc::clone(self.open.lock().await.entry(context.unwrap_or_default().to_owned()).or_default());
        let cluster = cell
            .get_or_try_init(|| async {
                let context = context.map(str::to_owned);
                let cluster = cluster::Cluster::new(cluster::Settings { context, ..self.settings.clone() }).await?;
                self.warn_of(&cluster).await;
                Ok(cluster)
            })
            .await?;
        Ok(cluster.clone())
    }

    /// The contexts of the kubeconfig, each with the host name of its server.
    pub fn contexts(&self) -> Result<Vec<(String, String)>, ClusterError> {
        cluster::Cluster::contexts(&self.settings)
    }

    pub async fn reader(&self, target: &ClusterTarget) -> Result<cluster::Read, Fault> {
        Ok(self.checked(target).await?.read())
    }

    pub async fn writer(&self, target: &ClusterTarget) -> Result<cluster::Write, Fault> {
        let cluster = self.checked(target).await?;
        Ok(if self.dry_run { cluster.write_dry_run() } else { cluster.write() })
    }

    /// The cluster that ARM tells of and the context must be the same one: writing an app's objects into another cluster by a
    /// stale context is the worst that could happen quietly.
    async fn checked(&self, target: &ClusterTarget) -> Result<cluster::Cluster, Fault> {
        // a cluster that does not exist yet has no address, and no context either
        let hosts = target.hosts.get()?;
        let cluster = self.open_managed(&target.context).await?;
        let server = cluster.server_host();
        if self.any_server || hosts.iter().any(|h| h == ANY_HOST || h.eq_ignore_ascii_case(server)) {
            self.others.lock().await.insert(target.name.clone(), cluster.other_context().map(str::to_owned));
            return Ok(cluster);
        }
        Err(Fault::refused(
            format!("the context {} leads to {server}, but the cluster {} is {}", target.context, target.name, hosts.join(" or ")),
            "Name the right context with `--context`, or pass `--any-server` if you reach the cluster by a tunnel.",
        ))
    }
}
