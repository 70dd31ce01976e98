//! The five documents that the labs come from. tests/labs/steps.yaml has an entry for each of their commands and manifests, in order: the
//! podid command that replaces it, and the test that runs this command. The documents are not in the repository:
//! `PODID_LAB_DOCUMENTS` names their folder, with one file for each lab (`000….txt` to `004….txt`).

use crate::common::{PODID, World, same};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// How many commands and manifests each document has, counted by hand.
const COUNTS: [(&str, usize, usize); 5] = [("000", 27, 0), ("001", 19, 4), ("002", 48, 4), ("003", 1, 2), ("004", 38, 4)];

/// The programs and the shell's own commands that the documents use, and some that they might.
const PROGRAMS: &[&str] = &["az", "cat", "cd", "curl", "docker", "echo", "export", "git", "helm", "jq", "kubectl", "ssh", "sudo", "wget"];

/// An entry of steps.yaml. It has either a command or a manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The command as in the document, on one line.
    command: Option<String>,
    /// KIND/NAME of an object. A piece of an object is `container/NAME` or `labels/KEY`.
    manifest: Option<String>,
    /// `none`, or what replaces it: commands of podid, joined by ` && `.
    by: String,
    /// Why nothing replaces it, or how the replacement differs.
    why: Option<String>,
    /// The test that runs the commands of podid.
    test: Option<String>,
}

impl Entry {
    fn item(&self) -> String {
        match (&self.command, &self.manifest) {
            (Some(command), None) => format!("command: {command}"),
            (None, Some(manifest)) => format!("manifest: {manifest}"),
            _ => panic!("an entry by `{}` has either a command or a manifest", self.by),
        }
    }

    fn replacements(&self) -> impl Iterator<Item = &str> {
        self.by.split(" && ").filter(|command| *command != "none")
    }

    /// Returns what is wrong with the entry.
    fn faults(&self, lab: &str, sources: &str) -> Vec<String> {
        let fault = |command: &str| match &self.test {
            _ if !command.starts_with("podid ") => Some(format!("`{command}` is not a command of podid")),
            None => Some(format!("`{command}` has no test")),
            Some(test) => is_run(command, test, lab, sources).err(),
        };
        match (self.by.as_str(), &self.why, &self.test) {
            ("none", Some(_), None) => Vec::new(),
            ("none", ..) => vec!["`by: none` takes a `why` and no `test`".to_owned()],
            _ => self.replacements().filter_map(fault).collect(),
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn steps() -> BTreeMap<String, Vec<Entry>> {
    let steps: BTreeMap<String, Vec<Entry>> = serde_saphyr::from_str(include_str!("../labs/steps.yaml")).unwrap();
    assert!(steps.keys().eq(COUNTS.iter().map(|(lab, ..)| lab)), "the labs of tests/labs/steps.yaml: {:?}", steps.keys());
    steps
}

/// Returns the text of all sources below a folder.
fn sources(folder: &Path) -> String {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let text = |path: &PathBuf| match path.extension().and_then(|extension| extension.to_str()) {
        _ if path.is_dir() => sources(path),
        Some("rs") => fs::read_to_string(path).unwrap(),
        _ => String::new(),
    };
    paths.iter().map(text).collect()
}

/// Returns the commands of a lab's steps, one on each line, without quotation marks and the folder of its files.
fn script(lab: &str) -> String {
    let text = fs::read_to_string(root().join(format!("templates/labs/{lab}.steps.sh"))).unwrap();
    let commands = text.replace("\\\n", " ").replace("$labs/", "").replace('"', "");
    commands.lines().map(|line| one_line(line) + "\n").collect()
}

/// Checks that the test exists and runs the command: the script of the lab's steps contains it literally, and any other test its words
/// and options.
fn is_run(command: &str, test: &str, lab: &str, sources: &str) -> Result<(), String> {
    let body = sources.split_once(&format!("#[test]\nfn {test}() {{")).and_then(|(_, rest)| rest.split("\n}").next());
    let Some(body) = body else { return Err(format!("there is no test {test}")) };
    let runs = if test == format!("the_steps_of_lab_{lab}_give_what_its_spec_gives") {
        script(lab).contains(&command.replace('"', ""))
    } else {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let name = words.iter().take_while(|word| !word.starts_with('-'));
        let options = words.iter().filter(|word| word.starts_with('-'));
        name.chain(options).all(|word| body.contains(&format!("\"{word}\"")))
    };
    if runs { Ok(()) } else { Err(format!("{test} does not run `{command}`")) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a line of a document without indentation, line number, prompt and comment.
fn tidied(line: &str) -> String {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || c.is_ascii_digit() || c == '$' || c == '>');
    one_line(line.split(" #").next().unwrap_or_default())
}

fn runs_program(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(program, _)| PROGRAMS.contains(&program))
}

/// Returns whether a line is a command, or takes the output of one: `id=$(az …)`.
fn is_command(line: &str) -> bool {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let value = line.split_once('=').filter(|(name, _)| is_name(name)).map(|(_, value)| value.trim_start_matches(['$', '(', '`']));
    runs_program(line) || value.is_some_and(runs_program)
}

/// Returns the value of a line `NAME: VALUE`, also of JSON.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(": ")?;
    (key.trim_matches('"') == name).then(|| value.trim_matches(['"', ',']))
}

/// Lists the commands and manifests of a document. A command is a line of its own or stands between backquotes in a sentence; an HTTP
/// request counts by its header Authorization. A manifest is an object with a `kind`, or a paragraph that is a container or labels.
fn items(document: &str) -> Vec<String> {
    let lines: Vec<String> = document.replace("\\\n", " ").lines().map(tidied).collect();
    let mut items = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let begins_paragraph = at == 0 || lines[at - 1].is_empty();
        if is_command(line) {
            items.push(format!("command: {line}"));
        } else if let Some(kind) = field(line, "kind") {
            let name = lines[at..].iter().find_map(|line| field(line, "name"));
            items.push(format!("manifest: {kind}/{}", name.unwrap_or_default()));
        } else if begins_paragraph && let Some(name) = field(line, "- name") {
            items.push(format!("manifest: container/{name}"));
        } else if begins_paragraph && line == "labels:" {
            let key = lines.get(at + 1).and_then(|line| line.split(':').next());
            items.push(format!("manifest: labels/{}", key.unwrap_or_default()));
        } else if begins_paragraph && line.starts_with("Authorization: Bearer ") {
            items.push("command: Authorization: Bearer".to_owned());
        } else {
            let quoted = line.split('`').skip(1).step_by(2).filter(|text| runs_program(text));
            items.extend(quoted.map(|text| format!("command: {text}")));
        }
    }
    items
}

type Items = [Vec<String>; COUNTS.len()];

fn of_each_lab(of: impl Fn(&str) -> Vec<String>) -> Items {
    COUNTS.map(|(lab, ..)| of(lab))
}

fn entries() -> Items {
    let steps = steps();
    of_each_lab(|lab| steps[lab].iter().map(Entry::item).collect())
}

fn text(all: &Items) -> String {
    let text = |((lab, ..), items): (&(&str, usize, usize), &Vec<String>)| format!("lab {lab}\n{}\n", items.join("\n"));
    COUNTS.iter().zip(all).map(text).collect()
}

fn assert_counts(what: &str, all: &Items) {
    for ((lab, commands, manifests), items) in COUNTS.iter().zip(all) {
        let found = items.iter().filter(|item| item.starts_with("command: ")).count();
        assert_eq!((found, items.len() - found), (*commands, *manifests), "commands and manifests of lab {lab} in {what}, and by hand");
    }
}

/// Returns the folder of the documents; without one, prints that they were not compared.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PODID_LAB_DOCUMENTS").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        // This bypasses the capture of the test runner.
        let _ =
            writeln!(std::io::stderr(), "not run: the labs' documents and tests/labs/steps.yaml (PODID_LAB_DOCUMENTS names their folder)");
    }
    folder.map(PathBuf::from)
}

fn document(folder: &Path, lab: &str) -> String {
    let files = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(lab)));
    let [path] = paths.as_slice() else { panic!("{} has {} documents of lab {lab} instead of one", folder.display(), paths.len()) };
    fs::read_to_string(path).unwrap()
}

#[test]
fn each_entry_names_a_test_that_runs_what_replaces_it() {
    let sources = sources(&root().join("tests"));
    let mut faults = Vec::new();
    for (lab, entries) in &steps() {
        for entry in entries {
            faults.extend(entry.faults(lab, &sources).into_iter().map(|fault| format!("lab {lab}: {}: {fault}", entry.item())));
        }
    }
    assert!(faults.is_empty(), "{} entries of tests/labs/steps.yaml are wrong:\n{}", faults.len(), faults.join("\n"));
    assert_counts("tests/labs/steps.yaml", &entries());
}

#[test]
fn podid_has_each_command_and_option_that_replaces_something() {
    let steps = steps();
    let commands: BTreeSet<&str> = steps.values().flatten().flat_map(Entry::replacements).collect();
    let world = World::new();
    for command in commands {
        // Options are parsed before `--help` takes effect, so that an unknown one is an error.
        let script = format!("podid() {{ '{PODID}' \"$@\"; }}; {command} --help");
        let output = world.program("sh", &["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn each_command_and_manifest_of_the_documents_has_its_entry() {
    let Some(folder) = folder() else { return };
    let found = of_each_lab(|lab| items(&document(&folder, lab)));
    same("what the documents have (-) and tests/labs/steps.yaml has (+)", &text(&found), &text(&entries()));
    assert_counts("the documents", &found);
}

#[test]
fn commands_and_manifests_are_found_in_every_form_of_a_document() {
    let document = "\
Run az group create, and then:
    $ helm install web ./web \\
        --set a=b   # a comment
  12 id=`az identity show -n x | jq -r .id`
>export token=$(curl -s '' -H a:b)
cat <<EOF | kubectl apply -f -
  \"kind\": \"Pod\",
  \"metadata\": {
    \"name\": \"web\",
1. See it by `kubectl get pods`, with `kubectl` of the `kind` that you have, and `echo $id`.

labels:
  app: web

  - name: mic
    image: \"\"

Authorization: Bearer abc
";
    let expected = [
        "command: helm install web ./web --set a=b",
        "command: id=`az identity show -n x | jq -r .id`",
        "command: export token=$(curl -s '' -H a:b)",
        "command: cat <<EOF | kubectl apply -f -",
        "manifest: Pod/web",
        "command: kubectl get pods",
        "command: echo $id",
        "manifest: labels/app",
        "manifest: container/mic",
        "command: Authorization: Bearer",
    ];
    assert_eq!(items(document), expected);
}
