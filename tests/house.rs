//! Checks rules of the source that the compiler does not check: which module may use which, where foreign crates are named, who prints, and
//! how long a file may be. It reads the sources as tokens and does not parse Rust.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// What each top-level module may use of the others. `engine` is the whole module, `engine::key` a part of it; a module may always use itself.
/// `lib.rs`, `main.rs` and `run.rs` connect the modules and may use all of them.
const ROOMS: &[(&str, &[&str])] = &[
    // These use nothing else of podid.
    ("engine", &[]),
    ("azure", &[]),
    ("cluster", &[]),
    ("descriptors", &[]),
    ("exit", &[]),
    ("signals", &["exit"]),
    // The parts around the engine.
    ("resources", &["engine", "azure", "cluster"]),
    ("state", &["engine"]),
    ("chain", &["azure", "cluster", "engine", "resources", "spec::suggest"]),
    // They build with `spec::graph`; `spec::expand` and `spec::check` ask them.
    ("modes", &["chain", "azure", "cluster", "engine", "resources", "spec"]),
    ("deliveries", &["chain", "azure", "cluster", "engine", "resources", "spec"]),
    ("spec", &["modes", "deliveries", "chain", "resources", "engine", "azure::id", "azure::ArmId", "azure::PrincipalKind"]),
    ("proof", &["modes", "deliveries", "chain", "azure", "cluster", "engine", "resources"]),
    // The interface to users.
    ("cli", &["spec", "modes", "engine::key", "resources::values::SecretSource", "failure", "exit"]),
    ("output", &["failure", "exit", "engine"]),
    // Knows the errors of all modules, but none of their operations.
    (
        "failure",
        &[
            "exit",
            "engine::fault",
            "engine::key",
            "azure::Error",
            // The parts of an Azure error.
            "azure::Blocked",
            "azure::DisallowingPolicy",
            "azure::RefusedAction",
            "cluster::Error",
            "state::Error",
            "engine::resource::Kind",
            "resources::caller",
            "resources::secret::Secret",
            "resources::readiness::NotReady",
            // which role a kind says would allow what was refused
            "resources::kind::HintScope",
            "resources::role_for",
            "resources::values::Error",
            "resources::values::is_variable_name",
            "chain::link::MissingLink",
            "spec::load::Error",
        ],
    ),
    // The modules that connect the others.
    ("embedded", &["cli", "exit", "failure", "output", "signals"]),
    ("session", &["cli", "azure", "cluster", "embedded", "signals", "state", "resources", "output", "failure", "exit"]),
    (
        "converge",
        &[
            "spec",
            "modes",
            "deliveries",
            "chain",
            "engine",
            "resources",
            "state",
            "output",
            "azure",
            "cluster",
            "failure",
            "session",
            "cli",
            "exit",
            "proof",
        ],
    ),
    (
        "queries",
        &[
            "spec",
            "modes",
            "deliveries",
            "engine",
            "resources",
            "state",
            "output",
            "azure",
            "cluster",
            "failure",
            "session",
            "cli",
            "converge",
            "proof",
            "exit",
        ],
    ),
];

/// These are packages of their own: the compiler checks what they use.
const PACKAGES: &[&str] = &["crds", "files", "sandbox"];

/// Foreign crates and the modules that may name them; `*` at the end of a name stands for a family of crates.
const CRATES: &[(&str, &[&str])] =
    &[("azure_*", &["azure"]), ("reqwest", &["azure", "sandbox"]), ("kube", &["cluster"]), ("k8s_openapi", &["cluster"])];

const PRINTS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];
const STREAMS: &[(&str, &str)] =
    &[("io", "stdout"), ("io", "stderr"), ("Term", "stdout"), ("Term", "stderr"), ("tracing_subscriber", "fmt"), ("panic", "set_hook")];
const LONGEST: usize = 500;

/// A word or symbol of Rust, with its line; comments and quoted text are left out.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    line: usize,
}

fn words(source: &str) -> Vec<Word> {
    let chars: Vec<char> = source.chars().collect();
    let (mut at, mut line, mut words) = (0, 1, Vec::new());
    let starts = |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    while at < chars.len() {
        let begin = at;
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                let step = if starts(at, "/*") {
                    1
                } else if starts(at, "*/") {
                    -1
                } else {
                    0
                };
                depth += step;
                at += if step == 0 { 1 } else { 2 };
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some(hashes) = raw_string(&chars[at..]) {
            let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            at += chars[at..].iter().position(|c| *c == '"').map_or(1, |quote| quote + 1);
            while at < chars.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if chars[at] == '\'' && (starts(at + 1, "\\") || chars.get(at + 2) == Some(&'\'')) {
            // This is a character and not a lifetime.
            at += if chars[at + 1] == '\\' { 3 } else { 2 };
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if chars[at].is_alphanumeric() || chars[at] == '_' {
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            words.push(Word { text: chars[begin..at].iter().collect(), line });
        } else {
            at += if starts(at, "::") { 2 } else { 1 };
            if !chars[begin].is_whitespace() {
                words.push(Word { text: chars[begin..at].iter().collect(), line });
            }
        }
        line += chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    words
}

/// Returns the number of hashes of a raw string that begins here; a name that ends in `r` is not one.
fn raw_string(rest: &[char]) -> Option<usize> {
    let after = match rest {
        ['b', 'r', after @ ..] | ['r', after @ ..] => after,
        _ => return None,
    };
    let hashes = after.iter().take_while(|c| **c == '#').count();
    (after.get(hashes) == Some(&'"')).then_some(hashes)
}

/// A path of modules that a file refers to, from the root of the crate.
#[derive(Debug, PartialEq)]
struct Use {
    path: Vec<String>,
    line: usize,
}

struct File {
    /// The path from the root of the project, with slashes.
    name: String,
    source: String,
    module: Vec<String>,
}

impl File {
    fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
    fn tests(&self) -> bool {
        self.module.iter().any(|m| m == "tests")
    }

    /// Returns everything named by `crate::…` and by enough `super::` to leave the module; `mod tests { }` is left out.
    fn uses(&self) -> Vec<Use> {
        let words = words(&self.source);
        let text = |at: usize| words.get(at).map_or("", |w| w.text.as_str());
        let mut uses = Vec::new();
        // The open inline modules, each with the depth of its braces.
        let (mut inside, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
        let mut at = 0;
        while at < words.len() {
            match text(at) {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inside.retain(|(_, of)| *of <= depth);
                }
                "mod" if text(at + 2) == "{" => inside.push((text(at + 1).to_owned(), depth + 1)),
                "crate" | "super" if text(at + 1) == "::" && text(at.wrapping_sub(1)) != "::" && text(at.wrapping_sub(1)) != "(" => {
                    let mut base: Vec<String> = self.module.iter().cloned().chain(inside.iter().map(|(name, _)| name.clone())).collect();
                    let mut next = at;
                    if text(at) == "crate" {
                        base.clear();
                        next += 2;
                    }
                    while text(next) == "super" && text(next + 1) == "::" {
                        base.pop();
                        next += 2;
                    }
                    if !inside.iter().any(|(name, _)| name == "tests") {
                        let mut found = Vec::new();
                        tree(&words, next, base, &mut found);
                        uses.extend(found.into_iter().map(|path| Use { path, line: words[at].line }));
                    }
                    at = next;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        uses
    }
}

/// Reads `a::{b, c::d}` into its paths; returns where it ends.
fn tree(words: &[Word], mut at: usize, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let text = |at: usize| words.get(at).map_or("", |w| w.text.as_str());
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = tree(words, at, path.clone(), found);
                    while matches!(text(at), "as" | "_") || (text(at) != "," && text(at) != "}" && text(at - 1) == "as") {
                        at += 1;
                    }
                    if text(at) == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push(word.to_owned());
                at += 1;
                if text(at) != "::" {
                    break;
                }
                at += 1;
            }
            _ => {
                at += 1;
                break;
            }
        }
    }
    found.push(path);
    at
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<File> {
    fn walk(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, all);
            } else if path.extension().is_some_and(|e| e == "rs") {
                all.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    paths.sort();
    let file = |path: PathBuf| {
        let name: Vec<String> = path.strip_prefix(root()).unwrap().iter().map(|p| p.to_string_lossy().into_owned()).collect();
        let mut module: Vec<String> = name[1..].iter().map(|m| m.trim_end_matches(".rs").to_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        File { name: name.join("/"), source: fs::read_to_string(&path).unwrap(), module }
    };
    paths.into_iter().map(file).collect()
}

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

fn hold(broken: &[Broken<'_>]) {
    let told: Vec<String> = broken.iter().map(Broken::to_string).collect();
    assert!(told.is_empty(), "{} rules are broken:\n{}", told.len(), told.join("\n"));
}

/// Returns whether a rule covers a path: `engine::key` allows `engine::key::Key`.
fn allowed(path: &[String], rules: &[&str]) -> bool {
    rules.iter().any(|rule| rule.split("::").eq(path.iter().take(rule.split("::").count()).map(String::as_str)))
}

#[test]
fn each_module_uses_only_what_the_table_allows() {
    let files = files();
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut broken = Vec::new();
    for file in files.iter().filter(|f| !f.tests()) {
        let Some((room, may)) = ROOMS.iter().find(|(room, _)| *room == file.room()) else { continue };
        for used in file.uses() {
            let Some(other) = used.path.first().filter(|other| rooms.contains(other.as_str()) && other != room) else { continue };
            if !allowed(&used.path, may) {
                let rule = format!("`{room}` may use {may:?}, not `{}` ({other})", used.path.join("::"));
                broken.push(Broken { file: &file.name, line: used.line, rule });
            }
        }
    }
    hold(&broken);
}

#[test]
fn the_table_lists_exactly_the_modules() {
    let files = files();
    let there: BTreeSet<&str> =
        files.iter().map(File::room).filter(|room| !matches!(*room, "" | "run") && !PACKAGES.contains(room)).collect();
    let named: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(there, named);
    for (room, may) in ROOMS {
        for other in *may {
            assert!(there.contains(other.split("::").next().unwrap()), "`{room}` may use `{other}`, which is no room");
        }
    }
}

#[test]
fn foreign_crates_are_named_only_where_they_belong() {
    let files = files();
    let mut broken = Vec::new();
    for file in &files {
        // A module of podid may have the name of a crate: one of this module, or one that the file imports.
        let brought = file.uses();
        let room = files.iter().filter(|f| f.room() == file.room()).flat_map(|f| &f.module);
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
    hold(&broken);
}

#[test]
fn only_output_prints() {
    let files = files();
    let mut broken = Vec::new();
    for file in files.iter().filter(|f| f.room() != "output" && !f.tests()) {
        for pair in words(&file.source).windows(2) {
            if PRINTS.contains(&pair[0].text.as_str()) && pair[1].text == "!" {
                broken.push(Broken { file: &file.name, line: pair[0].line, rule: format!("`{}!` outside `output`", pair[0].text) });
            }
        }
        // Text that bypasses `output` is not sanitized.
        for path in words(&file.source).windows(3).filter(|path| path[1].text == "::") {
            let [first, _, last] = path else { continue };
            // A panic of one request is reported by its place only, and prints nothing.
            let of_a_request = file.room() == "sandbox" && first.text == "panic";
            if STREAMS.contains(&(first.text.as_str(), last.text.as_str())) && !of_a_request {
                let rule = format!("`{}::{}` outside `output`", first.text, last.text);
                broken.push(Broken { file: &file.name, line: first.line, rule });
            }
        }
    }
    hold(&broken);
}

#[test]
fn a_lint_is_expected_with_a_reason_and_never_allowed() {
    let files = files();
    let mut broken = Vec::new();
    for file in &files {
        let words = words(&file.source);
        for (at, word) in words.iter().enumerate().filter(|(_, w)| matches!(w.text.as_str(), "allow" | "expect")) {
            let text = |at: usize| words.get(at).map_or("", |w| w.text.as_str());
            let attribute = at > 1 && text(at - 1) == "[" && matches!(text(at - 2), "#" | "!");
            let rest = words[at..].iter().take_while(|w| w.text != "]");
            let reason = rest.into_iter().any(|w| w.text == "reason");
            if attribute && (word.text == "allow" || !reason) {
                let rule = "`#[expect(lint, reason = \"…\")]`, never `#[allow]`".to_owned();
                broken.push(Broken { file: &file.name, line: word.line, rule });
            }
        }
    }
    hold(&broken);
}

#[test]
fn every_file_begins_with_its_purpose_and_is_short_enough() {
    let files = files();
    let mut broken = Vec::new();
    for file in &files {
        if !file.source.starts_with("//! ") {
            broken.push(Broken { file: &file.name, line: 1, rule: "a file opens with `//!`: what it is for".into() });
        }
        let lines = file.source.lines().count();
        if lines > LONGEST && !file.tests() {
            broken.push(Broken { file: &file.name, line: lines, rule: format!("longer than {LONGEST} lines: it holds two things") });
        }
    }
    hold(&broken);
}

mod the_reader_of_sources {
    use super::{File, allowed, tree, words};

    fn texts(source: &str) -> Vec<String> {
        words(source).into_iter().map(|w| w.text).collect()
    }

    fn uses(module: &[&str], source: &str) -> Vec<(String, usize)> {
        let module = module.iter().map(|m| (*m).to_owned()).collect();
        let file = File { name: "x.rs".into(), source: source.into(), module };
        file.uses().into_iter().map(|u| (u.path.join("::"), u.line)).collect()
    }

    #[test]
    fn comments_and_quotes_are_left_out() {
        assert_eq!(texts("a // crate::b\n/* c /* d */ e */ f"), ["a", "f"]);
        assert_eq!(
            texts(r####"x("crate::a \" b", r#"print"ln"#, 'c', '\'', b"d") 'life"####),
            ["x", "(", ",", ",", ",", ",", "b", ")", "'", "life"]
        );
        assert_eq!(words("a\n\"two\nlines\"\nb").last().map(|w| w.line), Some(4));
    }

    #[test]
    fn uses_in_braces_and_within_code_are_found() {
        let source = "use crate::{a::b, c::{self, d::E as F}, g};\nfn f() { crate::h::i(x); }\npub(crate) fn j() {}";
        let found: Vec<String> = uses(&["room", "file"], source).into_iter().map(|(path, line)| format!("{path} {line}")).collect();
        assert_eq!(found, ["a::b 1", "c::self 1", "c::d::E 1", "g 1", "h::i 2"]);
    }

    #[test]
    fn super_is_followed_out_of_modules_and_past_inline_ones() {
        assert_eq!(uses(&["room", "file"], "use super::super::other::X;"), [("other::X".into(), 1)]);
        assert_eq!(uses(&["room"], "mod inner { use super::x; use super::super::other; }"), [("room::x".into(), 1), ("other".into(), 1)]);
        assert_eq!(uses(&["room"], "mod tests { use crate::other; }\nuse crate::after;"), [("after".into(), 2)]);
    }

    #[test]
    fn rules_match_whole_modules() {
        let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
        assert!(allowed(&path("engine::key::Key"), &["engine::key"]));
        assert!(!allowed(&path("engine::keys"), &["engine::key"]));
        assert!(!allowed(&path("engine"), &["engine::key"]), "the whole room is more than the module");
        let mut found = Vec::new();
        tree(&words("*;"), 0, path("engine"), &mut found);
        assert_eq!(found, [path("engine")]);
    }
}
