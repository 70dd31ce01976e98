//! Each program parses what podid prints for it: words, flags, and the values that it checks by itself. None is run.

use crate::{
    az::program::Az,
    common::{
        World, helm,
        printed::{self, Printed, VALUE, is_mention, shape},
    },
};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

/// What az has in an extension only: the beginning of a command or one of its flags, and the extension.
const EXTENSIONS: [(&str, &str); 6] = [
    ("az aks pod-identity ", "aks-preview"),
    (" --enable-pod-identity", "aks-preview"),
    (" --disable-pod-identity", "aks-preview"),
    (" --disable-imds-restriction", "aks-preview"),
    ("az devops ", "azure-devops"),
    ("az extension add --name ", "none"),
];

/// One of each shape, which is parsed for all.
fn one_of_each(program: &str) -> Vec<Printed> {
    let all = printed::of(program).into_iter();
    all.map(|one| (shape(&one.command), one)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// What stands for a value or a name, and one that programs accept.
const SPOKEN: [(&str, &str); 3] = [("az ad xxx ", "az ad user "), ("DATE", "2030-01-01T00:00:00Z"), ("…", VALUE)];

/// The words of a command after the program's name; one that is only named is asked for its help.
fn arguments(command: &str) -> Vec<String> {
    // what a command puts in by itself is a value
    let mut line = command.split_once("$(").map_or_else(|| command.to_owned(), |(before, _)| format!("{before}{VALUE}"));
    if is_mention(&line) {
        line = format!("{} --help", line.replace(" …", ""));
    }
    let line = SPOKEN.iter().fold(line, |line, (word, value)| line.replace(word, value));
    printed::first(&line).split_off(1)
}

#[test]
fn az_accepts_what_podid_prints_and_podid_says_which_extension_it_takes() {
    let world = World::new();
    let all = one_of_each("az");
    assert!(all.len() > 80, "{}", all.len());
    let lines: Vec<Vec<String>> = all.iter().map(|one| arguments(&one.command)).collect();
    let Some(answers) = Az::parse(&world, &lines) else { return };
    assert_eq!(answers.len(), all.len());
    let mut wrong = Vec::new();
    for (one, answer) in all.iter().zip(answers) {
        let extension = EXTENSIONS.iter().find(|(part, _)| one.command.contains(part)).map(|(_, extension)| *extension);
        let named = |extension: &str| {
            one.text.contains(extension) || one.near.iter().any(|text| text.ends_with(&format!("az extension add --name {extension}")))
        };
        match (answer.as_str(), extension) {
            ("ok", None | Some("none")) => {}
            ("ok", Some(extension)) => wrong.push(format!("{}: `{}` needs no {extension} any more", one.at, one.command)),
            (_, Some(extension)) if named(extension) => {}
            (_, Some(extension)) => {
                wrong.push(format!("{}: `{}`, and nothing beside it names the extension {extension}", one.at, one.command))
            }
            (why, None) => wrong.push(format!("{}: `{}`: {why}", one.at, one.command)),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// Programs of Go read their flags, and check them, before they see `--help`.
fn helped(program: &Path, command: &str) -> Option<String> {
    let mut arguments = arguments(command);
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    arguments.truncate(end);
    let output = Command::new(program).args(&arguments).arg("--help").env("HOME", "/nonexistent").stdin(Stdio::null()).output().unwrap();
    let is_known = output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("Usage:\n  kubectl [flags] [options]");
    (!is_known).then(|| String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("it is not a command").to_owned())
}

fn all_are_accepted(name: &str, program: &Path, at_least: usize) {
    let all = one_of_each(name);
    assert!(all.len() >= at_least, "{name}: {}", all.len());
    let wrong: Vec<String> =
        all.iter().filter_map(|one| Some(format!("{}: `{}`: {}", one.at, one.command, helped(program, &one.command)?))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(helped(program, &format!("{name} list --no-such-flag {VALUE}")).is_some(), "a flag that does not exist is told");
}

#[test]
fn kubectl_accepts_what_podid_prints() {
    let Some(kubectl) = crate::kubectl::programs::first() else { return };
    all_are_accepted("kubectl", &kubectl, 40);
}

#[test]
fn helm_accepts_what_podid_prints() {
    let Some(helm) = helm::program() else { return };
    all_are_accepted("helm", helm, 5);
}
