//! The only place that prints or asks. Answers go to stdout, everything else to stderr.
//! It takes plain data: plans, reports, events, failures.

mod clean;
pub mod events;
pub mod human;
pub mod json;
pub mod log;
pub mod paint;
pub mod panics;
pub mod progress;
pub mod prompt;
pub mod stdin;
pub mod table;
pub mod text;
mod typed;
pub mod unified;
mod wording;
pub mod yaml;

pub use paint::Paint;
pub use text::{Line, Text};

use crate::failure::Failure;
use dialoguer::console::Term;
use serde_json::Value;
use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

type Stream = Arc<Mutex<dyn Write + Send>>;

/// The output settings from the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub no_color: bool,
    pub quiet: bool,
    pub verbose: u8,
    /// Whether stderr holds only JSON lines (`--events -`). Messages for people become events.
    pub events_on_stderr: bool,
}

/// The streams to print to, and their properties. Cheap to clone.
#[derive(Clone)]
pub struct Terminal {
    pub stdin_tty: bool,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
    /// Whether stdout, and stderr, are colored.
    color_out: Paint,
    color_err: Paint,
    /// The number of columns if stdout is a terminal.
    pub width: Option<u16>,
    pub quiet: bool,
    pub verbose: u8,
    events_on_stderr: bool,
    out: Stream,
    err: Stream,
}

impl Terminal {
    /// Returns the terminal of this process.
    pub fn of_process(options: Options) -> Self {
        let variable = |name: &str| env::var(name).ok();
        let (stdout_tty, stderr_tty) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            stdin_tty: io::stdin().is_terminal(),
            stdout_tty,
            stderr_tty,
            color_out: Paint(paint::wanted(options.no_color, stdout_tty, variable)),
            color_err: Paint(paint::wanted(options.no_color, stderr_tty, variable)),
            width: stdout_tty.then(|| Term::stdout().size().1),
            quiet: options.quiet,
            verbose: options.verbose,
            events_on_stderr: options.events_on_stderr,
            out: Arc::new(Mutex::new(io::stdout())),
            err: Arc::new(Mutex::new(io::stderr())),
        }
    }

    /// Returns a terminal that prints to `out` and `err`, for tests.
    #[cfg(test)]
    pub fn piped(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self {
            stdin_tty: false,
            stdout_tty: false,
            stderr_tty: false,
            color_out: Paint(false),
            color_err: Paint(false),
            width: None,
            quiet: false,
            verbose: 0,
            events_on_stderr: false,
            out: Arc::new(Mutex::new(out)),
            err: Arc::new(Mutex::new(err)),
        }
    }

    /// Prints an answer to stdout. A reader that closes the pipe (`| head`) is not a failure.
    pub fn answer(&self, text: impl Into<Text>) -> io::Result<()> {
        unless_closed(write(&self.out, &text.into().render(self.color_out)))
    }

    /// Prints a value for scripts to stdout, byte for byte. On a terminal it is escaped like everything else.
    pub fn value(&self, value: &str) -> io::Result<()> {
        if self.stdout_tty {
            return self.answer(Text::of_lines(value));
        }
        unless_closed(write(&self.out, value))
    }

    /// Prints a message to stderr, unless `--quiet`. A failure to print is ignored.
    pub fn say(&self, text: impl Into<Text>) {
        if !self.quiet {
            self.message("info", &text.into());
        }
    }

    /// Prints a message that must be seen to stderr.
    pub fn complain(&self, text: impl Into<Text>) {
        self.message("warning", &text.into());
    }

    /// Prints a failure to stderr.
    pub fn fail(&self, failure: &Failure) {
        if self.events_on_stderr {
            return self.event(events::failure(failure));
        }
        self.message("error", &human::failure(failure));
    }

    /// Prints a line of the `-vv` log to stderr.
    fn debug(&self, line: &str) {
        self.message("debug", &Text::from(line));
    }

    /// Prints the output of a program that podid runs, as it arrives: the end of a line may come later.
    pub fn pass_on(&self, text: &str) {
        if self.events_on_stderr {
            return self.message("info", &Text::of_lines(text));
        }
        let lines: Vec<String> = text.replace("\r\n", "\n").split('\n').map(|line| Line::from(line).to_string()).collect();
        let mut stream = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        // a closed terminal is not a failure
        let _ = stream.write_all(lines.join("\n").as_bytes()).and_then(|()| stream.flush());
    }

    fn message(&self, level: &str, text: &Text) {
        if !self.events_on_stderr {
            let _ = write(&self.err, &text.render(self.color_err));
        } else if !text.is_empty() {
            self.event(events::message(level, text));
        }
    }

    /// Prints a JSON line to stderr.
    fn event(&self, document: Value) {
        let _ = write(&self.err, &events::line(document));
    }

    /// Returns whether a person can be asked.
    pub fn can_ask(&self) -> bool {
        self.stdin_tty && self.stderr_tty && !self.events_on_stderr
    }
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a text with exactly one line break at its end, in one write, so that another process cannot write in between.
fn write(stream: &Stream, text: &str) -> io::Result<()> {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        return Ok(());
    }
    stream.write_all(format!("{text}\n").as_bytes())?;
    stream.flush()
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
#[cfg(unix)]
mod on_a_terminal;
#[cfg(test)]
mod tests;
