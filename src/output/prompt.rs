//! Asks questions. Without a person to answer, each fails and reports the flag that answers it. Questions block, so a task asks on its own
//! thread.

use super::{
    Line, Terminal,
    typed::{self, Stopped},
};
use crate::{exit::Exit, failure::Failure};
use dialoguer::{Select, console::Term};
use secrecy::{ExposeSecret, SecretString};
use std::io;

/// Asks for consent to what was just shown: `--yes`, or a person who types y or yes. A `CI` variable is not consent.
pub fn consent(terminal: &Terminal, question: &str, yes: bool, stopped: Stopped<'_>) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !terminal.can_ask() {
        return Err(no_terminal("there is no terminal to ask for consent").hint("Add `--yes` to do it without being asked."));
    }
    let answer = answered(typed::line(&format!("{question} [y/N] "), stopped))?;
    if is_yes(&answer) { Ok(()) } else { Err(Failure::new(Exit::Refused, "cancelled; nothing was changed")) }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

/// Asks for a secret's value, typed twice without echo. `name` says what it is for.
pub fn secret_value(terminal: &Terminal, name: &str, stopped: Stopped<'_>) -> Result<SecretString, Failure> {
    if !terminal.can_ask() {
        let message = format!("there is no terminal to ask for the value of {name}");
        return Err(no_terminal(&message)
            .hint("Give it with `--file FILE`, `--env VARIABLE` or `--stdin`, or let podid generate one with `--generate`."));
    }
    let mut question = format!("Value of {name}: ");
    loop {
        let value = answered(typed::hidden(&question, stopped))?;
        if value.expose_secret().is_empty() {
            question = format!("It is empty. Value of {name}: ");
            continue;
        }
        let again = answered(typed::hidden("Again: ", stopped))?;
        if value.expose_secret() == again.expose_secret() {
            return Ok(value);
        }
        question = format!("They differ. Value of {name}: ");
    }
}

/// Asks which candidate is meant, and returns its index. `what` is such as `identity`, `flag` is such as `--identity NAME`.
pub fn select(terminal: &Terminal, what: &str, candidates: &[String], flag: &str) -> Result<usize, Failure> {
    let unclear = || Failure::new(Exit::Refused, format!("it is not clear which {what} is meant: {}", candidates.join(", ")));
    if !terminal.can_ask() {
        return Err(unclear().hint(format!("Say which one by `{flag}`.")));
    }
    typed::drop_what_was_typed();
    let shown = candidates.iter().map(|candidate| Line::from(candidate.as_str()).to_string());
    let prompt = Select::new().with_prompt(format!("Which {what}?")).items(shown).default(0);
    let answer = prompt.interact_on_opt(&Term::stderr()).map_err(|dialoguer::Error::IO(error)| error);
    answered(answer)?.ok_or_else(unclear)
}

fn no_terminal(message: &str) -> Failure {
    Failure::new(Exit::Refused, message)
}

/// Shows the cursor again, which Ctrl-C at a question leaves hidden.
fn answered<T>(answer: io::Result<T>) -> Result<T, Failure> {
    answer.map_err(|error| {
        // the cursor is still on the line of the question
        let _ = Term::stderr().show_cursor().and_then(|()| Term::stderr().write_line(""));
        match error.kind() {
            io::ErrorKind::Interrupted => Failure::new(Exit::Interrupted, "interrupted at a question; nothing was changed"),
            io::ErrorKind::InvalidInput => Failure::new(Exit::Usage, error.to_string())
                .hint("Give it with `--file FILE` or `--stdin`, which take any number of lines."),
            _ => Failure::new(Exit::Refused, "the question could not be asked").because(error.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_y_and_yes_are_consent() {
        for answer in ["y", "Y", "yes", "YES", "Yes", " yes \n", "y\r\n"] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n", "no", "maybe", "yy", "yes please", "ye", "ja", "y n", "podid verify", "j"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
