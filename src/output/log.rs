//! The log of `-vv` and `-vvv`: a line for each request, on stderr; never bodies or headers.

use super::Terminal;
use std::io;
use tracing::Level;
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    prelude::*,
};

pub fn start(terminal: &Terminal) {
    let shown = match terminal.verbose {
        0 | 1 => return,
        2 => Targets::new().with_target("podid", Level::DEBUG),
        _ => Targets::new().with_target("podid", Level::TRACE).with_target("kube_client", Level::DEBUG),
    };
    // podid's colors would be indistinguishable from those in a server's response
    let lines = fmt::layer().with_ansi(false).with_writer(Log(terminal.clone()));
    let _ = tracing_subscriber::registry().with(lines).with(shown).try_init();
}

/// Receives each line of the log in one piece.
#[derive(Clone)]
struct Log(Terminal);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.debug(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Kept;
    use super::*;

    #[test]
    fn a_line_of_the_log_stays_one_line() {
        let err = Kept::default();
        let log = Log(Terminal::piped(io::sink(), err.clone()));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(log).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(host = "\u{1b}[31mkv\n::error::x", "GET \u{202e}/a\nplan: 0 to create");
        });
        let text = err.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.trim_end().chars().all(super::super::clean::is_visible) && text.contains("plan: 0 to create"), "{text}");
    }
}
