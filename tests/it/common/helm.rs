//! A real helm (scripts/with-helm). PODID_TEST_HELM decides: `required` (built if missing), `off`, or unset: used if it is built, else one
//! line says what was not run.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Returns its path; None if it is not to be used.
pub fn program() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find).as_deref()
}

fn find() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/with-helm");
    let not = |why: &str| {
        // libtest captures what eprintln prints
        let _ = std::io::stderr().write_all(format!("not run: the tests with a real helm ({why})\n").as_bytes());
        None
    };
    match std::env::var("PODID_TEST_HELM").as_deref() {
        Ok("required") => {}
        Ok("off") => return not("PODID_TEST_HELM=off"),
        Ok("") | Err(_) => match Command::new(&script).arg("--have").stdin(Stdio::null()).status().ok().and_then(|s| s.code()) {
            Some(0) => {}
            Some(3) => return not("it is not built yet; `scripts/with-helm true` builds it, once, in about 3 minutes"),
            _ => return not("it cannot be built here; `scripts/with-helm true` says what is missing"),
        },
        Ok(other) => panic!("PODID_TEST_HELM is `required`, `off` or unset, not {other:?}"),
    }
    let output = Command::new(&script).args(["sh", "-c", "command -v helm"]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "there is no helm: {}", String::from_utf8_lossy(&output.stderr));
    Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
}
