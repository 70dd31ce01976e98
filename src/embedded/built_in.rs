//! The sandbox in this process, or served by another one.

use super::definitions::definitions;
use crate::{
    cli::{self, CallerCommand, Format, Global, Invocation, Lateness, SandboxCommand},
    exit::Exit,
    failure::Failure,
    output::{Terminal, Text, json, table, yaml},
    signals::interrupts,
};
use podid_sandbox as sandbox;
use serde_json::{Value, json};
use std::time::Duration;

pub struct Sandbox(sandbox::Sandbox);

impl Sandbox {
    pub async fn open(global: &Global) -> Result<Self, Failure> {
        Ok(Self(sandbox::open(options(global)).await?))
    }

    pub fn access(&self) -> &sandbox::Access {
        self.0.access()
    }

    /// Waits for the sandbox's components and saves its world.
    pub async fn close(self) {
        self.0.close().await;
    }
}

pub async fn command(invocation: &Invocation, command: &SandboxCommand, terminal: &Terminal) -> Result<Exit, Failure> {
    let options = options(&invocation.global);
    let say = |text: Text| terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, e.to_string()));
    // printed unchanged for `eval`; quoted for the shell
    let exports = |lines: String| terminal.value(&lines).map_err(|e| Failure::new(Exit::Failed, e.to_string()));
    match command {
        SandboxCommand::Serve { ready_file, listen, clusters, without, imds, log } => {
            let mut stop = interrupts();
            let stopped = async move { drop(stop.wait_for(|s| *s).await) };
            let ready = terminal.clone();
            let request = |c: &cli::StandIn| sandbox::StandInRequest { name: c.name.clone(), kubeconfig: c.kubeconfig.clone() };
            let component = |c: &cli::SandboxComponent| match c {
                cli::SandboxComponent::Mic => sandbox::Component::Mic,
                cli::SandboxComponent::Nmi => sandbox::Component::Nmi,
                cli::SandboxComponent::Csi => sandbox::Component::Csi,
            };
            let (stand_ins, without) = (clusters.iter().map(request).collect(), without.iter().map(component).collect());
            let imds = imds.iter().map(|node| (node.cluster.clone(), node.address)).collect();
            let line = terminal.clone();
            let reader = log.then(|| std::sync::Arc::new(move |text: &str| line.say(text)) as sandbox::Reader);
            let options = sandbox::Options { listen: *listen, stand_ins, without, imds, reader, ..options };
            let dir = options.dir.clone();
            sandbox::serve(options, ready_file.clone(), stopped, move |access, notes| {
                notes.iter().for_each(|note| ready.say(format!("note: {note}")));
                for (cluster, url) in &access.imds {
                    ready.say(format!("a node of {cluster} has its metadata service on {url}"));
                }
                ready.say(format!("the sandbox of {} serves on {}; Ctrl-C ends it", dir.display(), access.proxy));
            })
            .await?;
        }
        SandboxCommand::Reset => {
            for (name, url) in sandbox::reset(&options.dir, options.bare).await? {
                terminal.say(format!("the cluster at {url}, which stands in for {name}, was left as it is"));
            }
        }
        SandboxCommand::Caller(command) => {
            let request = match command {
                CallerCommand::Add { name, role, scopes } => {
                    sandbox::CallerRequest::Add { name: name.clone(), role: role.clone(), scopes: scopes.clone() }
                }
                CallerCommand::List => sandbox::CallerRequest::List,
                CallerCommand::Delete { name } => sandbox::CallerRequest::Delete { name: name.clone() },
            };
            let told = sandbox::callers(&options.dir, &request).await?;
            match invocation.global.output {
                Format::Table if matches!(command, CallerCommand::Add { .. }) => exports(credential(&told))?,
                Format::Table => say(caller(command, &told, terminal))?,
                Format::Json => say(json::text(&told))?,
                Format::Yaml => say(yaml::text(&told))?,
            }
        }
        SandboxCommand::CloudConfig { cluster } => {
            let request = sandbox::CallerRequest::Nodes { cluster: cluster.clone() };
            say(json::text(&sandbox::callers(&options.dir, &request).await?))?;
        }
        SandboxCommand::Export => say(json::text(&sandbox::export(&options.dir).await?))?,
        SandboxCommand::Crds => say(Text::of_lines(&definitions()?))?,
        SandboxCommand::Env => exports(environment(&sandbox::access(&options.dir).await?))?,
    }
    Ok(Exit::Done)
}

fn field(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn credential(told: &Value) -> String {
    exports(&[
        ("AZURE_TENANT_ID", &field(told, "tenantId")),
        ("AZURE_CLIENT_ID", &field(told, "clientId")),
        ("AZURE_CLIENT_SECRET", &field(told, "clientSecret")),
        ("AZURE_SUBSCRIPTION_ID", &field(told, "subscriptionId")),
    ])
}

fn caller(command: &CallerCommand, told: &Value, terminal: &Terminal) -> Text {
    match command {
        CallerCommand::Add { .. } => Text::new(),
        CallerCommand::List => {
            let mut rows = Vec::new();
            for caller in told.as_array().into_iter().flatten() {
                for role in caller["roles"].as_array().into_iter().flatten() {
                    rows.push(vec![field(caller, "name"), field(caller, "clientId"), field(role, "role"), field(role, "scope")]);
                }
            }
            table::list(&["NAME", "CLIENT ID", "ROLE", "SCOPE"], &rows, "no callers added", terminal.width)
        }
        CallerCommand::Delete { name } if *told == json!(true) => format!("deleted {name} and its role assignments").into(),
        CallerCommand::Delete { name } => format!("nothing to do: there is no caller {name}").into(),
    }
}

fn environment(access: &sandbox::Access) -> String {
    let ca = access.ca.display().to_string();
    let kubeconfig = access.kubeconfig.display().to_string();
    let mut lines = vec![
        ("HTTPS_PROXY", access.proxy.as_str()),
        // nothing may bypass the proxy: the sandbox's hosts have no addresses
        ("NO_PROXY", ""),
        ("SSL_CERT_FILE", &ca),
        ("REQUESTS_CA_BUNDLE", &ca),
        ("CURL_CA_BUNDLE", &ca),
        ("AZURE_TENANT_ID", &access.tenant),
        ("AZURE_CLIENT_ID", &access.client_id),
        ("AZURE_CLIENT_SECRET", &access.client_secret),
        ("AZURE_SUBSCRIPTION_ID", &access.subscription),
        ("KUBECONFIG", &kubeconfig),
    ];
    // for SDKs that use it instead of 169.254.169.254
    if let Some(url) = access.imds.values().next() {
        lines.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", url));
    }
    exports(&lines)
}

/// Formats exports for `eval`, quoted for the shell.
fn exports(lines: &[(&str, &str)]) -> String {
    lines.iter().map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', "'\\''"))).collect()
}

fn options(global: &Global) -> sandbox::Options {
    sandbox::Options {
        bare: global.bare,
        lateness: global.lateness.map(|lateness| match lateness {
            Lateness::None => sandbox::Lateness::None,
            Lateness::Quick => sandbox::Lateness::Quick,
            Lateness::Realistic => sandbox::Lateness::Realistic,
        }),
        wait: global.timeout.unwrap_or(Duration::from_secs(600)),
        ..sandbox::Options::new(&global.sandbox_dir)
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Self {
        use sandbox::Error::{Busy, Damaged, Newer, Use};
        if let sandbox::Error::Files(unsafe_file) = &error {
            let failure = Self::new(Exit::State, unsafe_file.to_string());
            return unsafe_file.way_out().into_iter().fold(failure, Self::hint);
        }
        let kind = match error {
            Busy { .. } | Damaged { .. } | Newer { .. } => Exit::State,
            Use { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        let text = error.to_string();
        // the text of a sandbox error is the problem, then the hint
        match text.rsplit_once("; ") {
            Some((wrong, way)) => {
                let (first, rest) = way.split_at(way.chars().next().map_or(0, char::len_utf8));
                Self::new(kind, wrong).hint(format!("{}{rest}.", first.to_uppercase()))
            }
            None => Self::new(kind, text),
        }
    }
}
