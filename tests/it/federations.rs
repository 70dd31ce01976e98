//! `podid identity federate` and `podid identity federation`: what a credential accepts, what is adopted, refused and removed.

use crate::common::World;
use serde_json::{Value, json};

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn identity(world: &World) {
    world.podid(&["identity", "create", "-n", "ci-mid", "-g", "podid-lab", "--yes"]).ok();
}

fn path(world: &World, name: &str) -> String {
    format!("{}/federatedIdentityCredentials/{name}?api-version=2024-11-30", world.identity_id("ci-mid"))
}

/// A credential that podid did not make.
fn by_hand(world: &World, name: &str, subject: &str) {
    let properties = json!({ "issuer": GITHUB, "subject": subject, "audiences": ["api://AzureADTokenExchange"] });
    world.arm("PUT", &path(world, name), Some(json!({ "properties": properties }))).ok();
}

fn listed(world: &World) -> Vec<Value> {
    let found = world.podid(&["identity", "federation", "list", "ci-mid", "-o", "json"]).ok().json();
    assert_eq!(
        (found["count"].as_u64(), found["limit"].as_u64()),
        (Some(found["federated_credentials"].as_array().unwrap().len() as u64), Some(20))
    );
    found["federated_credentials"].as_array().unwrap().clone()
}

fn subjects(world: &World) -> Vec<String> {
    let mut all: Vec<String> = listed(world).iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

const FEDERATE: [&str; 5] = ["identity", "federate", "--to", "github/acme/shop:ref:main", "--yes"];
const REMOVE: [&str; 6] = ["identity", "federation", "remove", "--to", "github/acme/shop:ref:main", "--yes"];

#[test]
fn a_workflow_of_github_is_accepted_listed_and_removed() {
    let world = World::served();
    identity(&world);
    world.podid(&[FEDERATE.as_slice(), &["--dry-run"]].concat()).ok().says("repo:acme/shop:ref:refs/heads/main");
    assert!(listed(&world).is_empty());
    let made = world.podid(&FEDERATE).ok().says("1 created");
    assert!(made.stderr.contains("since July 15, 2026") && made.stderr.contains("gh api repos/acme/shop/"), "{}", made.stderr);
    let again = world.podid(&FEDERATE).ok().says("nothing to do");
    assert!(!again.stderr.contains("July"), "{}", again.stderr);
    let all = listed(&world);
    let fields = ["issuer", "subject", "audience", "owner"].map(|field| all[0][field].as_str().unwrap());
    assert_eq!(fields, [GITHUB, "repo:acme/shop:ref:refs/heads/main", "api://AzureADTokenExchange", "podid app default"]);
    assert_eq!((all.len(), &all[0]["claimsMatchingExpression"]), (1, &Value::Null));
    world.podid(&["identity", "federation", "list", "ci-mid"]).ok().says("1 of 20 federated credentials");
    // the issuer and the subject of the same tokens are the same credential
    let same = format!("issuer={GITHUB},subject=repo:acme/shop:ref:refs/heads/main");
    world.podid(&["identity", "federate", "ci-mid", "--to", &same, "--yes"]).ok().says("nothing to do");
    world.podid(&REMOVE).ok().says("1 deleted");
    world.podid(&REMOVE).ok().says("nothing to do");
    assert!(listed(&world).is_empty());
}

#[test]
fn a_credential_is_removed_by_its_name_and_the_state_knows_it() {
    let world = World::served();
    identity(&world);
    let connection = ["identity", "federate", "ci-mid", "--to", "azure-devops/acme/My Shop/prod", "--yes"];
    let refused = world.podid(&connection).exits(4);
    assert!(refused.stderr.contains("az devops service-endpoint list") && refused.stderr.contains("--issuer URL"), "{}", refused.stderr);
    let issuer = "https://vstoken.dev.azure.com/6c9f1e0a-0d3b-4e58-9e2b-000000000001";
    world.podid(&[connection.as_slice(), &["--issuer", issuer]].concat()).ok();
    assert_eq!(subjects(&world), ["sc://acme/My Shop/prod"]);
    let name = listed(&world)[0]["name"].as_str().unwrap().to_owned();
    world.podid(&["identity", "federation", "remove", "--name", &name, "--yes"]).ok().says("1 deleted");
    let state = world.podid(&["state", "list"]).ok();
    assert!(!state.stdout.contains("federation/"), "{}", state.stdout);
    world.podid(&[connection.as_slice(), &["--issuer", issuer]].concat()).ok();
    // the issuer is not needed to find it again
    world.podid(&["identity", "federation", "remove", "--to", "azure-devops/acme/My Shop/prod", "--yes"]).ok().says("1 deleted");
    assert!(listed(&world).is_empty());
}

#[test]
fn one_that_was_made_by_hand_is_adopted_and_only_removed_with_consent() {
    let world = World::served();
    identity(&world);
    by_hand(&world, "by-hand", "repo:acme/shop:ref:refs/heads/main");
    by_hand(&world, "another", "repo:acme/other:pull_request");
    for remove in [REMOVE.as_slice(), &["identity", "federation", "remove", "ci-mid", "--name", "another", "--yes"]] {
        let refused = world.podid(remove).exits(4);
        assert!(
            refused.stderr.contains("podid did not create the federated credential") && refused.stderr.contains("--adopt"),
            "{}",
            refused.stderr
        );
    }
    let mark = world.mark();
    world.podid(&FEDERATE).ok().says("1 adopted");
    assert!(world.writes_since(mark).iter().all(|line| !line.contains("federatedIdentityCredentials")));
    assert_eq!(listed(&world).iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), ["another", "by-hand"]);
    world.podid(&REMOVE).exits(4).says("podid did not create");
    world.podid(&[REMOVE.as_slice(), &["--adopt"]].concat()).ok().says("1 deleted");
    assert_eq!(subjects(&world), ["repo:acme/other:pull_request"]);
    world.podid(&["identity", "federation", "remove", "ci-mid", "--name", "another", "--adopt", "--yes"]).ok().says("1 deleted");
    world.podid(&["identity", "federation", "remove", "ci-mid", "--name", "another", "--yes"]).ok().says("nothing to do");
    // another app's
    world.podid(&[FEDERATE.as_slice(), &["--app", "shop", "ci-mid"]].concat()).ok().says("1 created");
    world.podid(&REMOVE).exits(4).says("--app shop");
}

#[test]
fn another_audience_is_a_difference() {
    let world = World::served();
    identity(&world);
    by_hand(&world, "by-hand", "repo:acme/shop:ref:refs/heads/main");
    let other = [FEDERATE.as_slice(), &["--audience", "api://Other"]].concat();
    world.podid(&other).exits(4).says("differs in audiences");
    world.podid(&[other.as_slice(), &["--adopt"]].concat()).ok().says("1 updated");
    let all = listed(&world);
    assert_eq!((all.len(), all[0]["name"].as_str(), all[0]["audience"].as_str()), (1, Some("by-hand"), Some("api://Other")));
    // the sandbox has a login of its own
    world.podid(&["identity", "federation", "list", "ci-mid", "--auth", "github"]).ok();
}

#[test]
fn the_twenty_first_is_refused_before_anything_is_written() {
    let world = World::served();
    identity(&world);
    for n in 0..20 {
        by_hand(&world, &format!("by-hand-{n}"), &format!("repo:acme/shop:environment:e{n}"));
    }
    let mark = world.mark();
    let refused = world.podid(&FEDERATE).exits(4);
    assert!(
        refused.stderr.contains("21 federated credentials") && refused.stderr.contains("podid identity federation list ci-mid"),
        "{}",
        refused.stderr
    );
    assert!(world.writes_since(mark).iter().all(|line| !line.contains("federatedIdentityCredentials")));
    // what is there already needs no room
    world.podid(&["identity", "federate", "--to", "github/acme/shop:environment:e7", "--yes"]).ok().says("1 adopted");
    let all = world.podid(&["identity", "federation", "list", "ci-mid"]).ok();
    assert!(all.stderr.contains("20 of 20"), "{}", all.stderr);
}

#[test]
fn two_at_once_on_one_identity_both_succeed() {
    let world = World::served();
    identity(&world);
    // each write takes long enough to meet the other
    world.settings(&json!({ "delay_ms": 100 }));
    let refs = ["one", "two", "three"];
    let all: Vec<_> = refs
        .iter()
        .map(|name| {
            let (state, to) = (format!("{name}.json"), format!("github/acme/shop:ref:{name}"));
            world.start(&["identity", "federate", "ci-mid", "-g", "podid-lab", "--to", &to, "--yes", "--state", &state])
        })
        .collect();
    for one in all {
        one.wait().ok().says("1 created");
    }
    let wanted: Vec<String> = ["one", "three", "two"].iter().map(|name| format!("repo:acme/shop:ref:refs/heads/{name}")).collect();
    assert_eq!(subjects(&world), wanted);
}

#[test]
fn a_service_account_has_its_clusters_issuer_and_nothing_else_is_made() {
    let world = World::served();
    identity(&world);
    let federate = ["identity", "federate", "--to", "serviceaccount/shop/web", "--cluster", "aks-mi", "--yes"];
    let without = federate.map(|word| if word == "aks-mi" { "aks-sp" } else { word });
    let refused = world.podid(&without).exits(4);
    assert!(refused.stderr.contains("the cluster aks-sp has no OIDC issuer"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`podid cluster install workload-identity --cluster aks-sp`"), "{}", refused.stderr);
    assert!(listed(&world).is_empty());
    world.podid(&federate).ok().says("1 created");
    let all = listed(&world);
    assert_eq!(all[0]["subject"], "system:serviceaccount:shop:web");
    assert!(all[0]["issuer"].as_str().unwrap().ends_with('/'), "{all:?}");
    world.podid(&federate).ok().says("nothing to do");
    let state = world.podid(&["state", "list"]).ok();
    assert!(
        state.stdout.contains("federation/ci-mid/serviceaccount/aks-mi/shop/web") && !state.stdout.contains("namespace/"),
        "{}",
        state.stdout
    );
    // the subject with its issuer finds the same credential
    let other = format!("issuer={},subject=system:serviceaccount:shop:web", all[0]["issuer"].as_str().unwrap());
    world.podid(&["identity", "federate", "--to", &other, "--yes"]).ok().says("nothing to do");
    world.podid(&["identity", "federation", "remove", "--to", &other, "--yes"]).ok().says("1 deleted");
    assert!(listed(&world).is_empty());
}
