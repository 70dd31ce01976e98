//! Which run of podid made a pod, so that a later one can tell what a killed run left behind from what a living one needs.

use std::{fs, path::Path};

/// Annotation of the proof's pod.
pub(super) const RUN: &str = "podid/run";

/// Boot, process namespace, process id and its start time. None where the system has no /proc.
pub(super) fn of_this_process() -> Option<String> {
    of(Path::new("/proc"), "self")
}

/// Whether the run is known to have ended. A run of another machine, or from before a restart, is not known.
pub(super) fn has_ended(run: &str) -> bool {
    ended(Path::new("/proc"), run)
}

fn of(proc: &Path, process: &str) -> Option<String> {
    let boot = fs::read_to_string(proc.join("sys/kernel/random/boot_id")).ok()?;
    let namespace = fs::read_link(proc.join("self/ns/pid")).ok()?;
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let (id, start) = stat(proc, process)?;
    Some(format!("{}/{namespace}/{id}/{start}", boot.trim()))
}

/// Process id and start time; None for one that is not there, or has ended and is only not collected yet.
fn stat(proc: &Path, process: &str) -> Option<(String, String)> {
    let stat = fs::read_to_string(proc.join(process).join("stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let id = before.split_whitespace().next()?;
    // proc(5): the state is field 3, the start time field 22
    let (state, start) = (fields.first()?, fields.get(19)?);
    (!matches!(*state, "Z" | "X")).then(|| (id.to_owned(), (*start).to_owned()))
}

fn ended(proc: &Path, run: &str) -> bool {
    let parts: Vec<&str> = run.split('/').collect();
    let ([boot, namespace, id, start], Some(own)) = (parts.as_slice(), of(proc, "self")) else { return false };
    if !own.starts_with(&format!("{boot}/{namespace}/")) || id.parse::<u32>().is_err() {
        return false;
    }
    stat(proc, id).is_none_or(|(_, now)| now != *start)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_has_not_ended_and_a_dead_one_has() {
        let own = of_this_process().unwrap();
        assert!(!has_ended(&own));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let of_child = of(Path::new("/proc"), &child.id().to_string()).unwrap();
        assert!(!has_ended(&of_child));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(has_ended(&of_child));
    }

    #[test]
    fn a_run_of_another_machine_is_not_known_to_have_ended() {
        assert!(!has_ended("11111111-2222-3333-4444-555555555555/4026531836/1/1"));
        assert!(!has_ended(""));
        assert!(!has_ended("nonsense"));
    }
}
