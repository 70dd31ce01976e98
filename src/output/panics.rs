//! Reports a panic, which is a bug in podid, like any other failure: cleaned, and as an event if stderr holds events.

use super::{Terminal, Text};
use crate::{exit::Exit, failure::Failure};
use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    panic,
};

/// Reports each panic of this process, in whichever thread, to the terminal. Where a panic does not unwind, it also answers and ends the
/// process: what was begun is in the journal of the state, as after a kill.
pub fn report_to(terminal: &Terminal, answer: impl Fn(&Failure) + Send + Sync + 'static) {
    let terminal = terminal.clone();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|at| format!("at {}:{}", at.file(), at.line()));
        terminal.fail(&failure(info.payload(), place));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            terminal.complain(Text::of_lines(&backtrace.to_string()));
        }
        if cfg!(panic = "abort") {
            answer(&failure(info.payload(), None));
            std::process::exit(Exit::Bug.code().into());
        }
    }));
}

/// Returns the message of a panic.
pub fn failure(payload: &(dyn Any + Send), place: Option<String>) -> Failure {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let failure = Failure::new(Exit::Bug, "internal error (this is a bug in podid)").because(text.unwrap_or("panic without a message"));
    let failure = place.into_iter().fold(failure, Failure::because);
    failure.hint("Please report it with the command and this message.")
}
