//! `podid app`.

use super::{
    Command, Error,
    app_looks::{PrintPatch, Status},
    check,
};
use crate::{
    apps::{
        manifests::{App as Application, EnvValue, Expose},
        patches::PatchFormat,
        pods::PodSettings,
    },
    resources::workload::WorkloadKind,
    spec::{
        app::{Reach, check_pods, check_reach, workload_ref},
        names,
        reference::NameOrId,
        request::{self, NeedsOf, Request},
    },
};
use clap::{Args, Subcommand, ValueEnum};
use std::collections::BTreeMap;

const DEPLOY: &str = "\
Examples:
  podid app deploy claims-api -n dev-claims-podid --image REGISTRY.azurecr.io/claims-api:1 --port 80
  podid app deploy web -n shop --image REGISTRY/web:1 --port 8080 --path /health --expose gateway \\
    --host shop.example.com --env LEVEL=debug --label team=shop --request cpu=250m --limit memory=512Mi
  podid app deploy shell -n default --image busybox:1.37 -- sleep 86400

The pods get what the namespace's identity and mounts need (podid bind, podid mount apply).";

const WIRE: &str = "\
Examples:
  podid app wire deployment/web -n shop      add label, volume, mounts and variables, and wait for the rollout
  podid app wire cronjob/nightly -n shop --container job
  podid app wire deployment/web -n shop --patch kustomize
                                             print them for the source, and change nothing";

const UNWIRE: &str = "\
Examples:
  podid app unwire deployment/web -n shop";

#[derive(Debug, Subcommand)]
pub(super) enum App {
    /// Deploy an app whose pods have an identity and its secrets
    #[command(after_help = DEPLOY)]
    Deploy(Box<Deploy>),
    /// Add to an existing workload what its pods need for an identity and its secrets
    #[command(after_help = WIRE)]
    Wire(Wire),
    /// Remove from a workload what `podid app wire` added
    #[command(after_help = UNWIRE)]
    Unwire(Unwire),
    /// Show the pods of apps, their secret versions and their addresses
    Status(Status),
}

/// What a workload gets.
#[derive(Debug, Args)]
struct NeedsArgs {
    /// Namespace of the workload
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: String,
    /// Name of the mount that it gets; default: the one of its name, or the only one of the namespace
    #[arg(long, value_parser = check::dns_subdomain)]
    mount: Option<String>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// Name of the app: of its Deployment, its Service and its container
    #[arg(value_parser = service_name)]
    name: String,
    #[command(flatten)]
    needs: NeedsArgs,
    /// Image of the container, preferably by digest
    #[arg(long, value_parser = check::image)]
    image: String,
    /// Number of pods
    #[arg(long, default_value_t = 1)]
    replicas: u32,
    /// Port of the container; adds a Service and probes
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// How the app is reached
    #[arg(long, value_enum, default_value = "none")]
    expose: ExposeArg,
    /// Host name of the Gateway; default: any
    #[arg(long, value_parser = host)]
    host: Option<String>,
    /// Path that the probes ask for; default: the port is probed
    #[arg(long, value_parser = url_path)]
    path: Option<String>,
    /// Class of the Gateway; default: that of AKS's application routing, approuting-istio
    #[arg(long, value_name = "CLASS", value_parser = check::dns_subdomain)]
    gateway_class: Option<String>,
    /// Name of an existing Secret with the credentials of the registry; an attached registry needs none
    #[arg(long, value_name = "SECRET", value_parser = check::dns_subdomain)]
    pull_secret: Option<String>,
    /// Variable of the container; repeatable. Secrets belong into the vault
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = env)]
    env: Vec<(String, String)>,
    /// Variable from a key of a Kubernetes Secret, such as one that `mount apply --sync` keeps; repeatable
    #[arg(long = "secret-env", value_name = "NAME=SECRET:KEY", value_parser = secret_env)]
    secret_env: Vec<(String, String, String)>,
    /// Label of the pods; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Annotation of the pods; repeatable
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,
    /// What the container asks for, such as cpu=100m or memory=128Mi, which are the defaults; repeatable
    #[arg(long = "request", value_name = "RESOURCE=QUANTITY", value_parser = pair)]
    requests: Vec<(String, String)>,
    /// What the container may use at most; default: cpu=500m and memory=2Gi; repeatable
    #[arg(long = "limit", value_name = "RESOURCE=QUANTITY", value_parser = pair)]
    limits: Vec<(String, String)>,
    /// Arguments of the container, after `--`
    #[arg(last = true)]
    args: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Wire {
    /// The workload: deployment/NAME, statefulset/NAME, daemonset/NAME or cronjob/NAME
    #[arg(value_name = "KIND/NAME", value_parser = workload)]
    workload: (WorkloadKind, String),
    #[command(flatten)]
    needs: NeedsArgs,
    /// Container that gets mounts and variables; default: every container
    #[arg(long, value_parser = check::dns_label)]
    container: Option<String>,
    /// Print what would be added, in this format, and change nothing
    #[arg(long, value_enum, value_name = "FORMAT")]
    patch: Option<PatchArg>,
}

#[derive(Debug, Args)]
pub(super) struct Unwire {
    /// The workload: deployment/NAME, statefulset/NAME, daemonset/NAME or cronjob/NAME
    #[arg(value_name = "KIND/NAME", value_parser = workload)]
    workload: (WorkloadKind, String),
    /// Namespace of the workload
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: String,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExposeArg {
    /// From within the cluster only
    None,
    /// By a public address of its own
    #[value(name = "loadBalancer", alias = "load-balancer")]
    LoadBalancer,
    /// By a Gateway and an HTTPRoute
    Gateway,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PatchArg {
    /// A patch for a kustomization.yaml
    Kustomize,
    /// A strategic merge patch for `kubectl patch`
    Strategic,
    /// Values for a Helm chart
    HelmValues,
}

fn checked(rule: fn(&str) -> names::Checked, text: &str) -> Result<String, String> {
    rule(text).map(|()| text.to_owned())
}

fn service_name(text: &str) -> Result<String, String> {
    checked(names::service, text)
}

fn host(text: &str) -> Result<String, String> {
    checked(names::host, text)
}

fn url_path(text: &str) -> Result<String, String> {
    checked(names::url_path, text)
}

fn workload(text: &str) -> Result<(WorkloadKind, String), String> {
    workload_ref(text).map(|(kind, name)| (kind, name.to_owned()))
}

fn env(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    names::variable(name)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Makes a map of pairs, in which no key is given twice.
fn once<T>(what: &str, pairs: impl IntoIterator<Item = (String, T)>) -> Result<BTreeMap<String, T>, Error> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if map.insert(key.clone(), value).is_some() {
            return Err(Error::usage(format!("the {what} {key} is given twice"), "Leave one of them out."));
        }
    }
    Ok(map)
}

fn secret_env(text: &str) -> Result<(String, String, String), String> {
    let parts = text.split_once('=').and_then(|(name, rest)| rest.split_once(':').map(|(secret, key)| (name, secret, key)));
    let (name, secret, key) = parts.ok_or("expected NAME=SECRET:KEY, such as `DB_CONN=app-secrets:conn`")?;
    names::variable(name)?;
    names::dns_subdomain(secret)?;
    names::secret_key(key)?;
    Ok((name.to_owned(), secret.to_owned(), key.to_owned()))
}

impl App {
    pub(super) fn command(self) -> Result<Command, Error> {
        match self {
            Self::Deploy(deploy) => deploy.command(),
            Self::Wire(wire) => Ok(wire.command()),
            Self::Unwire(Unwire { workload: (workload, name), namespace, cluster }) => {
                let wire = request::Wire { workload, namespace, name, container: None, needs: NeedsOf { mount: None, cluster } };
                Ok(Command::Change { request: Request::Wire(wire), remove: true })
            }
            Self::Status(status) => Ok(Command::AppStatus(status)),
        }
    }
}

impl Deploy {
    fn command(self) -> Result<Command, Error> {
        let expose = match self.expose {
            ExposeArg::None => Expose::None,
            ExposeArg::LoadBalancer => Expose::LoadBalancer,
            ExposeArg::Gateway => Expose::Gateway,
        };
        let reach =
            Reach { port: self.port, expose, host: self.host.as_ref(), path: self.path.as_ref(), class: self.gateway_class.as_ref() };
        check_reach(&reach).map_err(|wrong| {
            let flag = if wrong.path == "gatewayClass" { "gateway-class" } else { &wrong.path };
            let hint = if self.port.is_none() { "Give it: `--port PORT`." } else { "Add `--expose gateway`, or leave it out." };
            Error::usage(format!("--{flag}: {}", wrong.message), hint)
        })?;
        let plain = self.env.into_iter().map(|(name, value)| (name, EnvValue::Plain(value)));
        let of_secrets = self.secret_env.into_iter().map(|(name, secret, key)| (name, EnvValue::Secret { secret, key }));
        let env = once("variable", plain.chain(of_secrets))?;
        let pods = PodSettings {
            labels: once("label", self.labels)?,
            annotations: once("annotation", self.annotations)?,
            requests: once("request of", self.requests)?,
            limits: once("limit of", self.limits)?,
        };
        check_pods(&pods).map_err(|wrong| {
            // `resources.requests.cpu`, `labels.team`
            let field = wrong.path.trim_start_matches("resources.");
            let (list, key) = field.split_once('.').unwrap_or((field, ""));
            Error::usage(format!("--{} {key}: {}", list.trim_end_matches('s'), wrong.message), wrong.hint.unwrap_or_default())
        })?;
        let app = Application {
            name: self.name,
            namespace: self.needs.namespace,
            image: self.image,
            replicas: self.replicas,
            port: self.port,
            expose,
            host: self.host,
            path: self.path,
            gateway_class: self.gateway_class,
            pull_secret: self.pull_secret,
            env,
            command: Vec::new(),
            args: self.args,
            pods,
        };
        let needs = NeedsOf { mount: self.needs.mount, cluster: self.needs.cluster };
        Ok(Command::Change { request: Request::Deploy(request::Deploy { app: Box::new(app), needs }), remove: false })
    }
}

impl Wire {
    fn command(self) -> Command {
        let (workload, name) = self.workload;
        let needs = NeedsOf { mount: self.needs.mount, cluster: self.needs.cluster };
        let wire = request::Wire { workload, namespace: self.needs.namespace, name, container: self.container, needs };
        let format = |arg| match arg {
            PatchArg::Kustomize => PatchFormat::Kustomize,
            PatchArg::Strategic => PatchFormat::Strategic,
            PatchArg::HelmValues => PatchFormat::HelmValues,
        };
        match self.patch {
            Some(arg) => Command::PrintPatch(PrintPatch { wire, format: format(arg) }),
            None => Command::Change { request: Request::Wire(wire), remove: false },
        }
    }
}
