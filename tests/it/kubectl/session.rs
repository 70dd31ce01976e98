//! A recorded session: kubectl commands, and what each minor version of kubectl printed against a real API server.
//!
//! It is text: what it is about, `@file NAME` with indented lines, then parts of `$ kubectl …` and their output; `? N` is an exit code other than
//! 0. The output is that of the newest kubectl; where others print something else, it follows a line `[1.27..1.29]`.
//! Before a `$` line come `@` lines: `@until TEXT` repeats until it is printed · `@first`, `@last` only that line counts · `@sort` ignores the
//! order · `@omit TEXT` leaves out lines with it · `@from 1.N`, `@to 1.N` for these minors only · `@sandbox` has no equivalent on a real one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const DIRECTIVES: [&str; 8] = ["until", "first", "last", "sort", "omit", "from", "to", "sandbox"];

#[derive(Default, Clone)]
pub struct Part {
    directives: Vec<(String, String)>,
    pub command: String,
    /// The output of the newest kubectl.
    expected: String,
    /// The outputs of other versions, from and to a minor.
    others: Vec<(u32, u32, String)>,
}

pub struct Session {
    head: String,
    /// Pairs of name and content.
    pub files: Vec<(String, String)>,
    pub parts: Vec<Part>,
}

fn minor(text: &str) -> u32 {
    text.strip_prefix("1.").and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{text:?} is no version 1.N"))
}

/// Parses `[1.27..1.29]` or `[1.30]`.
fn range(line: &str) -> Option<(u32, u32)> {
    let inner = line.strip_prefix("[1.")?.strip_suffix(']')?;
    let (from, to) = inner.split_once("..1.").unwrap_or((inner, inner));
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn plain(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

impl Session {
    pub fn read(text: &str) -> Self {
        let mut session = Self { head: String::new(), files: Vec::new(), parts: Vec::new() };
        let mut next = Part::default();
        for line in text.lines() {
            let directive =
                line.strip_prefix('@').map(|d| d.split_once(' ').unwrap_or((d, ""))).filter(|(name, _)| DIRECTIVES.contains(name));
            if let Some((name, rest)) = directive {
                next.directives.push((name.to_owned(), rest.to_owned()));
            } else if let Some(command) = line.strip_prefix("$ ") {
                command.clone_into(&mut next.command);
                session.parts.push(std::mem::take(&mut next));
            } else if let Some(part) = session.parts.last_mut() {
                match (range(line), part.others.last_mut()) {
                    (Some((from, to)), _) => part.others.push((from, to, String::new())),
                    (None, Some((.., text))) => *text += &format!("{line}\n"),
                    (None, None) => part.expected += &format!("{line}\n"),
                }
            } else {
                if let Some(name) = line.strip_prefix("@file ") {
                    session.files.push((name.to_owned(), String::new()));
                } else if let (Some((_, content)), Some(line)) = (session.files.last_mut(), line.strip_prefix("  ")) {
                    *content += &format!("{line}\n");
                }
                let _ = writeln!(session.head, "{line}");
            }
        }
        session
    }

    /// Whether two minor versions run the same parts, and print the same.
    pub fn is_equal_for(&self, one: u32, other: u32) -> bool {
        let told = |part: &Part, of: u32| part.is_for(of).then(|| part.expected(of));
        self.parts.iter().all(|part| told(part, one) == told(part, other))
    }

    pub fn write(&self) -> String {
        let mut out = format!("{}\n\n", self.head.trim_end());
        for part in &self.parts {
            for (name, rest) in &part.directives {
                out += format!("@{name} {rest}").trim_end();
                out.push('\n');
            }
            let _ = write!(out, "$ {}\n{}", part.command, plain(&part.expected));
            for (from, to, text) in &part.others {
                let range = if from == to { format!("[1.{from}]") } else { format!("[1.{from}..1.{to}]") };
                let _ = write!(out, "{range}\n{}", plain(text));
            }
            out.push('\n');
        }
        plain(&out)
    }
}

impl Part {
    pub fn directive(&self, name: &str) -> Option<&str> {
        self.directives.iter().find(|(n, _)| n == name).map(|(_, rest)| rest.as_str())
    }

    pub fn omitted(&self) -> Vec<&str> {
        self.directives.iter().filter(|(name, _)| name == "omit").map(|(_, rest)| rest.as_str()).collect()
    }

    pub fn only_sandbox(&self) -> bool {
        self.directive("sandbox").is_some()
    }

    pub fn is_for(&self, of: u32) -> bool {
        self.directive("from").is_none_or(|from| minor(from) <= of) && self.directive("to").is_none_or(|to| of <= minor(to))
    }

    /// Returns the expected output of a minor version.
    pub fn expected(&self, of: u32) -> String {
        let other = self.others.iter().find(|(from, to, _)| (*from..=*to).contains(&of));
        plain(other.map_or(&self.expected, |(.., text)| text))
    }

    /// Replaces the expected output by the printed one.
    pub fn record(&mut self, printed: &BTreeMap<u32, String>) {
        let Some((_, newest)) = printed.last_key_value() else { return };
        self.expected.clone_from(newest);
        self.others.clear();
        for (of, text) in printed.iter().filter(|(_, text)| plain(text) != plain(newest)) {
            match self.others.last_mut().filter(|(_, to, known)| to + 1 == *of && plain(known) == plain(text)) {
                Some((_, to, _)) => *to = *of,
                None => self.others.push((*of, *of, text.clone())),
            }
        }
    }

    /// Replaces the output of one minor version.
    pub fn print(&mut self, of: u32, text: &str) {
        match self.others.iter_mut().find(|(from, to, _)| (*from..=*to).contains(&of)) {
            Some((.., known)) => text.clone_into(known),
            None => text.clone_into(&mut self.expected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "About.\n\n@file a\n  b\n   c\n\n@sort\n@from 1.28\n$ kubectl x\n? 1\none\n@@ no directive\n[1.28..1.29]\ntwo\n\n$ kubectl y\n\n";

    #[test]
    fn a_parsed_session_is_written_unchanged() {
        let session = Session::read(TEXT);
        assert_eq!(session.files, [("a".to_owned(), "b\n c\n".to_owned())]);
        assert_eq!(session.write(), format!("{}\n", TEXT.trim_end()));
        let part = &session.parts[0];
        assert!(part.is_for(28) && !part.is_for(27));
        assert!(session.is_equal_for(30, 31) && !session.is_equal_for(29, 30) && !session.is_equal_for(27, 28));
        assert_eq!((part.expected(29), part.expected(30)), ("two\n".into(), "? 1\none\n@@ no directive\n".into()));
    }

    #[test]
    fn equal_output_of_adjacent_versions_is_recorded_once() {
        let mut part = Part::default();
        let printed = [(27, "a"), (28, "a"), (29, "b"), (30, "b\n"), (31, "b")].map(|(of, text)| (of, text.to_owned()));
        part.record(&printed.into());
        assert_eq!((part.expected(30), part.others.len()), ("b\n".into(), 1));
        assert_eq!((part.expected(27), part.expected(28)), ("a\n".into(), "a\n".into()));
    }
}
