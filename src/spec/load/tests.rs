//! Specs that are right, and what is said of those that are not: with line and column.

use super::*;
use crate::spec::model::BlobAccess;
use std::{fs, path::Path};

const HEAD: &str = "apiVersion: podid/v1\nkind: App\nmetadata:\n  name: claims\n";

const WHOLE: &str = r"apiVersion: podid/v1
kind: App
metadata:
  name: claims
subscription: 11111111-2222-3333-4444-555555555555
resourceGroup: podid-lab
cluster:
  name: aks-mi
vault:
  name: kv-claims
  model: access-policy
  secrets:
    - name: sqldbconn
      value: {file: values/conn.txt}
    - {name: made, value: {generate: 24}}
workloads:
  - name: claims-api
    namespace: dev-claims
    identity:
      name: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/other/providers/Microsoft.ManagedIdentity/userAssignedIdentities/claims-api-mid
    secrets:
      - name: sqldbconn
        alias: conn.txt
        sync: {secret: claims-api, key: CONN}
        env: CONN
      - name: made
    roles:
      - {role: Reader, scope: vault/kv-claims}
";

fn told(text: &str) -> String {
    match parse(Path::new("podid.yaml"), text) {
        Ok(loaded) => panic!("was taken: {:?}", loaded.spec),
        Err(error) => format!("{error}{}", error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default()),
    }
}

fn after_head(rest: &str) -> String {
    told(&format!("{HEAD}{rest}"))
}

/// The whole spec with one change.
fn changed(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "{from}");
    told(&WHOLE.replacen(from, to, 1))
}

#[test]
fn a_right_spec_is_read_with_places_and_its_files_found() {
    let loaded = parse(Path::new("labs/claims.yaml"), WHOLE).unwrap();
    let secrets = &loaded.spec.vault.as_ref().unwrap().secrets;
    assert_eq!(secrets[0].value, SourceSpec::File("labs/values/conn.txt".into()));
    assert_eq!(secrets[1].value, SourceSpec::Generate(24));
}

#[test]
fn files_stay_as_they_are_without_a_folder_or_with_one_of_their_own() {
    let source = |path: &str, text: &str| parse(Path::new(path), text).unwrap().spec.vault.unwrap().secrets.remove(0).value;
    assert_eq!(source("podid.yaml", WHOLE), SourceSpec::File("values/conn.txt".into()));
    assert_eq!(source("-", WHOLE), SourceSpec::File("values/conn.txt".into()));
    assert_eq!(source("a/b.yaml", &WHOLE.replace("values/conn.txt", "/etc/conn.txt")), SourceSpec::File("/etc/conn.txt".into()));
}

#[test]
fn a_file_is_read_from_the_disk_or_missing() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("podid.yaml");
    let error = load(&path).unwrap_err();
    assert_eq!(error, Error::Missing { file: path.clone() });
    assert!(error.hint().unwrap().contains("-f FILE"));
    fs::write(&path, WHOLE).unwrap();
    assert_eq!(load(&path).unwrap().spec.metadata.name, "claims");
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(matches!(load(&path), Err(Error::Unreadable { .. })));
    assert!(matches!(load(room.path()), Err(Error::Unreadable { .. })));
}

#[test]
fn unknown_fields_name_the_nearest_known_one() {
    // the fields of modes and deliveries come after those of all workloads
    let told = changed("    namespace: dev-claims", "    namespce: dev-claims");
    let begins = "podid.yaml:18:5: workloads[0]: unknown field `namespce`\nhint: Did you mean `namespace`? The fields here are: name, namespace, identity, mode, delivery, secrets, vaultAccess, storage, roles, app, wire, selector, names, operatorScope";
    assert!(told.starts_with(begins), "{told}");
    let told = changed("    namespace: dev-claims", "    namespace: dev-claims\n    selecter: x");
    assert!(told.starts_with("podid.yaml:19:5: workloads[0]: unknown field `selecter`\nhint: Did you mean `selector`?"), "{told}");
    let told = changed("    namespace: dev-claims", "    namespace: dev-claims\n    names: {azureIdentiy: x}");
    assert!(
        told.starts_with("podid.yaml:19:13: workloads[0].names: unknown field `azureIdentiy`\nhint: Did you mean `azureIdentity`?"),
        "{told}"
    );
    insta::assert_snapshot!(changed("resourceGroup: podid-lab", "resource_group: podid-lab"), @r#"
    podid.yaml:6:1: unknown field `resource_group`
    hint: Did you mean `resourceGroup`? The fields here are: apiVersion, kind, metadata, subscription, resourceGroup, location, cluster, resourceGroups, vault, vaults, storage, workloads, suppress.
    "#);
    let known: Vec<&str> = crate::modes::names().collect();
    assert_eq!(
        changed("    namespace: dev-claims", "    namespace: dev-claims\n    mode: pod-idenity"),
        format!(
            "podid.yaml:19:11: workloads[0].mode: unknown word `pod-idenity`\nhint: Did you mean `pod-identity`? The known ones are: {}.",
            known.join(", ")
        )
    );
    insta::assert_snapshot!(changed("{file: values/conn.txt}", "{fil: values/conn.txt}"), @r#"
    podid.yaml:14:15: vault.secrets[0].value: do not write the secret here; give its source (file, env, generate, prompt)
    hint: Did you mean `file`? Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.
    "#);
}

#[test]
fn missing_fields_and_wrong_shapes_say_where() {
    insta::assert_snapshot!(changed("    namespace: dev-claims\n", ""), @"podid.yaml:17:5: workloads[0]: the field `namespace` is missing");
    insta::assert_snapshot!(after_head("vaults:\n"), @"podid.yaml:5:7: vaults: expected a list");
    insta::assert_snapshot!(after_head("vault: kv\n"), @"podid.yaml:5:8: vault: expected fields");
    insta::assert_snapshot!(after_head("vault:\n  name: [a]\n"), @"podid.yaml:6:9: vault.name: expected a single value");
    insta::assert_snapshot!(after_head("vault:\n  name:\n"), @"podid.yaml:6:7: vault.name: it has no value");
    insta::assert_snapshot!(after_head("vault:\n  name: kv1\n  model: rback\n"), @r#"
    podid.yaml:7:10: vault.model: unknown word `rback`
    hint: Did you mean `rbac`? The known ones are: rbac, access-policy.
    "#);
    insta::assert_snapshot!(told("metadata: {name: x}\n"), @"podid.yaml:1:1: the field `apiVersion` is missing");
}

#[test]
fn text_that_is_no_yaml_says_where() {
    insta::assert_snapshot!(after_head("vault:\n\tname: kv\n"), @"podid.yaml:6:2: tabs disallowed within this context (block indentation)");
    insta::assert_snapshot!(after_head("vault: {name: kv\n"), @"podid.yaml:5:8: unclosed bracket '{'");
    insta::assert_snapshot!(after_head("kind: App\n"), @"podid.yaml:5:1: kind: duplicate key");
    insta::assert_snapshot!(after_head("---\nkind: App\n"), @"podid.yaml:6:1: a spec is one document; a second one begins here");
    insta::assert_snapshot!(told("# nothing yet\n"), @r#"
    podid.yaml:2:1: the spec is empty
    hint: A spec begins with `apiVersion: podid/v1` and `kind: App`.
    "#);
}

#[test]
fn another_version_or_kind_is_refused() {
    insta::assert_snapshot!(changed("podid/v1", "podid/v2"), @"podid.yaml:1:13: apiVersion: this podid reads `podid/v1`, not `podid/v2`");
    insta::assert_snapshot!(changed("kind: App", "kind: Lab"), @"podid.yaml:2:7: kind: the kind is `App`, not `Lab`");
}

#[test]
fn a_value_in_the_spec_is_refused_and_never_repeated() {
    for value in ["hunter2", "[hunter2]", "{hunter2: x}", "{prompt: hunter2}", "{generate: hunter2}", "{file: [hunter2]}", "'hunter2'"] {
        let text = changed("{file: values/conn.txt}", value);
        assert!(text.starts_with("podid.yaml:14:") && !text.contains("hunter2"), "{value}: {text}");
    }
    // wherever and however it stands
    for (from, to) in [
        ("{file: values/conn.txt}", "!hunter2 x"),
        ("{file: values/conn.txt}", "!!hunter2 x"),
        ("{file: values/conn.txt}", "*hunter2"),
        ("{file: values/conn.txt}", "&hunter2 {x: y}"),
        ("{file: values/conn.txt}", "'hunter2"),
        ("{file: values/conn.txt}", "{hunter2"),
        ("{file: values/conn.txt}", "|hunter2"),
        ("{file: values/conn.txt}", "@hunter2"),
        ("{file: values/conn.txt}", "`hunter2"),
        ("{file: values/conn.txt}", "%hunter2"),
        ("{file: values/conn.txt}", r#""hunter2\q""#),
        ("{file: values/conn.txt}", "{env: hunter2!}"),
        ("{file: values/conn.txt}", "{env: {hunter2: x}}"),
        ("{file: values/conn.txt}", "{prompt: true, hunter2: x}"),
        ("{file: values/conn.txt}", "{value: hunter2}"),
        ("name: sqldbconn\n      value: {file: values/conn.txt}", "sqldbconn: hunter2"),
        ("name: sqldbconn\n      value: {file: values/conn.txt}", "sqldbconn=hunter2"),
        ("name: sqldbconn\n      value: {file: values/conn.txt}", "hunter2"),
        ("name: sqldbconn\n      value: {file: values/conn.txt}", "[hunter2]"),
        ("value: {file: values/conn.txt}", "literal: hunter2"),
        ("value: {file: values/conn.txt}", "values: {a: hunter2}"),
        ("value: {file: values/conn.txt}", "hunter2: x"),
        ("value: {file: values/conn.txt}", "hunter2"),
        ("- name: sqldbconn\n      value", "- name: sqldbconn=hunter2\n      value"),
        ("- name: sqldbconn\n        alias", "- name: sqldbconn=hunter2\n        alias"),
        ("alias: conn.txt", "value: hunter2"),
        ("env: CONN", "env: CONN=hunter2"),
        ("env: CONN", "env: {CONN: hunter2}"),
        ("sync: {secret: claims-api, key: CONN}", "sync: {secret: claims-api, key: CONN=hunter2}"),
        ("sync: {secret: claims-api, key: CONN}", "sync: CONN=hunter2"),
        ("      - name: made\n", "      - made=hunter2\n"),
        ("resourceGroup: podid-lab", "values: {sqldbconn: hunter2}"),
        ("resourceGroup: podid-lab", "sqldbconn=hunter2"),
        ("resourceGroup: podid-lab", "hunter2: x"),
    ] {
        let text = changed(from, to);
        assert!(!text.contains("hunter2"), "{from} -> {to}: {text}");
    }
    insta::assert_snapshot!(changed("{file: values/conn.txt}", "hunter2"), @r#"
    podid.yaml:14:14: vault.secrets[0].value: do not write the secret here; give its source (file, env, generate, prompt)
    hint: Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.
    "#);
    insta::assert_snapshot!(changed("{file: values/conn.txt}", "{file: a, env: B}"), @r#"
    podid.yaml:14:24: vault.secrets[0].value.env: give exactly one source
    hint: Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.
    "#);
    insta::assert_snapshot!(changed("{file: values/conn.txt}", ""), @r#"
    podid.yaml:14:12: vault.secrets[0].value: do not write the secret here; give its source (file, env, generate, prompt)
    hint: Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.
    "#);
    insta::assert_snapshot!(changed("{file: values/conn.txt}", "{prompt: false}"), @"podid.yaml:14:23: vault.secrets[0].value.prompt: it can only be `true`");
    insta::assert_snapshot!(changed("{generate: 24}", "{generate: 2}"), @"podid.yaml:15:38: vault.secrets[1].value.generate: a generated value has 8 to 4096 characters");
}

#[test]
fn names_are_checked_where_they_stand() {
    insta::assert_snapshot!(changed("name: kv-claims", "name: ../x"), @"podid.yaml:10:9: vault.name: a vault's name has 3 to 24 letters, digits and single `-`, begins with a letter and ends with a letter or digit");
    insta::assert_snapshot!(changed("resourceGroup: podid-lab", "resourceGroup: podid-lab."), @"podid.yaml:6:16: resourceGroup: a resource group's name has 1 to 90 letters, digits, `-`, `_`, `.`, `(` and `)`, and does not end with `.`");
    for (from, to) in [
        ("  name: claims\n", "  name: Claims\n"),
        ("name: aks-mi", "name: a/b"),
        ("name: sqldbconn\n      value", "name: sql_db\n      value"),
        ("userAssignedIdentities/claims-api-mid", "userAssignedIdentities/.."),
        ("namespace: dev-claims", "namespace: dev/../claims"),
        ("alias: conn.txt", "alias: ../conn.txt"),
        ("key: CONN", "key: a/b"),
        ("scope: vault/kv-claims", "scope: vault/../x"),
        ("role: Reader", "role: ../Reader"),
        ("11111111-2222-3333-4444-555555555555\nres", "production\nres"),
        ("env: CONN", "env: 1CONN"),
    ] {
        let text = changed(from, to);
        assert!(text.starts_with("podid.yaml:") && text.matches(':').count() >= 4, "{to}: {text}");
    }
}

#[test]
fn references_lead_somewhere() {
    let two = "vaults:\n  - name: kv-other\nworkloads:";
    insta::assert_snapshot!(changed("workloads:", two), @r#"
    podid.yaml:24:9: workloads[0].secrets[0]: the spec has several vaults: `vault` must say which one
    hint: The vaults are: kv-claims, kv-other.
    "#);
    let named = |vault: &str| {
        told(
            &WHOLE
                .replace("workloads:", two)
                .replace("      - name: sqldbconn", &format!("      - vault: {vault}\n        name: sqldbconn")),
        )
    };
    insta::assert_snapshot!(named("kv-othr"), @r#"
    podid.yaml:24:16: workloads[0].secrets[0].vault: the spec has no vault `kv-othr`
    hint: Did you mean `kv-other`? The vaults are: kv-claims, kv-other.
    "#);
    insta::assert_snapshot!(changed("        sync: {secret: claims-api, key: CONN}\n", ""), @r#"
    podid.yaml:24:14: workloads[0].secrets[0].env: a variable gets its value from a Kubernetes Secret, so it needs `sync`
    hint: Add `sync: {secret: NAME, key: KEY}`.
    "#);
    let start = WHOLE.find("vault:").unwrap();
    let end = WHOLE.find("workloads:").unwrap();
    insta::assert_snapshot!(told(&format!("{}{}", &WHOLE[..start], &WHOLE[end..])), @r#"
    podid.yaml:15:15: workloads[0].secrets[0].name: the spec has no vault that it could be in
    hint: Add `vault: {name: NAME}`.
    "#);
}

#[test]
fn nothing_stands_twice() {
    insta::assert_snapshot!(changed("- {name: made, value", "- {name: SQLDBCONN, value"), @"podid.yaml:15:14: vault.secrets[1].name: the secret `SQLDBCONN` is already in this vault");
    insta::assert_snapshot!(changed("      - name: made\n", "      - name: made\n        alias: conn.txt\n"), @r#"
    podid.yaml:27:16: workloads[0].secrets[1].alias: another secret of this workload is already the file of this name
    hint: Give it another `alias`.
    "#);
    insta::assert_snapshot!(changed("      - name: made\n", "      - name: made\n        sync: {secret: claims-api, key: CONN}\n"), @"podid.yaml:27:41: workloads[0].secrets[1].sync.key: this key of the Secret `claims-api` is already synced from another one");
    let workload = &WHOLE[WHOLE.find("  - name: claims-api").unwrap()..];
    insta::assert_snapshot!(told(&format!("{WHOLE}{workload}")), @"podid.yaml:29:11: workloads[1].name: there is already a workload `claims-api`");
    insta::assert_snapshot!(changed("workloads:", "vaults: [{name: KV-claims}]\nworkloads:"), @"podid.yaml:16:17: vaults[0].name: the vault `KV-claims` is already in the spec");
}

#[test]
fn a_name_that_only_azure_takes_gets_another_one_in_kubernetes() {
    let identity = "userAssignedIdentities/claims-api-mid";
    let called = |name: &str| WHOLE.replace(identity, &format!("userAssignedIdentities/{name}"));
    assert!(parse(Path::new("x"), &called("Claims_API")).is_ok());
    let long = "a".repeat(64);
    insta::assert_snapshot!(changed(identity, &format!("userAssignedIdentities/{long}")), @r#"
    podid.yaml:20:13: workloads[0].identity.name: the pod label cannot be called so: a label's value has 1 to 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit
    hint: Give it a value of its own with `selector: VALUE`.
    "#);
    let selector = called(&long).replace("    namespace: dev-claims", "    namespace: dev-claims\n    selector: claims-api");
    assert!(parse(Path::new("x"), &selector).is_ok());
    // the names of two identities may become one
    let other = "  - {name: other, namespace: dev-claims, identity: {name: claims-API_mid}}\n";
    insta::assert_snapshot!(told(&format!("{WHOLE}{other}")), @r#"
    podid.yaml:29:59: workloads[1].identity.name: another identity already has the AzureIdentity `claims-api-mid` in the namespace `dev-claims`
    hint: Give it another name with `names: {azureIdentity: NAME}`.
    "#);
}

#[test]
fn settings_of_modes_and_deliveries_are_read_and_checked_where_they_stand() {
    let with = |lines: &str| WHOLE.replace("    namespace: dev-claims", &format!("    namespace: dev-claims\n{lines}"));
    let names =
        "    names: {azureIdentity: a, azureIdentityBinding: b, secretProviderClass: c}\n    selector: s\n    operatorScope: resourceGroup";
    let settings = parse(Path::new("x"), &with(names)).unwrap().spec.workloads.remove(0).settings;
    for (field, value) in [
        ("names.azureIdentity", "a"),
        ("names.azureIdentityBinding", "b"),
        ("names.secretProviderClass", "c"),
        ("selector", "s"),
        ("operatorScope", "resourceGroup"),
    ] {
        assert_eq!(settings.get(field), Some(value), "{field}");
    }
    insta::assert_snapshot!(told(&with("    operatorScope: resourcegroup")), @r"
    podid.yaml:19:20: workloads[0].operatorScope: unknown word `resourcegroup`
    hint: Did you mean `resourceGroup`? The known ones are: identity, resourceGroup, subscription, none.
    ");
    insta::assert_snapshot!(told(&with("    names: {azureIdentity: A/B}")), @"podid.yaml:19:28: workloads[0].names.azureIdentity: it has 1 to 253 lower-case letters, digits, `-` and `.`, and each part begins and ends with a letter or digit");
    insta::assert_snapshot!(told(&with("    names: a")), @"podid.yaml:19:12: workloads[0].names: expected fields");
    insta::assert_snapshot!(told(&with("    selector: [a]")), @"podid.yaml:19:15: workloads[0].selector: expected a single value");
}

const STORAGE: &str = "storage:
  - name: labdocs
    containers: [incoming, {name: archive}]
workloads:
  - name: reader
    namespace: docs
    identity: {name: docs-mid}
    storage:
      - {account: labdocs, container: incoming, access: read}
      - {account: LabDocs, container: archive}
";

fn storage_changed(from: &str, to: &str) -> String {
    assert!(STORAGE.contains(from), "{from}");
    after_head(&STORAGE.replacen(from, to, 1))
}

#[test]
fn storage_accounts_hold_containers_by_name_or_as_fields() {
    let spec = parse(Path::new("podid.yaml"), &format!("{HEAD}{STORAGE}")).unwrap().spec;
    let names: Vec<&str> = spec.storage[0].containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["incoming", "archive"]);
    let access: Vec<BlobAccess> = spec.workloads[0].storage.iter().map(|used| used.access).collect();
    assert_eq!(access, [BlobAccess::Read, BlobAccess::Write]);
}

#[test]
fn faults_in_storage_are_told_with_their_place() {
    let told = storage_changed("name: labdocs", "name: lab-docs");
    assert!(told.starts_with("podid.yaml:6:11: storage[0].name: a storage account's name has 3 to 24"), "{told}");
    let told = storage_changed("incoming,", "In,");
    assert!(told.starts_with("podid.yaml:7:18: storage[0].containers[0]: a container's name has 3 to 63"), "{told}");
    let told = storage_changed("{name: archive}", "{name: a--b}");
    assert!(told.contains("storage[0].containers[1]: a container's name"), "{told}");
    let told = storage_changed("{name: archive}", "{nam: archive}");
    assert!(told.contains("unknown field `nam`") && told.contains("Did you mean `name`?"), "{told}");
    let told = storage_changed("{name: archive}", "incoming");
    assert!(told.contains("the container `incoming` is already in this storage account"), "{told}");
    let told = storage_changed("account: labdocs", "account: labdoc");
    assert!(told.contains("workloads[0].storage[0].account: the spec has no storage account `labdoc`"), "{told}");
    assert!(told.contains("Did you mean `labdocs`?"), "{told}");
    let told = storage_changed("container: incoming", "container: incomin");
    assert!(told.contains("has no container `incomin` in the spec") && told.contains("Did you mean `incoming`?"), "{told}");
    let told = storage_changed("access: read", "access: reed");
    assert!(told.contains("unknown word `reed`") && told.contains("Did you mean `read`?"), "{told}");
    let told = storage_changed("container: archive}", "container: incoming}");
    assert!(told.contains("this workload already uses the container"), "{told}");
    let told = storage_changed("    containers:", "    sku: Premium_LRS\n    containers:");
    assert!(told.contains("storage[0].sku: a SKU of a storage account is one of Standard_LRS"), "{told}");
}

#[test]
fn a_number_that_does_not_fit_is_told_in_words() {
    let app = |from: &str, to: &str| {
        let app = "    app: {image: nginx, replicas: 2, port: 80}\n";
        told(&format!("{WHOLE}{app}").replace(from, to))
    };
    assert!(app("replicas: 2", "replicas: -1").ends_with("app.replicas: expected a whole number, 0 or more"));
    assert!(app("port: 80", "port: 70000").ends_with("app.port: expected a whole number from 0 to 65535"));
    assert!(app("port: 80", "port: http").ends_with("app.port: expected a whole number from 0 to 65535"));
}
