//! The pause before the first token request after a federated credential was written. Entra may cache the refusal of an early request and
//! then refuse later ones for minutes, so that trying is worse than waiting (Entra documentation, "Important considerations and restrictions
//! for federated identity credentials", section on propagation delays).

use super::{prover::Prover, target::Target};
use crate::engine::{event::Event, fault::Fault};
use jiff::Timestamp;
use std::time::Duration;

impl Prover {
    pub(super) async fn settle(&self, target: &Target) -> Result<(), Fault> {
        let Some(written) = target.mode.written(&self.ledger, &target.bound) else { return Ok(()) };
        let pause = left(written, Timestamp::now(), self.settle).min(self.limit);
        if pause.is_zero() {
            return Ok(());
        }
        let text = format!(
            "waiting {:.0} s until all of Entra knows the new federated credential (it remembers the refusal of an early request)",
            pause.as_secs_f64().ceil()
        );
        (self.events)(Event::Waiting { key: target.bound.keys.first().cloned(), text });
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            _ = stop.wait_for(|s| *s) => Err(Fault::Interrupted),
        }
    }
}

/// What is left of the pause. A clock that was set back since then does not make it longer.
fn left(written: Timestamp, now: Timestamp, settle: Duration) -> Duration {
    match Duration::try_from(now.duration_since(written)) {
        Ok(age) => settle.saturating_sub(age),
        Err(_) => settle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_left_of_the_pause_is_waited_for() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let settle = Duration::from_secs(15);
        assert_eq!(left(at(100), at(104), settle), Duration::from_secs(11));
        assert_eq!(left(at(100), at(500), settle), Duration::ZERO);
        assert_eq!(left(at(100), at(10), settle), settle);
        assert_eq!(left(at(100), at(100), Duration::ZERO), Duration::ZERO);
    }
}
