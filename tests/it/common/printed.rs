//! The commands that podid prints, read off the text in quotes of its sources and off its help topics: what is in backquotes, what is a command
//! as a whole, and the lines of examples.

use super::words::words;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What takes the place of a value that is put in when podid runs.
pub const VALUE: &str = "xxx";

/// A command as the source has it; VALUE stands for each value.
#[derive(Clone, Debug)]
pub struct Printed {
    pub command: String,
    /// The file and line of the text that contains it.
    pub at: String,
    /// The text.
    pub text: String,
    /// The texts just before and after it, as in a list of commands.
    pub near: Vec<String>,
}

/// Returns the commands of a program in all sources of podid; those of its tests and of the sandbox are left out.
pub fn of(program: &str) -> Vec<Printed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("src"), &mut paths);
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let source = fs::read_to_string(&path).unwrap();
        let texts = match name.ends_with(".txt") {
            true => vec![(1, source)],
            false => texts(source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()),
        };
        for (at, (line, text)) in texts.iter().enumerate() {
            let near = texts[at.saturating_sub(2)..texts.len().min(at + 3)].iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
            for command in commands(text).into_iter().filter(|command| begins(command, program) && !is_part(command)) {
                all.push(Printed { command, at: format!("{name}:{line}"), text: text.clone(), near: near.clone() });
            }
        }
    }
    all
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["sandbox", "tests", "crds"].contains(&name) {
            files(&path, all);
        } else if (name.ends_with(".rs") && name != "tests.rs") || folder.ends_with("cli/topics") {
            all.push(path);
        }
    }
}

fn begins(command: &str, program: &str) -> bool {
    command.split_once(' ').is_some_and(|(first, rest)| first == program && rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// Whether its end is put in elsewhere.
fn is_part(command: &str) -> bool {
    command.ends_with(" -g") || command == "az role assignment create"
}

/// Returns what is in backquotes; of a text without any, the whole one; of one with several lines, those that are examples.
fn commands(text: &str) -> Vec<String> {
    // an example may go on in the next line
    let text = text.split("\\\n").map(str::trim_start).collect::<Vec<_>>().join("");
    let parts: Vec<&str> = text.split('`').collect();
    let is_long = text.contains('\n');
    // "helm was stopped" is no command
    let is_prose = text.starts_with("helm ") && is_mention(&text);
    let whole = if parts.len() == 1 && !is_long && !is_prose { parts.first() } else { None };
    let lines = text.lines().filter(|line| is_long && line.starts_with("  "));
    // what an example does stands behind it
    let examples = lines.map(|line| line.trim().split("  ").next().unwrap_or_default());
    let all = parts.iter().skip(1).step_by(2).chain(whole).copied().chain(examples);
    all.map(|part| filled(part.trim()).split(" # ").next().unwrap_or_default().trim().to_owned()).collect()
}

/// Puts a value in for each `{}` and `{name}`.
fn filled(text: &str) -> String {
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) if name.chars().all(|c| c.is_ascii_alphanumeric() || "_[]:?".contains(c)) => {
                out.push_str(VALUE);
                rest = behind;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    // there is a flag for each kind of object in a vault
    let out = out.replace("--xxx-permissions", "--secret-permissions");
    out.replace('\u{1}', "{").replace('\u{2}', "}")
}

/// Returns the words of the first command of a line: up to a pipe, a second command, or where its output goes.
pub fn first(line: &str) -> Vec<String> {
    let ends = |word: &String| word.starts_with(['|', '&', '>']) || word.starts_with("2>");
    words(line).into_iter().take_while(|word| !ends(word)).collect()
}

/// Whether nobody has to put a name in: it has no words in capitals that stand for one.
pub fn is_complete(command: &str) -> bool {
    let is_name =
        |word: &str| word.chars().filter(char::is_ascii_uppercase).count() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '-');
    let quoted = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    !command.contains('…') && !command.split(quoted).any(|word| is_name(word.trim_matches('-')))
}

/// Whether it only names a command: it has no flag, and so nothing of it is to be run as it is.
pub fn is_mention(command: &str) -> bool {
    !command.split_whitespace().any(|word| word.starts_with('-'))
}

/// Returns what commands have in common that differ in their values only: program, words and flags.
pub fn shape(command: &str) -> String {
    let mut shape: Vec<String> = Vec::new();
    let mut is_verb = true;
    let words = words(command.split(" # ").next().unwrap_or_default());
    let verbs = match words.get(..2).unwrap_or_default() {
        [program, _] if program == "az" => usize::MAX,
        // kubectl and helm have commands of two words
        [_, verb] if ["auth", "config", "create", "repo", "rollout", "set"].contains(&verb.as_str()) => 3,
        _ => 2,
    };
    for (at, word) in words.iter().enumerate() {
        if word == "--" {
            break;
        }
        if word.starts_with('-') {
            is_verb = false;
            shape.push(word.split('=').next().unwrap_or_default().to_owned());
        } else if ["|", "&&", ">"].contains(&word.as_str()) {
            shape.push(word.clone());
            shape.extend(words.get(at + 1).cloned());
        } else if is_verb && at < verbs && !word.contains(VALUE) {
            shape.push(word.clone());
        }
    }
    shape.join(" ")
}

/// Returns the texts in quotes of a source, each with its line.
fn texts(source: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = source.chars().collect();
    let starts = |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let (mut at, mut line, mut all) = (0, 1, Vec::new());
    while at < chars.len() {
        let begin = at;
        if starts(at, "//") {
            at += chars[at..].iter().position(|c| *c == '\n').unwrap_or(chars.len() - at);
        } else if chars[at] == '\'' && (starts(at + 1, "\\") || chars.get(at + 2) == Some(&'\'')) {
            // a character, not a lifetime
            at += if chars[at + 1] == '\\' { 3 } else { 2 };
            at += chars[at..].iter().position(|c| *c == '\'').map_or(1, |end| end + 1);
        } else if chars[at] == 'r' && (starts(at + 1, "\"") || starts(at + 1, "#\"")) {
            let end = if chars[at + 1] == '"' { "\"" } else { "\"#" };
            at += end.len() + 1;
            let from = at;
            while at < chars.len() && !starts(at, end) {
                at += 1;
            }
            all.push((line, chars[from..at].iter().collect()));
            at += end.len();
        } else if chars[at] == '"' {
            let (text, end) = quoted(&chars, at + 1);
            all.push((line, text));
            at = end + 1;
        } else {
            at += 1;
        }
        line += chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    all
}

/// Reads a text up to its closing quote; returns the place of that, too.
fn quoted(chars: &[char], mut at: usize) -> (String, usize) {
    let mut text = String::new();
    while at < chars.len() && chars[at] != '"' {
        if chars[at] != '\\' {
            text.push(chars[at]);
            at += 1;
            continue;
        }
        match chars.get(at + 1) {
            Some('n') => text.push('\n'),
            Some('\n') => {
                // the line goes on at the next word
                at += chars[at + 1..].iter().position(|c| !c.is_whitespace()).unwrap_or(1) - 1;
            }
            Some(c) => text.push(*c),
            None => {}
        }
        at += 2;
    }
    (text, at)
}
