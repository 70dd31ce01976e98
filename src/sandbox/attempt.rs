//! Undoes a change that fails half-way. The message of a panic may quote a value, so it is written nowhere.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::Once,
    task::Poll,
};

/// State that can be set back to how it was when a change began.
pub trait Undo {
    fn begin(&mut self);
    fn commit(&mut self);
    fn undo(&mut self);
}

/// There was a panic, and its changes were undone. The place of the panic was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

thread_local! {
    /// How many attempts are running on this thread, one inside the other.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// The exit code of a bug.
const BUG: i32 = 70;

/// Within an attempt, a panic logs only its place, because its message may hold a part of the request. Other panics are reported as usual.
fn hide_panic_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.with(Cell::get) == 0 {
                return before(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!("internal error in the sandbox at {place} (this is a bug in podid)");
            if cfg!(panic = "abort") {
                std::process::exit(BUG);
            }
        }));
    });
}

struct Inside;

impl Inside {
    fn enter() -> Self {
        hide_panic_messages();
        INSIDE.with(|inside| inside.set(inside.get() + 1));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with(|inside| inside.set(inside.get().saturating_sub(1)));
    }
}

/// Runs `act`, which must not change anything that outlives it, or must undo its changes itself.
pub fn caught<T>(act: impl FnOnce() -> T) -> Result<T, Panicked> {
    let _inside = Inside::enter();
    panic::catch_unwind(AssertUnwindSafe(act)).map_err(dropped)
}

/// Does the same as `caught` for a future.
pub async fn caught_while<T>(what: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut what = pin!(what);
    std::future::poll_fn(move |context| match caught(|| what.as_mut().poll(context)) {
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// A payload that is not a text may panic again when it is dropped, so it is leaked.
fn dropped(payload: Box<dyn Any + Send>) -> Panicked {
    if !(payload.is::<String>() || payload.is::<&str>()) {
        std::mem::forget(payload);
    }
    Panicked
}

/// Panics in the middle of a change if a test asks for it, with a text that must not appear anywhere.
#[cfg(test)]
pub fn panic_if_asked(request: &super::http::Request) {
    if let Some(text) = request.header("x-podid-test-panic") {
        panic!("{text}");
    }
}

/// Runs `act` on the state. After a panic the state is as it was before.
pub fn attempt<S: Undo, T>(state: &mut S, act: impl FnOnce(&mut S) -> T) -> Result<T, Panicked> {
    state.begin();
    let done = caught(|| act(state));
    match done {
        Ok(_) => state.commit(),
        Err(Panicked) => state.undo(),
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure;

    #[test]
    fn a_change_that_panics_is_undone() {
        let mut state = azure::seed::new(0);
        let before = serde_json::to_value(&state).unwrap();
        let assignment = state.assignments.iter().next().unwrap().clone();
        let done = attempt(&mut state, |state| {
            state.groups.retain(|_, _| false);
            state.assignments.remove(&assignment.name);
            state.next_generation("one more");
            let none: Option<u8> = None;
            assert!(none.is_some(), "half-way");
        });
        assert_eq!(done, Err(Panicked));
        assert_eq!(serde_json::to_value(&state).unwrap(), before);
        assert!(state.assignments.of(&assignment.principal).any(|a| a.name == assignment.name), "the index is restored as well");
        assert_eq!(attempt(&mut state, |state| state.next_generation("one more")), Ok(1));
        assert_eq!(state.generation("one more"), 1);
    }
}
