//! Shows the progress of a run on stderr: on a terminal a line for each running action, elsewhere a line when it starts and when it ends.

use super::{
    Line, Terminal,
    wording::{doing, done, time, verb},
};
use crate::engine::{event::Event, key::Key, plan::Act};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub struct Progress {
    terminal: Terminal,
    /// The progress bars. None for plain lines.
    bars: Option<MultiProgress>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    bars: BTreeMap<Key, (Act, ProgressBar)>,
    looking: Option<ProgressBar>,
    /// The last message of each action, so that it is not repeated.
    said: BTreeMap<Option<Key>, String>,
}

const TICK: Duration = Duration::from_millis(100);

impl Progress {
    pub fn new(terminal: &Terminal) -> Self {
        let living = terminal.stderr_tty && !terminal.quiet && !terminal.events_on_stderr;
        let bars = living.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { terminal: terminal.clone(), bars, running: Mutex::default() }
    }

    pub fn tell(&self, event: &Event) {
        // the events contain the same
        if self.terminal.events_on_stderr {
            return;
        }
        let mut running = self.running();
        match event {
            Event::Observing { nodes } => running.looking = self.bar(&format!("looking at {nodes} resources")),
            Event::Observed { took } => {
                self.clear(running.looking.take());
                if self.terminal.verbose > 0 {
                    self.line(format!("looked in {}", time(*took)));
                }
            }
            Event::Started { key, act } => {
                let begun = format!("{} {key}", doing(*act));
                match self.bar(&begun) {
                    Some(bar) => drop(running.bars.insert(key.clone(), (*act, bar))),
                    None => self.line(format!("{begun} ...")),
                }
            }
            Event::Waiting { key, text } => self.waiting(&mut running, key.as_ref(), text),
            Event::Done { key, act, took } => {
                self.end(&mut running, key);
                self.line(Line::new().green(done(*act)).plain(format!(" {key} in {}", time(*took))));
            }
            Event::Failed { key, act, fault } => {
                self.end(&mut running, key);
                self.line(Line::new().red("failed").plain(format!(" to {} {key}: {fault}", verb(*act))));
            }
            // actions that waited for a failed one are reported at the end, together
            Event::NotStarted { .. } => {}
        }
    }

    fn waiting(&self, running: &mut Running, key: Option<&Key>, text: &str) {
        if running.said.get(&key.cloned()).is_some_and(|said| said == text) {
            return;
        }
        running.said.insert(key.cloned(), text.to_owned());
        match key.and_then(|key| running.bars.get(key).map(|found| (key, found))) {
            Some((key, (act, bar))) => bar.set_message(Line::from(format!("{} {key}: {text}", doing(*act))).to_string()),
            None => {
                let whose = key.map(|key| format!("{key}: ")).unwrap_or_default();
                self.line(format!("{whose}{text}"));
            }
        }
    }

    /// Runs `write`, which may write to stderr, while no progress is drawn.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Clears what is still drawn.
    pub fn finish(&self) {
        let mut running = self.running();
        let left = std::mem::take(&mut running.bars);
        left.into_values().for_each(|(_, bar)| self.clear(Some(bar)));
        self.clear(running.looking.take());
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, message: &str) -> Option<ProgressBar> {
        let bars = self.bars.as_ref()?;
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = bars.add(ProgressBar::new_spinner().with_style(style).with_message(Line::from(message).to_string()));
        bar.enable_steady_tick(TICK);
        Some(bar)
    }

    fn end(&self, running: &mut Running, key: &Key) {
        self.clear(running.bars.remove(key).map(|(_, bar)| bar));
        running.said.remove(&Some(key.clone()));
    }

    fn clear(&self, bar: Option<ProgressBar>) {
        if let (Some(bars), Some(bar)) = (&self.bars, bar) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }

    fn line(&self, line: impl Into<Line>) {
        self.suspend(|| self.terminal.say(line.into()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
