//! The only place that prints or asks. Answers go to stdout, everything else to stderr.
//! Written over plain data: plans, reports, events, failures; it calls nothing of the rest.

pub mod events;
pub mod human;
pub mod json;
pub mod paint;
pub mod progress;
pub mod prompt;
pub mod stdin;
pub mod table;
mod tell;
mod typed;
pub mod unified;
pub mod yaml;

pub use paint::Paint;

use dialoguer::console::Term;
use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

type Stream = Arc<Mutex<dyn Write + Send>>;

/// Where to print, and what is on the other side. Cheap to clone.
#[derive(Clone)]
pub struct Terminal {
    pub stdin_tty: bool,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
    /// Colour of answers, and of all the rest.
    pub color_out: Paint,
    pub color_err: Paint,
    /// Columns, where stdout is a terminal.
    pub width: Option<u16>,
    pub quiet: bool,
    pub verbose: u8,
    out: Stream,
    err: Stream,
}

impl Terminal {
    /// The process's own.
    pub fn of_process(no_color: bool, quiet: bool, verbose: u8) -> Self {
        let variable = |name: &str| env::var(name).ok();
        let (stdout_tty, stderr_tty) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            stdin_tty: io::stdin().is_terminal(),
            stdout_tty,
            stderr_tty,
            color_out: Paint(paint::wanted(no_color, stdout_tty, variable)),
            color_err: Paint(paint::wanted(no_color, stderr_tty, variable)),
            width: stdout_tty.then(|| Term::stdout().size().1),
            quiet,
            verbose,
            out: Arc::new(Mutex::new(io::stdout())),
            err: Arc::new(Mutex::new(io::stderr())),
        }
    }

    /// No terminal: what is printed goes to `out` and `err`. For tests and for programs that use this crate.
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
            out: Arc::new(Mutex::new(out)),
            err: Arc::new(Mutex::new(err)),
        }
    }

    /// What was asked for, on stdout. A reader that has read enough (`| head`) is no failure.
    pub fn answer(&self, text: &str) -> io::Result<()> {
        match write(&self.out, text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// What happens meanwhile, on stderr, unless `--quiet`. There is nobody to tell if that fails.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            let _ = write(&self.err, text);
        }
    }

    /// What must be seen, on stderr.
    pub fn complain(&self, text: &str) {
        let _ = write(&self.err, text);
    }

    /// Whether somebody is there to be asked.
    pub fn can_ask(&self) -> bool {
        self.stdin_tty && self.stderr_tty
    }
}

/// Ends with exactly one line break.
fn write(stream: &Stream, text: &str) -> io::Result<()> {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        return Ok(());
    }
    stream.write_all(text.as_bytes())?;
    stream.write_all(b"\n")?;
    stream.flush()
}

#[cfg(test)]
#[cfg(unix)]
mod on_a_terminal;
#[cfg(test)]
mod tests;
