//! Parses command lines as people type them.

mod bind;
mod cluster;
mod federation;
mod global;
mod help;
mod mount;
mod pages;
mod printed;
mod sandbox;
mod vault;

use super::*;
use crate::azure::ObjectKind;
use crate::resources::{secret_provider_class::Object, vault::VaultOptions};
use crate::spec::{
    reference::{NameOrId, Principal, Scope},
    request::{Mount, Permissions, Request, Sync},
    vault_model::Model,
};

fn words(line: &str) -> Vec<String> {
    std::iter::once("podid").chain(line.split_whitespace()).map(str::to_owned).collect()
}

fn parsed(line: &str) -> Invocation {
    match parse(words(line)) {
        Ok(invocation) => invocation,
        Err(error) => panic!("{line}: {error:?}"),
    }
}

fn named(text: &str) -> NameOrId {
    NameOrId::new(text)
}

fn principal(text: &str) -> Principal {
    text.parse().unwrap()
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn change(line: &str) -> (Request, bool) {
    match parsed(line).command {
        Command::Change { request, remove } => (request, remove),
        other => panic!("{line}: {other:?}"),
    }
}

/// Returns the message and the hints.
fn refused(line: &str) -> String {
    match parse(words(line)) {
        Err(Error::Usage(failure)) => {
            assert_eq!(failure.kind, crate::exit::Exit::Usage);
            let hints: String = failure.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
            format!("{}{hints}", failure.message)
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_clap_definition_is_valid() {
    command().debug_assert();
}

#[test]
fn every_command_of_the_labs_is_understood() {
    assert_eq!(
        change("identity create -g podid-lab -n claims-api-mid"),
        (Request::Identity { name: named("claims-api-mid"), group: Some("podid-lab".into()), location: None }, false)
    );
    assert_eq!(
        change("vault create -g podid-lab -n kv-claims --model access-policy").0,
        Request::Vault {
            name: named("kv-claims"),
            group: Some("podid-lab".into()),
            location: None,
            model: Some(Model::AccessPolicy),
            options: VaultOptions::default()
        }
    );
    assert_eq!(
        change("vault grant --vault kv-claims --to identity/claims-api-mid --secrets get,LIST").0,
        Request::Grant {
            vault: named("kv-claims"),
            group: None,
            to: principal("identity/claims-api-mid"),
            permissions: Permissions { secrets: Some(vec!["get".into(), "list".into()]), ..Permissions::default() }
        }
    );
    let Request::Grant { permissions, .. } = change("vault grant --vault kv1 --to a-mid --keys get,wrapKey --certificates get").0 else {
        panic!("it grants")
    };
    assert_eq!((permissions.secrets, permissions.keys), (None, Some(vec!["get".into(), "wrapkey".into()])));
    let create = change("vault create -n kv-claims --sku premium --retention 7 --purge-protection").0;
    let Request::Vault { options, .. } = create else { panic!("it creates") };
    assert_eq!(options, VaultOptions { sku: Some("premium".into()), retention_days: Some(7), purge_protection: Some(true) });
    assert_eq!(
        change("role assign Reader --to identity/claims-api-mid --scope vault/kv-claims").0,
        Request::Role { role: "Reader".into(), to: principal("identity/claims-api-mid"), scope: scope("vault/kv-claims") }
    );
    let bound = parsed("bind --namespace dev-claims-podid --identity claims-api-mid --selector S --context aks-mi");
    assert_eq!(bound.global.context.as_deref(), Some("aks-mi"));
    assert!(matches!(bound.command, Command::Change { request: Request::Bind(_), remove: false }));
    assert_eq!(
        change("mount apply --namespace ns --name spc --vault kv1 --secret a --secret b=c.txt --sync k8s:KEY=c.txt").0,
        Request::Mount(Box::new(Mount {
            namespace: "ns".into(),
            name: "spc".into(),
            vault: Some(named("kv1")),
            secrets: vec![
                Object { name: "a".into(), ..Object::default() },
                Object { name: "b".into(), alias: Some("c.txt".into()), ..Object::default() }
            ],
            sync: vec![Sync { secret: "k8s".into(), key: "KEY".into(), alias: "c.txt".into(), of_type: None }],
            ..Mount::default()
        }))
    );
    let Request::Mount(mount) =
        change("mount apply -n ns --name spc --cert site --key sign=k.pem,version=ab12 --secret s,permission=0400,encoding=hex").0
    else {
        panic!("it mounts")
    };
    let secret = Object { name: "s".into(), permission: Some("0400".into()), encoding: Some("hex".into()), ..Object::default() };
    let key = Object {
        name: "sign".into(),
        alias: Some("k.pem".into()),
        kind: ObjectKind::Key,
        version: Some("ab12".into()),
        ..Object::default()
    };
    assert_eq!(mount.secrets, [secret, key, Object { name: "site".into(), kind: ObjectKind::Cert, ..Object::default() }]);
    assert!(matches!(parsed("verify --namespace dev-claims-podid").command, Command::Verify(Verify { namespace: Some(_), .. })));
    let up = parsed("up --sandbox --yes --verify -f templates/labs/004.yaml");
    assert!(up.global.sandbox && up.global.yes);
    assert_eq!(up.command, Command::Up { file: Some("templates/labs/004.yaml".into()), plan: None, verify: true });
}

#[test]
fn delete_and_remove_commands_are_parsed_as_deletions() {
    for line in [
        "identity delete -n claims",
        "role remove Reader --to claims --scope subscription",
        "vault revoke --vault kv1 --to claims",
        "vault secret delete s --vault kv1",
        "unbind -n ns --identity claims",
        "mount delete -n ns --name spc",
    ] {
        assert!(change(line).1, "{line}");
    }
}

#[test]
fn names_are_checked_before_anything_runs() {
    for line in [
        "identity create -n ../x",
        "identity create -n ok-name -g ../x",
        "vault create -n a--b",
        "vault grant --vault kv1 --to vault/x",
        "vault grant --vault kv1 --to claims --secrets write",
        "vault secret set a_b --vault kv1 --stdin",
        "role assign ../x --to claims --scope subscription",
        "role assign Reader --to claims --scope vault/../x",
        "bind -n UPPER",
        "bind -n ns --identity Upper_Case",
        "mount apply -n ns --name spc --secret a=../x",
        "mount apply -n ns --name spc --secret a --sync b:c",
        "up --subscription production",
        "up --app Shop!",
        "up --parallelism 0",
        "verify --image a@sha256:1",
        "output identity",
        "plan --timeout soon",
    ] {
        refused(line);
    }
}
