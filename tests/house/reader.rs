//! Reads Rust sources as words: which modules a file names, on which line, and which file a path leads to.
//! It does not parse Rust; it knows `use`, `mod` and paths.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A word or a punctuation mark of Rust, with its line. Comments and quoted text are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    pub line: usize,
}

pub fn words(source: &str) -> Vec<Word> {
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
            // a character, not a lifetime
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

/// Returns the number of hashes of a raw string that begins here.
fn raw_string(rest: &[char]) -> Option<usize> {
    let after = match rest {
        ['b', 'r', after @ ..] | ['r', after @ ..] => after,
        _ => return None,
    };
    let hashes = after.iter().take_while(|c| **c == '#').count();
    (after.get(hashes) == Some(&'"')).then_some(hashes)
}

/// A path of modules and a name, from the root of the package.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    pub path: Vec<String>,
    pub line: usize,
}

/// The names that a file brings in, and the modules whose names it brings in by `*`.
type Bindings = (BTreeMap<String, Binding>, Vec<Vec<String>>);

/// What a `use` makes of a name in its file: None where it comes from another package.
type Binding = Option<Vec<String>>;

#[derive(Debug, Default)]
pub struct File {
    /// From the root of the project, with slashes.
    pub name: String,
    pub source: String,
    pub package: String,
    pub module: Vec<String>,
    /// It is compiled for tests only.
    pub is_test: bool,
    /// The modules that lie directly below it.
    pub children: BTreeSet<String>,
}

impl File {
    /// Returns the top-level module in which the file lies.
    pub fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// Returns every path of this package that the file names: in `use`, and by `crate::` and `super::` in code.
    /// What is in `mod tests { }` is left out.
    pub fn uses(&self) -> Vec<Use> {
        let words = words(&self.source);
        let text = |at: usize| words.get(at).map_or("", |w| w.text.as_str());
        let (mut uses, none) = (Vec::new(), BTreeSet::new());
        // inline modules that are open, each with the depth of its braces
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
                // `pub(in crate::a)` names who may look, and `x.y` is a field
                _ if matches!(text(at.wrapping_sub(1)), "::" | ".") => {}
                _ if text(at.wrapping_sub(1)) == "in" && text(at.wrapping_sub(2)) == "(" => {}
                _ => {
                    let begin = at;
                    let base: Vec<String> = self.module.iter().chain(inside.iter().map(|(name, _)| name)).cloned().collect();
                    // what a module calls below it by its bare name is left out, as `mod` is
                    let children = if text(at.wrapping_sub(1)) == "use" { &self.children } else { &none };
                    if let Some((base, next)) = start(&words, at, base, children) {
                        let mut found = Vec::new();
                        at = tree(&words, next, base, &mut found).max(at + 1);
                        if !inside.iter().any(|(name, _)| name == "tests") {
                            uses.extend(found.into_iter().map(|(path, _)| Use { path, line: words[begin].line }));
                        }
                        continue;
                    }
                }
            }
            at += 1;
        }
        uses
    }

    /// Returns the names that the file brings in by `use`, and the modules whose names it brings in by `*`.
    fn bindings(&self) -> Bindings {
        let words = words(&self.source);
        let (mut names, mut globs) = (BTreeMap::new(), Vec::new());
        for at in (0..words.len()).filter(|at| words[*at].text == "use") {
            let mut found = Vec::new();
            let inner = start(&words, at + 1, self.module.clone(), &self.children);
            let is_inner = inner.is_some();
            let (base, next) = inner.unwrap_or((Vec::new(), at + 1));
            tree(&words, next, base, &mut found);
            for (mut path, alias) in found {
                match path.last().map(String::as_str) {
                    Some("*") if is_inner => {
                        path.pop();
                        globs.push(path);
                        continue;
                    }
                    Some("self") => drop(path.pop()),
                    _ => {}
                }
                let Some(name) = alias.or_else(|| path.last().cloned()) else { continue };
                names.insert(name, is_inner.then_some(path));
            }
        }
        (names, globs)
    }

    /// Returns the names of what the file defines, at any depth.
    fn definitions(&self) -> BTreeSet<String> {
        let words = words(&self.source);
        let defines = |word: &str| matches!(word, "struct" | "enum" | "trait" | "type" | "fn" | "const" | "static" | "mod" | "union");
        words.windows(2).filter(|pair| defines(&pair[0].text)).map(|pair| pair[1].text.clone()).collect()
    }
}

/// Where a path of this package begins: its base, and the place of the next word.
fn start(words: &[Word], at: usize, module: Vec<String>, children: &BTreeSet<String>) -> Option<(Vec<String>, usize)> {
    let text = |at: usize| words.get(at).map_or("", |w| w.text.as_str());
    if text(at + 1) != "::" {
        // `use child;`
        return (text(at.wrapping_sub(1)) == "use" && children.contains(text(at))).then_some((module, at));
    }
    match text(at) {
        "crate" => Some((Vec::new(), at + 2)),
        "self" => Some((module, at + 2)),
        "super" => {
            let (mut base, mut next) = (module, at);
            while text(next) == "super" && text(next + 1) == "::" {
                base.pop();
                next += 2;
            }
            Some((base, next))
        }
        child if children.contains(child) => Some((module, at)),
        _ => None,
    }
}

/// Reads `a::{b, c::d as e}` into its paths, each with its alias; returns the place after it.
fn tree(words: &[Word], mut at: usize, mut path: Vec<String>, found: &mut Vec<(Vec<String>, Option<String>)>) -> usize {
    let text = |at: usize| words.get(at).map_or("", |w| w.text.as_str());
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = tree(words, at, path.clone(), found);
                    if text(at) == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "super" => {
                path.pop();
                at += 2;
            }
            word if word == "*" || word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
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
    let alias = (text(at) == "as").then(|| text(at + 1).to_owned());
    at += if alias.is_some() { 2 } else { 0 };
    found.push((path, alias));
    at
}

/// The files of one package, and which file a path leads to.
pub struct Package<'a> {
    pub files: Vec<&'a File>,
    by_module: BTreeMap<&'a [String], usize>,
    bindings: Vec<Bindings>,
    definitions: Vec<BTreeSet<String>>,
}

impl<'a> Package<'a> {
    pub fn new(files: Vec<&'a File>) -> Self {
        Self {
            by_module: files.iter().enumerate().map(|(at, file)| (file.module.as_slice(), at)).collect(),
            bindings: files.iter().map(|file| file.bindings()).collect(),
            definitions: files.iter().map(|file| file.definitions()).collect(),
            files,
        }
    }

    /// Returns the file that defines what a path names: a re-export is followed. None: it is in another package.
    pub fn find(&self, path: &[String]) -> Option<usize> {
        self.follow(path, 8)
    }

    fn follow(&self, path: &[String], steps: usize) -> Option<usize> {
        let len = (0..=path.len()).rev().find(|len| self.by_module.contains_key(&path[..*len]))?;
        let file = self.by_module[&path[..len]];
        let Some(name) = path.get(len) else { return Some(file) };
        if steps == 0 || self.definitions[file].contains(name) {
            return Some(file);
        }
        let (names, globs) = &self.bindings[file];
        match names.get(name) {
            Some(None) => return None,
            Some(Some(target)) => return self.follow(&[target.as_slice(), &path[len + 1..]].concat(), steps - 1),
            None => {}
        }
        let defines = |glob: &&Vec<String>| self.by_module.get(glob.as_slice()).is_some_and(|at| self.definitions[*at].contains(name));
        match globs.iter().find(defines) {
            Some(glob) => self.by_module.get(glob.as_slice()).copied(),
            None => Some(file),
        }
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads the sources of all packages of the workspace.
pub fn files() -> Vec<File> {
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
    let mut files: Vec<File> = paths.into_iter().map(|path| file(&path)).collect();
    let modules: Vec<(String, Vec<String>)> = files.iter().map(|f| (f.package.clone(), f.module.clone())).collect();
    for file in &mut files {
        let below = modules.iter().filter(|(package, module)| *package == file.package && module.len() == file.module.len() + 1);
        file.children =
            below.filter(|(_, module)| module.starts_with(&file.module)).filter_map(|(_, module)| module.last().cloned()).collect();
    }
    files
}

fn file(path: &Path) -> File {
    let name: Vec<String> = path.strip_prefix(root()).unwrap().iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let in_package = path.ancestors().skip(1).take(name.len() - 1).position(|folder| folder.join("Cargo.toml").exists());
    let (package, below) = match in_package {
        Some(up) => (name[..name.len() - 1 - up].join("/"), name.len() - 1 - up),
        None => ("src".to_owned(), 1),
    };
    let mut module: Vec<String> = name[below..].iter().map(|m| m.trim_end_matches(".rs").to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    let is_test = module.iter().any(|m| m == "tests") || name == ["src", "output", "hostile.rs"];
    File { name: name.join("/"), source: fs::read_to_string(path).unwrap(), package, module, is_test, children: BTreeSet::new() }
}
