//! From argv to an exit code: parses, opens the world, hands the command to the room that does it, prints what went wrong.

use crate::{
    cli::{self, CallerCommand, Command, Format, Invocation, SandboxCommand, StateCommand},
    converge::{Goal, converge},
    crds,
    descriptors::{self, TooFew},
    exit::Exit,
    failure::Failure,
    output::{Options, Terminal, Text, json, log, panics, table, yaml},
    queries, sandbox,
    session::{Session, interrupts, sandbox_options},
};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// How long threads that nobody waits for any more may go on.
const LEFT_OVER: Duration = Duration::from_secs(1);

/// Runs one command to its end.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> Exit {
    let argv: Vec<OsString> = argv.into_iter().collect();
    let before = Terminal::of_process(Options { events_on_stderr: cli::asks_for_events_on_stderr(&argv), ..Options::default() });
    panics::report_to(&before);
    match catch_unwind(AssertUnwindSafe(|| run_to_end(&argv, &before))) {
        Ok(exit) => exit,
        // it was reported where it was raised
        Err(_) => Exit::Bug,
    }
}

fn run_to_end(argv: &[OsString], before: &Terminal) -> Exit {
    let invocation = match cli::parse(argv.iter().cloned()) {
        Ok(invocation) => invocation,
        Err(error) => return no_command(error, before),
    };
    let global = &invocation.global;
    let terminal = Terminal::of_process(Options {
        no_color: global.no_color,
        quiet: global.quiet,
        verbose: global.verbose,
        events_on_stderr: global.events == Some(cli::Events::Stderr),
    });
    panics::report_to(&terminal);
    log::start(&terminal);
    // every TLS connection of every library: one provider, ring
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Err(few) = descriptors::check() {
        return complain(&terminal, global.output, &too_few_files(&few));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(Exit::Failed, format!("could not start: {error}"));
            let failure = failure.hint("The machine gave no more threads or memory: see `ulimit -a`, or end other programs.");
            return complain(&terminal, global.output, &failure);
        }
    };
    let command = holder(argv);
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(perform(&invocation, &terminal, command))));
    // what is still asked on a thread of its own, such as a name server that does not answer, is waited for no longer
    runtime.shutdown_timeout(LEFT_OVER);
    match outcome {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => complain(&terminal, global.output, &failure),
        Err(payload) => answer_failure(&terminal, global.output, &panics::failure(payload.as_ref(), None)),
    }
}

fn no_command(error: cli::Error, terminal: &Terminal) -> Exit {
    let exit = error.exit();
    match error {
        cli::Error::Text(text) => drop(terminal.answer(Text::of_lines(&text))),
        cli::Error::Help(text) => terminal.complain(Text::of_lines(&text)),
        cli::Error::Usage(failure) => terminal.fail(&failure),
    }
    exit
}

fn too_few_files(few: &TooFew) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("could not start: only {} more files can be opened", few.free));
    let needed = descriptors::NEEDED;
    failure
        .because(format!("podid needs {needed} for its state and its connections"))
        .hint("Allow more with `ulimit -n 1024`, then run the same command again.")
}

fn complain(terminal: &Terminal, format: Format, failure: &Failure) -> Exit {
    terminal.fail(failure);
    answer_failure(terminal, format, failure)
}

/// The document that a program reads in the place of the answer.
fn answer_failure(terminal: &Terminal, format: Format, failure: &Failure) -> Exit {
    let document = json::failure(failure);
    let _ = match format {
        Format::Table => Ok(()),
        Format::Json => terminal.answer(json::text(&document)),
        Format::Yaml => terminal.answer(yaml::text(&document)),
    };
    failure.kind
}

/// What others see who find the lock taken. No flag of podid's takes a secret, but somebody may have written one behind a `=`.
fn holder(argv: &[OsString]) -> String {
    let shown = |word: &OsString| match word.to_string_lossy().split_once('=') {
        Some((name, _)) => format!("{name}=..."),
        None => word.to_string_lossy().into_owned(),
    };
    let words: Vec<String> = argv.iter().skip(1).map(shown).collect();
    format!("podid {}", words.join(" "))
}

async fn perform(invocation: &Invocation, terminal: &Terminal, command: String) -> Result<Exit, Failure> {
    if let Command::Sandbox(sandbox) = &invocation.command {
        return sandboxed(invocation, sandbox, terminal).await;
    }
    if let Command::Rbac(rbac) = &invocation.command {
        return queries::rbac(terminal, &invocation.global, rbac);
    }
    let session = Session::open(invocation, terminal.clone(), command).await?;
    let outcome = dispatch(&session, &invocation.command).await;
    session.close().await;
    outcome
}

async fn dispatch(session: &Session, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Up { file, plan, verify } => converge(session, Goal::up(file.clone(), plan.as_deref(), *verify)?).await,
        Command::Plan { file, out, exit_code } => {
            converge(session, Goal::Plan { file: file.clone(), out: out.clone(), exit_code: *exit_code }).await
        }
        Command::Diff { file, exit_code } => queries::diff(session, file.clone(), *exit_code).await,
        Command::Down { file } => converge(session, Goal::Down { file: file.clone() }).await,
        Command::Change { wish, remove } => converge(session, Goal::Wish { wish: wish.clone(), remove: *remove }).await,
        Command::Status { file } => queries::status(session, file.clone()).await,
        Command::Verify(verify) => queries::verify(session, verify).await,
        Command::Look(look) => queries::look(session, look).await,
        Command::Output { key, field } => queries::output(session, key, field.as_deref()),
        Command::State(StateCommand::Rebuild { file }) => queries::rebuild(session, file.clone()).await,
        Command::State(state) => queries::state(session, state),
        Command::Rbac(_) | Command::Sandbox(_) => Err(Failure::new(Exit::Bug, "what needs no session was not dispatched")),
    }
}

async fn sandboxed(invocation: &Invocation, command: &SandboxCommand, terminal: &Terminal) -> Result<Exit, Failure> {
    let options = sandbox_options(&invocation.global);
    let say = |text: Text| terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, e.to_string()));
    // for `eval`, so as they are; quoted for the shell
    let exports = |lines: String| terminal.value(&lines).map_err(|e| Failure::new(Exit::Failed, e.to_string()));
    match command {
        SandboxCommand::Serve { ready_file, listen, clusters, without, imds, log } => {
            let mut stop = interrupts();
            let stopped = async move { drop(stop.wait_for(|s| *s).await) };
            let ready = terminal.clone();
            let wish = |c: &cli::StandIn| sandbox::Wish { name: c.name.clone(), kubeconfig: c.kubeconfig.clone() };
            let player = |p: &cli::Player| match p {
                cli::Player::Mic => sandbox::Player::Mic,
                cli::Player::Nmi => sandbox::Player::Nmi,
                cli::Player::Csi => sandbox::Player::Csi,
            };
            let (stand_ins, without) = (clusters.iter().map(wish).collect(), without.iter().map(player).collect());
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
            for (name, url) in sandbox::reset(&options.dir).await? {
                terminal.say(format!("the cluster at {url}, which stands in for {name}, was left as it is"));
            }
        }
        SandboxCommand::Caller(command) => {
            let wish = match command {
                CallerCommand::Add { name, role, scopes } => {
                    sandbox::CallerWish::Add { name: name.clone(), role: role.clone(), scopes: scopes.clone() }
                }
                CallerCommand::List => sandbox::CallerWish::List,
                CallerCommand::Delete { name } => sandbox::CallerWish::Delete { name: name.clone() },
            };
            let told = sandbox::callers(&options.dir, &wish).await?;
            match invocation.global.output {
                Format::Table if matches!(command, CallerCommand::Add { .. }) => exports(credential(&told))?,
                Format::Table => say(caller(command, &told, terminal))?,
                Format::Json => say(json::text(&told))?,
                Format::Yaml => say(yaml::text(&told))?,
            }
        }
        SandboxCommand::CloudConfig { cluster } => {
            let wish = sandbox::CallerWish::Nodes { cluster: cluster.clone() };
            say(json::text(&sandbox::callers(&options.dir, &wish).await?))?;
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
            table::list(&["NAME", "CLIENT ID", "ROLE", "SCOPE"], &rows, "there are no callers but the world's own", terminal.width)
        }
        CallerCommand::Delete { name } if *told == json!(true) => format!("{name} is gone, and its roles are").into(),
        CallerCommand::Delete { name } => format!("nothing to do: there is no caller {name}").into(),
    }
}

/// One YAML document for each.
fn definitions() -> Result<String, Failure> {
    let mut text = String::new();
    for crd in crds::all() {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&crd).map_err(|e| Failure::new(Exit::Bug, e.to_string()))?);
    }
    Ok(text)
}

fn environment(access: &sandbox::Access) -> String {
    let ca = access.ca.display().to_string();
    let kubeconfig = access.kubeconfig.display().to_string();
    let mut lines = vec![
        ("HTTPS_PROXY", access.proxy.as_str()),
        // nothing goes past the proxy: the sandbox's hosts have no addresses
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
    // for the SDKs that look there in the place of 169.254.169.254
    if let Some(url) = access.imds.values().next() {
        lines.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", url));
    }
    exports(&lines)
}

/// For `eval`: quoted, so that any path survives the shell.
fn exports(lines: &[(&str, &str)]) -> String {
    lines.iter().map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', "'\\''"))).collect()
}

#[cfg(test)]
mod tests {
    use super::holder;

    #[test]
    fn the_holder_of_a_lock_is_named_without_values() {
        let argv = ["podid", "mount", "apply", "--secret", "conn=hunter2", "--state=a.json"].map(Into::into);
        assert_eq!(holder(&argv), "podid mount apply --secret conn=... --state=...");
    }
}
