//! Runs the program from argv to an exit code: parses, opens a session, runs the command, prints its failure.

use crate::{
    cli::{self, Command, Format, Invocation, StateCommand},
    converge::{Goal, converge, only_reach},
    descriptors::{self, TooFew},
    embedded,
    exit::Exit,
    failure::Failure,
    helm,
    output::{Options, Terminal, Text, json, log, panics, yaml},
    queries,
    session::Session,
};
use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// The time limit for background threads after the command.
const LEFT_OVER: Duration = Duration::from_secs(1);

/// Runs one command to its end.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> Exit {
    let argv: Vec<OsString> = argv.into_iter().collect();
    if helm::becomes_helm(&argv) {
        return Exit::Failed;
    }
    let before = Terminal::of_process(Options { events_on_stderr: cli::asks_for_events_on_stderr(&argv), ..Options::default() });
    panics::report_to(&before, |_| ());
    match catch_unwind(AssertUnwindSafe(|| run_to_end(&argv, &before))) {
        Ok(exit) => exit,
        // the panic was reported where it happened
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
    let (own, format) = (terminal.clone(), global.output);
    panics::report_to(&terminal, move |failure| {
        answer_failure(&own, format, failure);
    });
    log::start(&terminal);
    // one provider for the TLS connections of all libraries
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
    // requests on threads of their own, such as to a name server that does not respond, are not waited for any longer
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

/// Returns the document that a program gets instead of the answer.
fn answer_failure(terminal: &Terminal, format: Format, failure: &Failure) -> Exit {
    let document = json::failure(failure);
    let _ = match format {
        Format::Table => Ok(()),
        Format::Json => terminal.answer(json::text(&document)),
        Format::Yaml => terminal.answer(yaml::text(&document)),
    };
    failure.kind
}

/// Returns the command line that others see who find the lock taken. Text after a `=` is cut, because it may be a secret.
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
        return embedded::command(invocation, sandbox, terminal).await;
    }
    if let Command::Rbac(rbac) = &invocation.command {
        return queries::rbac(terminal, &invocation.global, rbac);
    }
    if let Command::Explain(explain) = &invocation.command {
        return queries::explain(terminal, &invocation.global, explain);
    }
    let session = Session::open(invocation, terminal.clone(), command).await?;
    let mut outcome = dispatch(&session, &invocation.command).await;
    if let Err(failure) = &mut outcome {
        let reach = only_reach(&session).await;
        reach.texts(&mut failure.hints);
    }
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
        Command::Change { request, remove } => converge(session, Goal::Request { request: request.clone(), remove: *remove }).await,
        Command::Rotate(rotate) => queries::rotate(session, rotate).await,
        Command::MigrateVault(migrate) => queries::migrate_vault(session, migrate).await,
        Command::Status { file } => queries::status(session, file.clone()).await,
        Command::Verify(verify) => queries::verify(session, verify).await,
        Command::Probe(probe) => queries::probe(session, probe).await,
        Command::Credentials(wanted) => queries::credentials(session, wanted).await,
        Command::Read(look) => queries::look(session, look).await,
        Command::Doctor(doctor) => queries::doctor(session, doctor).await,
        Command::Lint(lint) => queries::lint(session, lint).await,
        Command::Logs(logs) => queries::logs(session, logs).await,
        Command::Exceptions { namespace, cluster } => queries::exceptions(session, namespace.as_deref(), cluster.as_ref()).await,
        Command::Inventory(inventory) => queries::inventory(session, inventory).await,
        Command::Why(why) => queries::why(session, why).await,
        Command::WhoCan(who) => queries::who_can(session, who).await,
        Command::Import(import) => queries::import(session, import).await,
        Command::Graph(graph) => queries::graph(session, graph).await,
        Command::Components { cluster } => queries::components(session, cluster.as_ref()).await,
        Command::Prune { scope, all } => {
            let orphans = queries::orphans(session, scope.as_ref(), *all).await?;
            converge(session, Goal::Prune { orphans }).await
        }
        Command::AppStatus(status) => queries::app_status(session, status).await,
        Command::PrintPatch(print) => queries::print_patch(session, print).await,
        Command::Output { key, field } => queries::output(session, key, field.as_deref()),
        Command::State(StateCommand::Rebuild { file }) => queries::rebuild(session, file.clone()).await,
        Command::State(state) => queries::state(session, state),
        Command::Rbac(_) | Command::Explain(_) | Command::Sandbox(_) => {
            Err(Failure::new(Exit::Bug, "what needs no session was not dispatched"))
        }
    }
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
