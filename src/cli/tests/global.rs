//! Flags of all commands, and their environment variables.

use super::{parsed, refused, words};
use crate::cli::{Command, DryRun, Events, Format, ReadCommand, parse};
use std::{path::PathBuf, time::Duration};

#[test]
fn global_flags_stand_anywhere() {
    let before = parsed("--sandbox -g rg --timeout 5m -vv -o json identity list");
    let after = parsed("identity list --sandbox -g rg --timeout 5m -vv -o json");
    assert_eq!(before, after);
    assert_eq!(before.global.timeout, Some(Duration::from_secs(300)));
    assert_eq!((before.global.verbose, before.global.output), (2, Format::Json));
    assert_eq!(before.command, Command::Read(ReadCommand::Identities { group: Some("rg".into()) }));
    let down = parsed("down --delete-data kv1 --delete-data kv2 --events -");
    assert_eq!(down.global.delete_data, ["kv1", "kv2"]);
    assert_eq!(down.global.events, Some(Events::Stderr));
}

#[test]
fn flags_that_are_not_given_have_defaults() {
    let plain = parsed("plan").global;
    assert_eq!((plain.parallelism, plain.lock_timeout, plain.lateness), (8, Duration::ZERO, None));
    assert_eq!((plain.sandbox_dir, plain.state, plain.yes, plain.only), (PathBuf::from(".podid"), None, false, None));
}

#[test]
fn a_dry_run_flag_takes_an_optional_mode() {
    let of = |line: &str| parsed(line).global.dry_run;
    assert_eq!(of("up"), DryRun::None);
    for line in ["up --dry-run", "--dry-run up", "up --dry-run=plan", "up --dry-run=client", "bind -n shop --dry-run"] {
        assert_eq!(of(line), DryRun::Plan, "{line}");
    }
    assert_eq!(of("mount delete -n shop --name s --dry-run=server"), DryRun::Server);
    assert_eq!(of("up --dry-run=none"), DryRun::None);
    let told = refused("role assign Reader --to claims --scope subscription --dry-run server");
    assert!(told.contains("Write `--dry-run=server`"), "{told}");
}

/// Not a test: the child process of the next test, with another environment.
#[test]
fn shows_what_the_environment_says() {
    let Ok(line) = std::env::var("PODID_TEST_LINE") else { return };
    println!("{}", format!("{:?}", parse(words(&line))).replace('\n', " "));
}

#[test]
fn every_flag_but_a_consent_has_a_variable() {
    let in_environment = |line: &str, variables: &[(&str, &str)]| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::tests::global::shows_what_the_environment_says", "--nocapture"])
            .env("PODID_TEST_LINE", line)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    const SUB: &str = "11111111-2222-3333-4444-555555555555";
    let told = in_environment(
        "identity create -n claims -g flag",
        &[
            ("PODID_SANDBOX", "1"),
            ("PODID_RESOURCE_GROUP", "env"),
            ("PODID_LOCATION", "westeurope"),
            ("PODID_YES", "1"),
            ("PODID_VERBOSE", "2"),
        ],
    );
    for part in ["sandbox: true", r#"group: Some("flag")"#, r#"location: Some("westeurope")"#, "yes: false", "verbose: 2"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let told = in_environment(
        "up",
        &[("PODID_SANDBOX", "0"), ("PODID_FILE", "a.yaml"), ("AZURE_SUBSCRIPTION_ID", SUB), ("PODID_DELETE_DATA", "kv"), ("PODID_APP", "")],
    );
    for part in
        ["sandbox: false", r#"file: Some("a.yaml")"#, &format!("azure_subscription_id: Some({SUB:?})"), "delete_data: []", "app: None"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
    let told = in_environment(
        "vault secret set s --vault kv1",
        &[("PODID_FILE", "a.yaml"), ("PODID_ENV", "X"), ("PODID_SANDBOX", "1"), ("AZURE_SUBSCRIPTION_ID", SUB)],
    );
    for part in ["source: Some(Ask)", "azure_subscription_id: None"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let told = in_environment("sandbox serve", &[("PODID_CLUSTER", "aks-mi"), ("PODID_READY_FILE", "r")]);
    for part in ["clusters: []", "ready_file: Some"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(in_environment("plan", &[("AZURE_SUBSCRIPTION_ID", "production")]).contains("AZURE_SUBSCRIPTION_ID is"));
}
