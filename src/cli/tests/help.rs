//! Help texts and suggestions.

use super::{refused, words};
use crate::cli::{Error, command, parse};

#[test]
fn near_names_are_suggested() {
    let told = refused("identty list");
    assert!(told.contains("identity"), "{told}");
    let told = refused("plan --exitcode");
    assert!(told.contains("--exit-code"), "{told}");
}

#[test]
fn errors_say_what_is_missing_and_how_it_is_used() {
    insta::assert_snapshot!(refused("role assign Reader --to claims"), @r#"
    the following required arguments were not provided: --scope <SCOPE>
    hint: Usage: podid role assign --to <WHO> --scope <SCOPE> <ROLE>
    "#);
    insta::assert_snapshot!(refused("identity create -n x"), @"invalid value 'x' for '--name <NAME>': an identity's name has 3 to 128 letters, digits, `-` and `_`, and begins with a letter or digit");
}

#[test]
fn help_of_the_top() {
    // the width is fixed, so that the terminal of whoever runs the tests does not matter
    insta::assert_snapshot!(command().term_width(100).render_help(), @r#"
    Set up an AKS app to read Key Vault secrets with its own identity, and prove that it can

    Usage: podid [OPTIONS] <COMMAND>

    Commands:
      up         Create or update an app from its spec: plan, show, ask, apply
      plan       Show what `up` would change
      diff       Show a diff of what `up` would change, from a server-side dry run
      down       Delete what podid created for an app; data is kept unless you name it
      status     Compare what exists with what podid created
      verify     Prove with a short-lived pod that workloads can read their secrets
      probe      Check the path from a pod to its vault hop by hop: DNS, TCP, TLS, token, read
      inventory  List workloads with their identities, secrets and owners, whoever made them
      why        Show how a workload may read a secret, or the first link that is missing
      who-can    List every principal, workload and pod that can read a secret, and how
      import     Write a spec for what was made by hand, and list what it does not have
      graph      Draw how workloads, identities, vaults and secrets are connected
      group      Create, show and delete resource groups
      identity   Create, show, list and delete managed identities, and federate them
      role       Assign, list, remove and prune roles
      vault      Create key vaults, grant access to them, and set their secrets
      storage    Create storage accounts and their blob containers
      bind       Bind an identity to the pods of a namespace, and assign the roles it needs
      unbind     Remove a binding, and the roles that only it needed
      mount      Create and delete the SecretProviderClass that pods mount
      exception  Add, list and remove pods that pod identity leaves alone
      logs       Print the log of a component's program
      doctor     Find the broken link between workloads and their secrets, without any change
      lint       Find what works and should not stay so, in spec, cluster and vaults
      explain    Explain a code of a finding, or the text of an error; works offline
      app        Deploy apps, and give existing ones what they need
      output     Print the outputs of a resource, unquoted, for scripts
      cluster    Create, show and delete clusters, and install what must run in them
      state      List, show, forget and rebuild the entries of the state file
      sandbox    Run an embedded Azure and cluster for trials and tests
      help       Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Target:
          --sandbox  Use the embedded Azure and cluster

    Azure:
      -g, --resource-group <GROUP>  Name or full id of the resource group
          --subscription <ID>       Id of the subscription; default: AZURE_SUBSCRIPTION_ID

    Kubernetes:
          --context <CONTEXT>  Context of the kubeconfig

    Consent:
      -y, --yes  Answer yes to every question

    State:
          --state <FILE>  Path of the state file; default: podid.state.json next to the spec, or in this
                          folder
          --app <APP>     Name of the app that owns the resources; default: that of the spec, or
                          `default`

    Run:
          --timeout <DURATION>       Time limit of each operation: 90, 90s, 5m, 1h30m
          --dry-run[=<plan|server>]  Show what would change without changing it; `server` also validates
                                     the Kubernetes objects by a server-side dry run

    Output:
      -o, --output <OUTPUT>  Output format; `sarif` and `junit` are for doctor and lint [default: table]
                             [possible values: table, json, yaml, sarif, junit]
      -v, --verbose...       Increase verbosity (-vv shows requests, -vvv everything but secrets)
      -q, --quiet            Print only answers and errors

    Examples:
      podid up -f podid.yaml                     create identity, vault, secrets, binding and mount
      podid up --sandbox --yes --verify -f templates/labs/004.yaml
                                                 the same on an embedded Azure and cluster, with proof
      podid plan                                 show what `up` would change
      podid down                                 delete what podid created

    Environment variables set every flag except those that consent, such as PODID_RESOURCE_GROUP for
    --resource-group. A flag overrides the environment, which overrides the spec, then the state.
    Exit codes: 0 done, 1 failed, 2 usage error, 3 differences (--exit-code), 4 needs a decision,
    5 state error, 70 bug in podid, 130 interrupted.

    Help topics (podid help TOPIC): environment, exit-codes, formats, ownership, sandbox-world,
    security, spec, state-file.
    "#);
}

#[test]
fn every_command_says_in_one_line_what_it_is_for() {
    fn walk(command: &clap::Command, path: &str) {
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((10..=80).contains(&about.len()) && !about.contains('\n'), "{path}: {about:?}");
            for arg in sub.get_arguments().filter(|a| !a.is_hide_set()) {
                assert!(arg.get_help().is_some(), "{path} {}", arg.get_id());
            }
            walk(sub, &path);
        }
    }
    walk(&command(), "podid");
}

#[test]
fn no_command_prints_help_and_is_a_usage_error() {
    let error = parse(["podid"]).unwrap_err();
    assert!(matches!(error, Error::Help(_)));
    assert_eq!(error.exit().code(), 2);
    assert_eq!(parse(words("--version")).unwrap_err(), Error::Text(format!("podid {}\n", env!("CARGO_PKG_VERSION"))));
}
