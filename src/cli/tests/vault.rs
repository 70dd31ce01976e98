//! `podid vault`, and what no error repeats.

use super::{change, parsed, refused};
use crate::{
    cli::{Command, MigrateVault},
    resources::values::SecretSource,
    spec::{reference::NameOrId, request::Request},
};
use std::time::Duration;

#[test]
fn a_migration_takes_the_vault_and_the_age_of_the_roles() {
    let migrate = |line: &str| match parsed(&format!("vault migrate-to-rbac {line}")).command {
        Command::MigrateVault(migrate) => migrate,
        other => panic!("{other:?}"),
    };
    let wanted =
        |skip_unmatched, seconds| MigrateVault { vault: NameOrId::new("kv-claims"), skip_unmatched, settle: Duration::from_secs(seconds) };
    assert_eq!(migrate("kv-claims -g podid-lab"), wanted(false, 120));
    assert_eq!(migrate("kv-claims --skip-unmatched --settle 10m"), wanted(true, 600));
    assert!(refused("vault migrate-to-rbac").contains("<VAULT>"));
}

#[test]
fn a_secret_comes_from_one_place() {
    let source = |line: &str| match change(&format!("vault secret set s --vault kv1 {line}")).0 {
        Request::Secret { source, .. } => source,
        other => panic!("{other:?}"),
    };
    assert_eq!(source("--file v.txt"), Some(SecretSource::File("v.txt".into())));
    assert_eq!(source("--env CONN"), Some(SecretSource::Env("CONN".into())));
    assert_eq!(source("--generate"), Some(SecretSource::Generate(32)));
    assert_eq!(source("--generate=12"), Some(SecretSource::Generate(12)));
    assert_eq!(source("--stdin"), Some(SecretSource::Stdin));
    assert_eq!(source("--prompt"), Some(SecretSource::Ask));
    assert_eq!(source(""), Some(SecretSource::Ask));
    assert!(refused("vault secret set s --vault kv1 --stdin --file x").contains("cannot be used with"));
}

#[test]
fn a_secret_value_is_never_an_argument_and_never_repeated() {
    for line in ["--value hunter2", "--value=hunter2", "hunter2", "--value", "--value -hunter2", "hunter2 --stdin"] {
        let told = refused(&format!("vault secret set s --vault kv1 {line}"));
        assert!(told.to_lowercase().contains("as an argument") && told.contains("--stdin") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn no_error_repeats_a_value_that_may_be_a_secret() {
    for line in [
        "vault secret set conn=hunter2 --vault kv1",
        "vault secret set conn=hunter2",
        "vault secret set --vault kv1 hunter2!",
        "vault secret set conn --vault kv1 --env conn=hunter2",
        "vault secret set conn --vault kv1 --env hunter2!",
        "vault secret set conn --vault kv1 --generate=hunter2",
        "vault secret set conn --vault kv1 --stdin=hunter2",
        "vault secret set conn --vault kv1 --prompt=hunter2",
        "vault secret set conn --vault kv1 --yes=hunter2",
        "vault secret set conn --vault kv1 --password=hunter2",
        "vault secret set conn --vault kv1 --password hunter2",
        "vault secret set conn --vault kv1 --from-literal=conn=hunter2",
        "vault secret set conn --vault kv1 -phunter2",
        "vault secret set conn --vault kv1 -ohunter2",
        "vault secret set conn --vault hunter2!",
        "vault secret set conn --vault kv1 --timeout hunter2",
        "vault secret show conn=hunter2 --vault kv1",
        "vault secret show conn hunter2 --vault kv1",
        "vault secret delete conn=hunter2 --vault kv1",
        "vault secret conn=hunter2",
        "vault secret sett conn=hunter2",
        "vault conn=hunter2",
        "secret set conn=hunter2",
        "conn=hunter2",
        "mount apply -n ns --name spc --secret conn=../hunter2",
        "mount apply -n ns --name spc --secret conn --sync s:K=hunter2",
        "mount apply -n ns --name spc --secret conn --sync s=hunter2!",
        "up --conn=hunter2",
        "up conn=hunter2",
        "up -f a.yaml --app conn=hunter2",
        "vault grant --vault kv1 --to claims=hunter2",
    ] {
        let told = refused(line);
        assert!(!told.contains("hunter2"), "{line}: {told}");
    }
    insta::assert_snapshot!(refused("vault secret set conn=hunter2 --vault kv1"), @"
    invalid value 'conn=...' for '<NAME>': a secret's name has 1 to 127 letters, digits and `-`
    hint: Do not pass a secret's value as an argument. Give it with --file FILE, --env VARIABLE, --stdin or --prompt, or let podid generate one with --generate=LENGTH.
    ");
    insta::assert_snapshot!(refused("vault secret set conn --vault kv1 --env CONN=hunter2"), @"
    invalid value 'CONN=...' for '--env <VARIABLE>': an environment variable's name has letters, digits, `_`, `-` and `.`, and does not begin with a digit
    hint: Do not pass a secret's value as an argument. Give it with --file FILE, --env VARIABLE, --stdin or --prompt, or let podid generate one with --generate=LENGTH.
    ");
    // other commands repeat what was typed
    assert!(refused("identity create -n x").contains("'x'"));
    let told = refused("vault secret set conn --vault kv1 --file -");
    assert!(told.contains("'-'") && told.contains("`--stdin` reads"), "{told}");
}
