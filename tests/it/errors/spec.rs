//! The spec and the flags: wrong use is reported with file, line and column before any cloud is asked.

use crate::errors::lab::Lab;
use insta::assert_snapshot;

fn with(from: &str, to: &str) -> String {
    let lab = Lab::with_app();
    let text = lab.read("app.yaml");
    assert!(text.contains(from));
    lab.write("app.yaml", &text.replacen(from, to, 1));
    lab.fails("up -f app.yaml --yes")
}

#[test]
fn a_missing_spec_is_wrong_use() {
    let lab = Lab::new();
    assert_snapshot!(lab.fails("up --yes"), @r#"
    exit 2
    error: there is no spec podid.yaml
    hint: Name a spec with `-f FILE`, or run podid in the folder of one.
    "#);
    assert_snapshot!(lab.fails("up --yes -f other.yaml"), @r#"
    exit 2
    error: there is no spec other.yaml
    hint: Name a spec with `-f FILE`, or run podid in the folder of one.
    "#);
}

#[test]
fn a_typo_is_reported_with_its_place_and_the_nearest_name() {
    assert_snapshot!(with("    identity:", "    idenity:"), @r#"
    exit 2
    error: app.yaml:17:5: workloads[0]: unknown field `idenity`
    hint: Did you mean `identity`? The fields here are: name, namespace, identity, mode, delivery, secrets, vaultAccess, storage, roles, app, wire, selector, names, operatorScope, contributorScope, namespaced, kubenet, serviceAccount.
    "#);
}

#[test]
fn a_name_that_would_escape_its_url_is_refused() {
    assert_snapshot!(with("name: shop-mid", "name: ../x"), @r#"
    exit 2
    error: app.yaml:18:13: workloads[0].identity.name: an identity's name has 3 to 128 letters, digits, `-` and `_`, and begins with a letter or digit
    "#);
    assert_snapshot!(Lab::new().fails("identity create -n ../x --yes"), @r#"
    exit 2
    error: invalid value '../x' for '--name <NAME>': an identity's name has 3 to 128 letters, digits, `-` and `_`, and begins with a letter or digit
    "#);
}

#[test]
fn a_duplicate_key_is_refused() {
    assert_snapshot!(with("resourceGroup: podid-lab", "resourceGroup: podid-lab\nresourceGroup: other"), @r#"
    exit 2
    error: app.yaml:6:1: resourceGroup: duplicate key
    "#);
}

#[test]
fn an_inline_value_is_not_repeated() {
    assert_snapshot!(with("value:\n        file: conn.txt", "value: not-a-real-secret"), @r#"
    exit 2
    error: app.yaml:12:14: vault.secrets[0].value: do not write the secret here; give its source (file, env, generate, prompt)
    hint: Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.
    "#);
}

#[test]
fn an_unknown_value_source_lists_the_existing_ones() {
    assert_snapshot!(with("file: conn.txt", "fiel: conn.txt"), @r#"
    exit 2
    error: app.yaml:13:9: vault.secrets[0].value: do not write the secret here; give its source (file, env, generate, prompt)
    hint: Did you mean `file`? Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.
    "#);
}

#[test]
fn a_missing_field_is_named() {
    assert_snapshot!(with("    namespace: shop\n", ""), @r#"
    exit 2
    error: app.yaml:15:5: workloads[0]: the field `namespace` is missing
    "#);
}

#[test]
fn invalid_yaml_is_reported_with_its_place() {
    assert_snapshot!(with("metadata:\n", "metadata: [\n"), @r#"
    exit 2
    error: app.yaml:3:11: expected fields
    "#);
}

#[test]
fn a_secret_value_cannot_be_an_argument() {
    let lab = Lab::new();
    assert_snapshot!(lab.fails("vault secret set conn --vault kv-shop --value not-a-real-secret --yes"), @r#"
    exit 2
    error: do not pass a secret's value as an argument: every process of this machine can read it
    hint: Give it with --file FILE, --env VARIABLE, --stdin or --prompt, or let podid generate one with --generate=LENGTH.
    "#);
}

#[test]
fn a_missing_file_of_a_secret_is_reported_before_any_change() {
    let lab = Lab::with_app();
    std::fs::remove_file(lab.path("conn.txt")).unwrap();
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 2
    error: secret/kv-shop-errors/conn: the value's file conn.txt cannot be read: No such file or directory (os error 2)
    hint: A relative path is relative to the spec, or on the command line to the working directory.
    "#);
    assert!(!lab.done("identity list").contains("shop-mid"));
}

#[test]
fn a_missing_variable_of_a_secret_is_reported_before_any_change() {
    assert_snapshot!(with("file: conn.txt", "env: CONN"), @r#"
    exit 2
    error: secret/kv-shop-errors/conn: the environment variable CONN, which has a secret's value, is not set
    hint: Set CONN, or give the value by a file.
    "#);
}

#[test]
fn an_unreadable_saved_plan_is_wrong_use() {
    let lab = Lab::with_app();
    assert_snapshot!(lab.fails("up --plan none.json --yes"), @r#"
    exit 2
    error: could not read the plan none.json
      because No such file or directory (os error 2)
    hint: Make it with `podid plan --out FILE`.
    "#);
    lab.write("broken.json", "{\"version\": 1");
    assert_snapshot!(lab.fails("up --plan broken.json --yes"), @r#"
    exit 2
    error: could not read the plan broken.json
      because EOF while parsing an object at line 1 column 13
    hint: Make it with `podid plan --out FILE`.
    "#);
}

#[test]
fn an_unknown_command_and_an_unknown_flag_are_wrong_use() {
    let lab = Lab::new();
    assert_snapshot!(lab.fails("identiy create"), @r#"
    exit 2
    error: unrecognized subcommand 'identiy'
    hint: Some similar subcommands exist: 'lint', 'identity'.
    hint: Usage: podid [OPTIONS] <COMMAND>
    "#);
    assert_snapshot!(lab.fails("up --fil x"), @r#"
    exit 2
    error: unexpected argument '--fil' found
    hint: A similar argument exists: '--file'.
    hint: Usage: podid up --file <SPEC>
    "#);
    assert_snapshot!(lab.fails("up --timeout soon"), @r#"
    exit 2
    error: invalid value 'soon' for '--timeout <DURATION>': a duration is a number of seconds, or such as `90s`, `5m`, `1h30m`
    "#);
}
