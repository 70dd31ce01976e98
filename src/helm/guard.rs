//! Lets helm end with podid, also where podid is killed: two helms at work on one release would undo each other. podid starts itself again,
//! which asks the kernel for that and then becomes helm; the wish outlives `exec` (prctl(2), PR_SET_PDEATHSIG). Only Linux has this.

use std::{ffi::OsString, path::PathBuf};

/// The first argument of podid where it is to become helm. No command of podid has such a name.
const WORD: &str = "__becomes-helm";

/// The program that becomes helm, and its first arguments. None: helm is started as it is.
pub(super) fn starter() -> Option<(PathBuf, Vec<OsString>)> {
    cfg!(target_os = "linux").then(|| ("/proc/self/exe".into(), vec![WORD.into(), std::process::id().to_string().into()]))
}

/// Becomes helm if the arguments say so. Returns false if they do not, and true if helm could not be started.
#[cfg(target_os = "linux")]
pub fn becomes_helm(argv: &[OsString]) -> bool {
    use std::os::unix::process::CommandExt as _;
    let [_, word, parent, program, arguments @ ..] = argv else { return false };
    if word != WORD {
        return false;
    }
    // what is killed records nothing, and the next run heals it: a helm that is only asked to end would still write meanwhile
    let asked = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let lives = rustix::process::getppid().is_some_and(|id| parent.to_str() == Some(id.as_raw_nonzero().to_string().as_str()));
    if asked.is_ok() && lives {
        let _ = std::process::Command::new(program).args(arguments).exec();
    }
    true
}

#[cfg(not(target_os = "linux"))]
pub fn becomes_helm(_: &[OsString]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_podid_does_not_become_helm() {
        for argv in [&["podid"][..], &["podid", "up"], &["podid", "up", "-f", "a.yaml", "--yes"], &["podid", WORD]] {
            let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
            assert!(!becomes_helm(&argv));
        }
    }
}
