//! Import loops: files of one package that import each other, directly or by way of others. `mod x;` is no import, and tests are left out.

use crate::reader::{File, Package};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write,
};

/// The files that are still in a loop, one on a line. The list may only shrink.
pub const KNOWN: &str = include_str!("known_loops.txt");

/// One import inside a loop: the line, and the path as it is written there.
struct Import {
    line: usize,
    path: String,
}

/// The imports of a package: by file, then by the file that is imported, the first line that does it.
type Imports = Vec<BTreeMap<usize, Import>>;

/// The files in loops, and a text that names for each loop the lines that close it.
#[derive(Debug, Default, PartialEq)]
pub struct Loops {
    pub files: BTreeSet<String>,
    pub text: String,
}

/// Finds the loops of one package.
pub fn find(files: &[File], package: &str) -> Loops {
    let package = Package::new(files.iter().filter(|f| f.package == package && !f.is_test).collect());
    let imports: Imports = (0..package.files.len()).map(|at| imports(&package, at)).collect();
    let mut loops = Loops::default();
    for members in components(&imports) {
        let name = |at: &usize| package.files[*at].name.as_str();
        let _ = writeln!(loops.text, "\n{} files import each other:", members.len());
        for circle in circles(&imports, &members) {
            for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                let Import { line, path } = &imports[*from][to];
                let _ = writeln!(loops.text, "  {}:{line}: `{path}` leads to {}", name(from), name(to));
            }
            loops.text.push('\n');
        }
        loops.files.extend(members.iter().map(name).map(str::to_owned));
    }
    loops
}

fn imports(package: &Package<'_>, at: usize) -> BTreeMap<usize, Import> {
    let mut imports = BTreeMap::new();
    for used in package.files[at].uses() {
        if let Some(to) = package.find(&used.path).filter(|to| *to != at) {
            imports.entry(to).or_insert_with(|| Import { line: used.line, path: used.path.join("::") });
        }
    }
    imports
}

/// Returns the files that one file leads to, each with the file before it on a shortest way.
fn reached(imports: &Imports, from: usize, allowed: impl Fn(usize, usize) -> bool) -> BTreeMap<usize, usize> {
    let (mut before, mut queue) = (BTreeMap::new(), VecDeque::from([from]));
    while let Some(at) = queue.pop_front() {
        for to in imports[at].keys().copied().filter(|to| allowed(at, *to)) {
            before.entry(to).or_insert_with(|| {
                queue.push_back(to);
                at
            });
        }
    }
    before
}

/// Returns the strongly connected components of more than one file.
fn components(imports: &Imports) -> Vec<Vec<usize>> {
    let reach: Vec<BTreeSet<usize>> = (0..imports.len()).map(|at| reached(imports, at, |_, _| true).into_keys().collect()).collect();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for at in 0..imports.len() {
        if reach[at].contains(&at) && seen.insert(at) {
            let members: Vec<usize> = reach[at].iter().copied().filter(|other| reach[*other].contains(&at)).collect();
            seen.extend(&members);
            all.push(members);
        }
    }
    all
}

/// Returns circles of a component, shortest first, until every file is in one; no import is named twice.
fn circles(imports: &Imports, members: &[usize]) -> Vec<Vec<usize>> {
    let (mut removed, mut all) = (BTreeSet::new(), Vec::new());
    loop {
        let shortest = members
            .iter()
            .filter_map(|start| {
                let before = reached(imports, *start, |from, to| !removed.contains(&(from, to)));
                let mut way = vec![*before.get(start)?];
                while way.last() != Some(start) {
                    way.push(before[way.last()?]);
                }
                way.reverse();
                Some(way)
            })
            .min_by_key(Vec::len);
        let Some(circle) = shortest else { return all };
        removed.extend(circle.iter().copied().zip(circle.iter().copied().cycle().skip(1)));
        all.push(circle);
    }
}
