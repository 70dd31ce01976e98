//! Parses command lines as people type them.

use super::sandbox::{CallerCommand, Node, StandIn};
use super::*;
use crate::resources::values::SecretSource;
use crate::spec::request::Request;
use crate::spec::{
    model::Model,
    reference::{NameOrId, Principal, Scope},
    request::{Bind, Mount, Mounted, OperatorScope, Sync},
};
use std::{path::PathBuf, time::Duration};

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
        Request::Vault { name: named("kv-claims"), group: Some("podid-lab".into()), location: None, model: Some(Model::AccessPolicy) }
    );
    assert_eq!(
        change("vault grant --vault kv-claims --to identity/claims-api-mid --secrets get,LIST").0,
        Request::Grant {
            vault: named("kv-claims"),
            group: None,
            to: principal("identity/claims-api-mid"),
            secrets: Some(vec!["get".into(), "list".into()])
        }
    );
    assert_eq!(
        change("role assign Reader --to identity/claims-api-mid --scope vault/kv-claims").0,
        Request::Role { role: "Reader".into(), to: principal("identity/claims-api-mid"), scope: scope("vault/kv-claims") }
    );
    let bound = parsed("bind --namespace dev-claims-podid --identity claims-api-mid --selector S --context aks-mi");
    assert_eq!(bound.global.context.as_deref(), Some("aks-mi"));
    assert_eq!(
        bound.command,
        Command::Change {
            request: Request::Bind(Bind {
                namespace: "dev-claims-podid".into(),
                identity: Some(named("claims-api-mid")),
                selector: Some("S".into()),
                operator_scope: OperatorScope::Identity,
                ..Bind::default()
            }),
            remove: false
        }
    );
    let Request::Bind(bound) = change("bind --namespace ns --mode pod-identity").0 else { panic!("it binds") };
    assert_eq!(bound.mode.as_deref(), Some("pod-identity"));
    assert_eq!(
        change("mount apply --namespace ns --name spc --vault kv1 --secret a --secret b=c.txt --sync k8s:KEY=c.txt").0,
        Request::Mount(Mount {
            namespace: "ns".into(),
            name: "spc".into(),
            vault: Some(named("kv1")),
            secrets: vec![Mounted { name: "a".into(), alias: None }, Mounted { name: "b".into(), alias: Some("c.txt".into()) }],
            sync: vec![Sync { secret: "k8s".into(), key: "KEY".into(), alias: "c.txt".into() }],
            ..Mount::default()
        })
    );
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
    use super::DryRun;
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

#[test]
fn roles_are_printed_as_yaml_by_default() {
    let rbac = |line: &str| match parsed(line).command {
        Command::Rbac(rbac) => rbac,
        other => panic!("{other:?}"),
    };
    assert!(rbac("cluster rbac -n shop").as_yaml);
    assert!(!rbac("cluster rbac -n shop -o table").as_yaml && !rbac("-o json cluster rbac -n shop").as_yaml);
    let many = rbac("cluster rbac -n a -n b --for up,verify --for diff --subject user/me --subject serviceaccount/ci/podid");
    assert_eq!((many.namespaces.len(), many.commands.len(), many.subjects.len()), (2, 3, 2));
    for line in
        ["cluster rbac --for everything", "cluster rbac --subject me", "cluster rbac -n UPPER", "cluster rbac --subject serviceaccount/ci"]
    {
        refused(line);
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

#[test]
fn files_and_keys_of_a_mount_agree() {
    let twice = refused("mount apply -n ns --name spc --secret a=f --secret b=f");
    assert!(twice.contains("two secrets would be mounted as the file `f`"), "{twice}");
    let unknown = refused("mount apply -n ns --name spc --secret conn --sync s:K=con");
    assert!(unknown.contains("Did you mean `conn`?"), "{unknown}");
    let key = refused("mount apply -n ns --name spc --secret a --secret b --sync s:K=a --sync s:K=b");
    assert!(key.contains("synced twice"), "{key}");
}

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
      up        Create or update an app from its spec: plan, show, ask, apply
      plan      Show what `up` would change
      diff      Show a diff of what `up` would change, from a server-side dry run
      down      Delete what podid created for an app; data is kept unless you name it
      status    Compare what exists with what podid created
      verify    Prove with a short-lived pod that workloads can read their secrets
      identity  Create, show, list and delete managed identities
      role      Assign, list and remove roles
      vault     Create key vaults, grant access to them, and set their secrets
      bind      Bind an identity to the pods of a namespace, and assign the roles it needs
      unbind    Remove a binding, and the roles that only it needed
      mount     Create and delete the SecretProviderClass that pods mount
      output    Print the outputs of a resource, unquoted, for scripts
      cluster   Print the Roles that podid needs in a cluster
      state     List, show, forget and rebuild the entries of the state file
      sandbox   Run an embedded Azure and cluster for trials and tests
      help      Print this message or the help of the given subcommand(s)

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
      -o, --output <OUTPUT>  Output format [default: table] [possible values: table, json, yaml]
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
    security, state-file.
    "#);
}

#[test]
fn serve_cluster_takes_a_kubeconfig_with_an_optional_name() {
    let served = |text: &str| match parsed(&format!("sandbox serve {text}")).command {
        Command::Sandbox(SandboxCommand::Serve { clusters, .. }) => clusters,
        other => panic!("{other:?}"),
    };
    let of = |name: &str, path: &str| StandIn { name: name.into(), kubeconfig: path.into() };
    assert_eq!(served("--cluster kc --cluster aks-sp=dir/kc"), [of("aks-mi", "kc"), of("aks-sp", "dir/kc")]);
    assert_eq!(served("--cluster ./a=b"), [of("aks-mi", "./a=b")]);
    assert_eq!(served(""), []);
    assert!(refused("sandbox serve --cluster aks-mi=").contains("kubeconfig is missing"));
}

#[test]
fn serve_imds_takes_an_address_with_an_optional_cluster() {
    let served = |text: &str| match parsed(&format!("sandbox serve {text}")).command {
        Command::Sandbox(SandboxCommand::Serve { imds, .. }) => imds,
        other => panic!("{other:?}"),
    };
    let of = |name: &str, address: &str| Node { cluster: name.into(), address: address.parse().unwrap() };
    let both = served("--imds 169.254.169.254:80 --imds aks-sp=[::1]:8080");
    assert_eq!(both, [of("aks-mi", "169.254.169.254:80"), of("aks-sp", "[::1]:8080")]);
    assert!(refused("sandbox serve --imds 169.254.169.254").contains("is not a valid ADDR:PORT"));
}

#[test]
fn a_caller_is_named_with_a_role_and_its_scopes() {
    let asked = |text: &str| match parsed(&format!("sandbox caller {text}")).command {
        Command::Sandbox(SandboxCommand::Caller(caller)) => caller,
        other => panic!("{other:?}"),
    };
    let of = |scopes: &[&str]| CallerCommand::Add {
        name: "ci".into(),
        role: "Reader".into(),
        scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
    };
    assert_eq!(asked("add ci --role Reader"), of(&[]));
    assert_eq!(asked("add ci --role Reader --scope /a --scope /b"), of(&["/a", "/b"]));
    assert_eq!(asked("delete ci"), CallerCommand::Delete { name: "ci".into() });
    assert!(refused("sandbox caller add ci").contains("--role"));
}

#[test]
fn components_that_are_not_played_are_given_as_a_list() {
    use super::sandbox::SandboxComponent::{Csi, Mic, Nmi};
    let without = |text: &str| match parsed(&format!("sandbox serve {text}")).command {
        Command::Sandbox(SandboxCommand::Serve { without, .. }) => without,
        other => panic!("{other:?}"),
    };
    assert_eq!(without(""), []);
    assert_eq!(without("--without mic,nmi,csi"), [Mic, Nmi, Csi]);
    assert_eq!(without("--without csi --without mic"), [Csi, Mic]);
    let told = refused("sandbox serve --without mic,webhook");
    assert!(told.contains("webhook") && told.contains("mic, nmi, csi"), "{told}");
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
            .args(["--exact", "cli::tests::shows_what_the_environment_says", "--nocapture"])
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
