//! Federated credentials on the command line.

use super::{change, named, parsed, refused};
use crate::{
    cli::{Command, ReadCommand},
    spec::{
        reference::FederatedSubject,
        request::{Credential, Federate, Request},
    },
};

fn federate(line: &str) -> (Federate, bool) {
    match change(line) {
        (Request::Federate(wanted), remove) => (*wanted, remove),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_credential_is_for_whoever_to_names() {
    let (wanted, remove) = federate("identity federate ci-mid --to github/acme/shop:ref:main -g lab");
    assert_eq!((wanted.identity, wanted.group.as_deref(), remove), (Some(named("ci-mid")), Some("lab"), false));
    assert_eq!(wanted.credential, Credential::For("github/acme/shop:ref:main".parse().unwrap()));
    let (wanted, _) = federate("identity federate --to serviceaccount/shop/web --cluster aks");
    assert!(wanted.identity.is_none() && wanted.is_of_cluster());
    let issuer = "https://vstoken.dev.azure.com/6c9f1e0a-0d3b-4e58-9e2b-000000000001";
    let (wanted, _) = federate(&format!("identity federate --to azure-devops/acme/shop/prod --issuer {issuer} --audience api://Other"));
    let Credential::For(to @ FederatedSubject::AzureDevOps { .. }) = wanted.credential else { panic!("another form") };
    assert_eq!((to.issuer(), wanted.audience.as_deref()), (Some(issuer), Some("api://Other")));
}

#[test]
fn issuer_and_subject_may_be_two_words_and_the_identity_may_come_last() {
    let whole = federate("identity federate ci-mid --to issuer=https://gitlab.com,subject=project_path:a/b:ref:main").0;
    for line in [
        "identity federate ci-mid --to issuer=https://gitlab.com subject=project_path:a/b:ref:main",
        "identity federate --to issuer=https://gitlab.com subject=project_path:a/b:ref:main ci-mid",
    ] {
        assert_eq!(federate(line).0, whole, "{line}");
    }
    let (wanted, _) = federate("identity federate --to github/acme/shop:ref:main ci-mid");
    assert_eq!(wanted.identity, Some(named("ci-mid")));
    for line in [
        "identity federate ci-mid --to issuer=https://gitlab.com",
        "identity federate ci-mid --to subject=a",
        "identity federate ci-mid --to shop",
        "identity federate ci-mid --to github/acme/shop:ref:main subject=a",
        "identity federate ci-mid --to github/acme/shop:ref:main other-mid",
    ] {
        refused(line);
    }
}

#[test]
fn a_removal_names_the_tokens_or_the_credential() {
    let (wanted, remove) = federate("identity federation remove ci-mid --name by-hand --adopt");
    assert_eq!((wanted.credential, wanted.foreign, remove), (Credential::Name("by-hand".into()), true, true));
    assert!(!federate("identity federation remove --to github/acme/shop:pull_request").0.foreign);
    refused("identity federation remove ci-mid");
    refused("identity federation remove ci-mid --name a-b --to github/acme/shop:pull_request");
    refused("identity federation remove ci-mid --name a/b");
    let list = parsed("identity federation list").command;
    assert_eq!(list, Command::Read(ReadCommand::Federations { identity: None, group: None }));
}

#[test]
fn wrong_tokens_and_issuers_are_wrong_use() {
    let told = refused("identity federate ci-mid --to github/acme/shop");
    assert!(told.contains(":environment:NAME") && told.contains(":pull_request"), "{told}");
    assert!(refused("identity federate ci-mid --to gitlab/acme/shop").contains("issuer=URL,subject=TEXT"));
    assert!(refused("identity federate ci-mid --to github/acme/shop:pull_request --issuer http://x").contains("https://"));
    let entra = "https://login.microsoftonline.com/6c9f1e0a-0d3b-4e58-9e2b-000000000001/v2.0";
    let told = refused(&format!("identity federate ci-mid --to azure-devops/acme/shop/prod --issuer {entra}"));
    assert!(told.contains(&format!("--to issuer={entra},subject=SUBJECT")), "{told}");
    refused("identity federate ci-mid");
}
