//! The context of a command: the clients (of Azure and clusters, or of the sandbox), the path of the state file, the interrupt.

use crate::{
    azure::{self, Azure, ClientLogin},
    cli::{self, Auth, Global, Invocation},
    cluster,
    embedded::Sandbox,
    engine::ledger::Ledger,
    exit::Exit,
    failure::Failure,
    helm,
    output::{Terminal, events::Events, human},
    resources::{cluster::Cluster, kind::spec_of, world::Clusters},
    signals::interrupts,
    state::{State, format::AzureAccount},
};
use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

pub struct Session {
    pub global: Global,
    pub terminal: Terminal,
    pub azure: Azure,
    pub clusters: Clusters,
    /// Receives events for programs, if requested.
    pub events: Option<Arc<Events>>,
    /// Becomes true on the first Ctrl-C, SIGTERM or SIGHUP.
    pub stop: watch::Receiver<bool>,
    /// The command line without secrets, which the lock shows to others.
    pub command: String,
    sandbox: Option<Sandbox>,
}

pub const STATE_FILE: &str = "podid.state.json";

impl Session {
    pub async fn open(invocation: &Invocation, terminal: Terminal, command: String) -> Result<Self, Failure> {
        let global = invocation.global.clone();
        let events = match &global.events {
            None => None,
            Some(cli::Events::Stderr) => Some(Arc::new(Events::to_stderr(&terminal))),
            Some(cli::Events::File(path)) => Some(Arc::new(Events::to_file(path)?)),
        };
        if global.sandbox && global.kubeconfig.is_some() {
            let problem = "--kubeconfig has no effect together with --sandbox, whose clusters have a kubeconfig of their own";
            let way_out = "Leave one out; `podid sandbox serve --cluster FILE` puts a real cluster in the place of a simulated one.";
            return Err(Failure::new(Exit::Usage, problem).hint(way_out));
        }
        let sandbox = if global.sandbox { Some(Sandbox::open(&global).await?) } else { None };
        let access = sandbox.as_ref().map(Sandbox::access);
        let azure = azure::Settings {
            proxy: access.map(|a| a.proxy.clone()),
            ca: access.map(|a| a.ca.clone()),
            client: access.map(|a| ClientLogin {
                tenant: a.tenant.clone(),
                client_id: a.client_id.clone(),
                client_secret: SecretString::from(a.client_secret.clone()),
            }),
            // the sandbox has a login of its own
            method: global.auth.filter(|_| access.is_none()).map(Auth::method),
            timeout: global.timeout,
        };
        let kubeconfig = match access {
            Some(access) => Some(access.kubeconfig.display().to_string()),
            None => global.kubeconfig.as_ref().map(|k| k.display().to_string()),
        };
        let parallelism = usize::from(global.parallelism);
        // a single request should not take as long as the longest wait
        let timeout = global.timeout.map(|t| t.min(Duration::from_secs(30)));
        let person = terminal.clone();
        let plugin_output = cluster::PluginOutput::to(move |text| person.pass_on(text));
        let proxy = access.map(|a| a.proxy.clone());
        let settings = cluster::Settings { kubeconfig, context: None, proxy, timeout, whole: global.timeout, parallelism, plugin_output };
        let shown = terminal.clone();
        let warn = move |text: &str, hint: &str| shown.complain(human::warning(text, hint));
        let stop = interrupts();
        let helm = helm::Program::new(global.helm.clone(), stop.clone()).ending_with_podid();
        let azure = Azure::new(azure).map_err(|e| Failure::from(&e))?;
        let clusters = Clusters::new(settings, global.any_server, Arc::new(warn)).with_helm(helm).with_azure(azure.clone());
        Ok(Self { global, terminal, azure, clusters, events, stop, command, sandbox })
    }

    /// Waits until the sandbox's components are idle and saves its data.
    pub async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.close().await;
        }
    }

    /// Returns the path of the state: `--state`, then that of the sandbox, then next to the spec, then in the working directory.
    pub fn state_path(&self, spec: Option<&Path>) -> PathBuf {
        if let Some(path) = &self.global.state {
            return path.clone();
        }
        if self.global.sandbox {
            return self.global.sandbox_dir.join("state.json");
        }
        let folder = spec.and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
        folder.map_or_else(|| PathBuf::from(STATE_FILE), |f| f.join(STATE_FILE))
    }

    pub fn open_state(&self, spec: Option<&Path>) -> Result<State, Failure> {
        Ok(State::open(&self.state_path(spec), self.global.lock_timeout, &self.command)?)
    }

    /// Returns the subscription: from flag, environment, spec or state; then the default of the login's own tool.
    pub fn subscription(&self, spec: Option<&str>, state: Option<&AzureAccount>) -> Result<String, Failure> {
        let given = self.global.subscription().or(spec).map(str::to_owned).or_else(|| state.map(|w| w.subscription.clone()));
        let own = || match &self.sandbox {
            Some(sandbox) => Some(sandbox.access().subscription.clone()),
            None => self.azure.default_subscription(),
        };
        given.or_else(own).ok_or_else(|| {
            Failure::new(Exit::Refused, "no subscription given")
                .hint("Name it with `--subscription ID`, AZURE_SUBSCRIPTION_ID, `subscription:` in the spec, or `az account set`.")
        })
    }

    /// Lets the clusters of a state be reached although no kubeconfig has their contexts.
    pub fn know_clusters(&self, ledger: &Ledger) {
        let clusters = ledger.entries().filter_map(|entry| spec_of::<Cluster>(&entry.kind, &entry.spec));
        clusters.for_each(|cluster| self.clusters.know(&cluster.context, &cluster.id));
    }

    pub async fn world(&self, azure: &azure::Read, subscription: &str) -> Result<AzureAccount, Failure> {
        let caller = azure.caller().await.map_err(|e| Failure::from(&e))?;
        Ok(AzureAccount { cloud: "AzureCloud".into(), tenant: caller.tenant_id, subscription: subscription.to_owned() })
    }

    /// Asks a person a question. Questions block, so each runs on a thread of its own; the second argument of the question returns whether
    /// Ctrl-C was pressed.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Terminal, &dyn Fn() -> bool) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (terminal, stop) = (self.terminal.clone(), self.stop.clone());
        let asked = tokio::task::spawn_blocking(move || question(&terminal, &|| *stop.borrow())).await;
        asked.map_err(|e| Failure::new(Exit::Bug, e.to_string()))?
    }

    /// Runs work that only reads, until it ends or Ctrl-C is pressed.
    pub async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = work => Ok(done),
            _ = stop.wait_for(|s| *s) => Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed")),
        }
    }
}
