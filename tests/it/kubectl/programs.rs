//! The kubectl programs of this machine: those in PATH, and the siblings of the one that it leads to (a dispatcher chooses among them).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

pub struct Program {
    /// The minor version: 1.MINOR.
    pub minor: u32,
    pub path: PathBuf,
}

/// Returns them by minor version, the newest last. The list is printed once, past the test runner's capture.
pub fn all() -> &'static [Program] {
    static ALL: OnceLock<Vec<Program>> = OnceLock::new();
    ALL.get_or_init(|| {
        let (found, told) = find();
        let line = match (found.is_empty(), std::env::var("PODID_KUBECTL").as_deref()) {
            (true, Ok("required")) => panic!("PODID_KUBECTL=required, and there is no kubectl in PATH"),
            (true, _) => "no kubectl in PATH: its tests are not run".to_owned(),
            (false, _) => format!(
                "kubectl {} on the sandbox (of versions that print the same: one), the newest of them on a control plane, too",
                told.join(", ")
            ),
        };
        let _ = writeln!(std::io::stderr(), "{line}");
        found
    })
}

/// Returns the program that PATH leads to, whatever it is.
pub fn first() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|program| program.is_file())
}

fn find() -> (Vec<Program>, Vec<String>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(first().and_then(|program| Some(program.canonicalize().ok()?.parent()?.to_owned())));
    let named = |name: &str| name == "kubectl" || name.strip_prefix("kubectl.1.").is_some_and(|minor| minor.parse::<u32>().is_ok());
    let mut found: BTreeMap<u32, (PathBuf, String)> = BTreeMap::new();
    for entry in folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(named) {
            continue;
        }
        let Ok(output) = Command::new(entry.path()).args(["version", "--client", "-o", "json"]).env("HOME", "/nonexistent").output() else {
            continue;
        };
        let Ok(told) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else { continue };
        let version = told["clientVersion"]["gitVersion"].as_str().unwrap_or_default().to_owned();
        let minor = version.trim_start_matches("v1.").split('.').next().and_then(|minor| minor.parse().ok());
        // A dispatcher only starts other programs.
        if let Some(minor) = minor.filter(|_| !version.contains("dispatcher")) {
            found.entry(minor).or_insert((entry.path(), version));
        }
    }
    let told = found.values().map(|(_, version)| version.trim_start_matches('v').to_owned()).collect();
    (found.into_iter().map(|(minor, (path, _))| Program { minor, path }).collect(), told)
}
