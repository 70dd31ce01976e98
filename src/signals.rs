//! The signals that end a run: Ctrl-C, SIGTERM, and SIGHUP, which comes when the terminal or the connection to it closes.

use crate::exit::Exit;
use tokio::sync::watch;

/// Listens for signals. After the first one, running actions finish and are recorded; a second Ctrl-C or SIGTERM ends the program. SIGHUP
/// comes more than once for one closed terminal, from the shell and from the kernel, so it never counts as the second.
pub fn interrupts() -> watch::Receiver<bool> {
    let (send, receive) = watch::channel(false);
    tokio::spawn(async move {
        let mut signals = Signals::listen();
        signals.any().await;
        send.send_replace(true);
        signals.by_hand().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    receive
}

#[cfg(unix)]
struct Signals {
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if hangup_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self { terminate: signal(SignalKind::terminate()).ok(), hangup }
    }

    async fn any(&mut self) {
        tokio::select! {
            () = first(tokio::signal::ctrl_c()) => {}
            () = received(&mut self.terminate) => {}
            () = received(&mut self.hangup) => {}
        }
    }

    /// Waits for a signal that is sent on purpose.
    async fn by_hand(&mut self) {
        tokio::select! {
            () = first(tokio::signal::ctrl_c()) => {}
            () = received(&mut self.terminate) => {}
        }
    }
}

/// Waits forever, for a signal without a listener.
#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Returns whether SIGHUP is ignored, as under `nohup`. A listener would undo that.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Parses `SigIgn`, a hexadecimal mask whose lowest bit is SIGHUP.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }
    async fn any(&mut self) {
        first(tokio::signal::ctrl_c()).await;
    }
    async fn by_hand(&mut self) {
        first(tokio::signal::ctrl_c()).await;
    }
}

async fn first(signal: impl Future<Output = std::io::Result<()>>) {
    if signal.await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_detected_in_the_mask() {
        assert!(ignores_hangup("Name:\tpodid\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup("SigBlk:\t0000000000000001\n"));
    }
}
