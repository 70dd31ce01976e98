//! Rules that the compiler does not hold: no files that import each other in a loop, foreign crates only in their module, who prints,
//! what a file opens with, and how long it may be. The sources are read as words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod loops;
mod reader;

use reader::{File, files, words};
use std::{collections::BTreeSet, fmt};

/// Modules that use no other module of the root package.
const FOUNDATIONS: &[&str] = &["azure", "cluster", "engine"];

/// Foreign crates and the modules that may name them; a name ends in `*` where a family is meant. For other packages their Cargo.toml decides.
const CRATES: &[(&str, &[&str])] =
    &[("azure_*", &["azure"]), ("reqwest", &["azure"]), ("kube", &["cluster"]), ("k8s_openapi", &["cluster"])];

/// Ways to write past `output`, which removes control characters.
const STREAMS: &[(&str, &str)] =
    &[("io", "stdout"), ("io", "stderr"), ("Term", "stdout"), ("Term", "stderr"), ("tracing_subscriber", "fmt"), ("panic", "set_hook")];

const LONGEST: usize = 400;

struct Broken<'a> {
    file: &'a str,
    line: usize,
    rule: String,
}

impl fmt::Display for Broken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

fn check(broken: &[Broken<'_>]) {
    let lines: Vec<String> = broken.iter().map(Broken::to_string).collect();
    assert!(lines.is_empty(), "{} rules are broken:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn files_do_not_import_each_other_in_a_loop() {
    let files = files();
    let packages: BTreeSet<&str> = files.iter().map(|file| file.package.as_str()).collect();
    let found: Vec<loops::Loops> = packages.iter().map(|package| loops::find(&files, package)).collect();
    let (text, now): (String, BTreeSet<&str>) = (
        found.iter().map(|loops| loops.text.as_str()).collect(),
        found.iter().flat_map(|loops| &loops.files).map(String::as_str).collect(),
    );
    let known: BTreeSet<&str> = loops::KNOWN.lines().collect();
    let new: Vec<_> = now.difference(&known).collect();
    assert!(new.is_empty(), "{new:?} are in a loop of imports:\n{text}");
    let gone: Vec<_> = known.difference(&now).collect();
    assert!(gone.is_empty(), "{gone:?} are in no loop any more: remove them from tests/house/known_loops.txt");
}

#[test]
fn the_engine_and_the_clients_use_nothing_of_each_other() {
    let files = files();
    let mut broken = Vec::new();
    for file in files.iter().filter(|f| f.package == "src" && FOUNDATIONS.contains(&f.room()) && !f.is_test) {
        let modules: BTreeSet<&str> = files.iter().filter(|f| f.package == "src").map(File::room).collect();
        for used in file.uses() {
            let Some(other) = used.path.first().filter(|other| *other != file.room() && modules.contains(other.as_str())) else { continue };
            broken.push(Broken { file: &file.name, line: used.line, rule: format!("`{}` may not use `{other}`", file.room()) });
        }
    }
    check(&broken);
}

#[test]
fn foreign_crates_are_named_only_where_they_belong() {
    let files = files();
    let mut broken = Vec::new();
    let ours: Vec<&File> = files.iter().filter(|f| f.package == "src").collect();
    for file in &ours {
        // a module of ours may be called like a crate: one of this room, or one that the file brings in
        let brought = file.uses();
        let room = ours.iter().filter(|f| f.room() == file.room()).flat_map(|f| &f.module);
        let own: BTreeSet<&str> = brought.iter().flat_map(|u| &u.path).chain(room).map(String::as_str).collect();
        let words = words(&file.source);
        for (at, word) in words.iter().enumerate() {
            let head = words.get(at + 1).is_some_and(|next| next.text == "::") && (at == 0 || words[at - 1].text != "::");
            let named = |name: &str| name.strip_suffix('*').map_or(word.text == name, |family| word.text.starts_with(family));
            let Some((name, rooms)) = CRATES.iter().find(|(name, _)| head && named(name) && !own.contains(word.text.as_str())) else {
                continue;
            };
            if !rooms.contains(&file.room()) {
                let rule = format!("`{}`: {name} may be named only in {rooms:?}", word.text);
                broken.push(Broken { file: &file.name, line: word.line, rule });
            }
        }
    }
    check(&broken);
}

#[test]
fn only_output_writes_to_stdout_and_stderr() {
    let files = files();
    let mut broken = Vec::new();
    for file in files.iter().filter(|f| f.room() != "output" && !f.is_test) {
        for path in words(&file.source).windows(3).filter(|path| path[1].text == "::") {
            let [first, _, last] = path else { continue };
            // the sandbox catches the panic of one request, and prints nothing
            let of_a_request = file.package == "src/sandbox" && first.text == "panic";
            if STREAMS.contains(&(first.text.as_str(), last.text.as_str())) && !of_a_request {
                let rule = format!("`{}::{}` outside `output`", first.text, last.text);
                broken.push(Broken { file: &file.name, line: first.line, rule });
            }
        }
    }
    check(&broken);
}

#[test]
fn every_file_says_first_what_it_is_for_and_is_short() {
    let files = files();
    let mut broken = Vec::new();
    for file in &files {
        if !file.source.starts_with("//! ") {
            broken.push(Broken { file: &file.name, line: 1, rule: "a file opens with `//!`: what it is for".into() });
        }
        let lines = file.source.lines().count();
        if lines > LONGEST && !file.is_test {
            broken.push(Broken { file: &file.name, line: lines, rule: format!("longer than {LONGEST} lines: split it") });
        }
    }
    check(&broken);
}

#[cfg(test)]
mod tests;
