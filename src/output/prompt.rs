//! Questions. Each is asked only where a person can answer, and elsewhere names the flag that answers it.
//! They block; a task asks from a thread of its own.

use super::Terminal;
use crate::{exit::Exit, failure::Failure};
use dialoguer::{Confirm, Password, Select, console::Term};
use secrecy::SecretString;
use std::io;

/// Consent to what was just shown: `--yes`, or a person who says so. A `CI` variable is no consent.
pub fn consent(terminal: &Terminal, question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !terminal.can_ask() {
        return Err(no_terminal("there is no terminal to ask for consent").hint("Add `--yes` to do it without being asked."));
    }
    match answered(Confirm::new().with_prompt(question).default(false).interact_on_opt(&Term::stderr()))? {
        Some(true) => Ok(()),
        _ => Err(Failure::new(Exit::Refused, "it was not consented to; nothing was changed")),
    }
}

/// A secret's value, typed twice and shown to nobody. `name` is what it is for.
pub fn secret_value(terminal: &Terminal, name: &str) -> Result<SecretString, Failure> {
    if !terminal.can_ask() {
        let message = format!("there is no terminal to ask for the value of {name}");
        return Err(
            no_terminal(&message).hint("Give it by `--file FILE`, `--env VARIABLE` or `--stdin`, or let podid make one by `--generate`.")
        );
    }
    let prompt = Password::new().with_prompt(format!("Value of {name}")).with_confirmation("Again", "They differ.");
    answered(prompt.interact_on(&Term::stderr())).map(SecretString::from)
}

/// Which of several: its place among the candidates. `what` as in `identity`, `flag` as in `--identity NAME`.
pub fn select(terminal: &Terminal, what: &str, candidates: &[String], flag: &str) -> Result<usize, Failure> {
    let unclear = || Failure::new(Exit::Refused, format!("it is not clear which {what} is meant: {}", candidates.join(", ")));
    if !terminal.can_ask() {
        return Err(unclear().hint(format!("Say which one by `{flag}`.")));
    }
    let prompt = Select::new().with_prompt(format!("Which {what}?")).items(candidates).default(0);
    answered(prompt.interact_on_opt(&Term::stderr()))?.ok_or_else(unclear)
}

fn no_terminal(message: &str) -> Failure {
    Failure::new(Exit::Refused, message)
}

/// Ctrl-C at a question leaves the cursor hidden if nobody shows it again.
fn answered<T>(answer: dialoguer::Result<T>) -> Result<T, Failure> {
    answer.map_err(|dialoguer::Error::IO(error)| {
        // the question's line is still open
        let _ = Term::stderr().show_cursor().and_then(|()| Term::stderr().write_line(""));
        match error.kind() {
            io::ErrorKind::Interrupted => Failure::new(Exit::Interrupted, "interrupted at a question; nothing was changed"),
            _ => Failure::new(Exit::Refused, "the question could not be asked").because(error.to_string()),
        }
    })
}
