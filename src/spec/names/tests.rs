//! The rules at their edges, and what must never reach a URL.

use super::*;

const SUB: &str = "11111111-2222-3333-4444-555555555555";

fn all_pass(rule: fn(&str) -> Checked, names: &[&str]) {
    for name in names {
        assert_eq!(rule(name), Ok(()), "{name:?}");
    }
}

fn all_fail(rule: fn(&str) -> Checked, names: &[&str]) {
    for name in names {
        assert!(rule(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_path_never_passes_as_a_name() {
    let rules: [fn(&str) -> Checked; 23] = [
        resource_group,
        identity,
        vault,
        secret,
        cluster,
        location,
        guid,
        role,
        permission,
        dns_label,
        dns_subdomain,
        label_value,
        secret_key,
        variable,
        image,
        identity_or_id,
        vault_or_id,
        cluster_or_id,
        group_or_id,
        storage_account,
        storage_account_or_id,
        container,
        user_name,
    ];
    for rule in rules {
        let long = "a".repeat(300);
        let nested = format!("/subscriptions/{SUB}/resourceGroups/../providers/x");
        all_fail(rule, &["", "..", ".", "../x", "a/../b", "/", "//", "a?b", "a#b/", "x\n", " a", "a\\..\\b", "%2e%2e/x", &long, &nested]);
    }
}

#[test]
fn azure_names_at_their_edges() {
    all_pass(resource_group, &["a", "podid-lab", "RG_1.(x)", "gr\u{fc}n", &"g".repeat(90)]);
    all_fail(resource_group, &["rg.", "a b", &"g".repeat(91)]);
    all_pass(identity, &["abc", "claims_api-mid", "1ab", &"i".repeat(128)]);
    all_fail(identity, &["ab", "-abc", "a.bc", &"i".repeat(129)]);
    all_pass(vault, &["abc", "kv-Claims-1", &"v".repeat(24)]);
    all_fail(vault, &["ab", "1ab", "ab-", "a--b", "a_b", &"v".repeat(25)]);
    all_pass(storage_account, &["abc", "0lab1", &"s".repeat(24)]);
    all_fail(storage_account, &["ab", "Abc", "a-b", "a_b", &"s".repeat(25)]);
    all_pass(container, &["abc", "0-a", "pod-identity-demo", &"c".repeat(63)]);
    all_fail(container, &["ab", "Abc", "-ab", "ab-", "a--b", "a_b", "$logs", &"c".repeat(64)]);
    all_pass(storage_sku, &["Standard_LRS", "Standard_RAGZRS"]);
    all_fail(storage_sku, &["Premium_LRS", "standard_lrs", ""]);
    all_pass(user_name, &["ann@example.com", "o'neil_example.com#EXT#@t.onmicrosoft.com"]);
    all_fail(user_name, &["ann", "@example.com", "ann@", "a b@c.d", "a@b/../c"]);
    all_pass(group_name, &["team", "Team A (claims)", "a/b"]);
    all_fail(group_name, &["", " team", "a\nb"]);
    all_pass(secret, &["s", "0-A", &"s".repeat(127)]);
    all_fail(secret, &["a_b", "a.b", &"s".repeat(128)]);
    all_pass(cluster, &["aks-mi", "A_1"]);
    all_fail(cluster, &["-aks", "aks-"]);
    all_pass(role, &["Reader", "Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"]);
    all_pass(guid, &[SUB]);
    all_fail(guid, &["11111111222233334444555555555555", "g1111111-2222-3333-4444-555555555555"]);
}

#[test]
fn kubernetes_names_at_their_edges() {
    all_pass(dns_label, &["a", "dev-claims-podid", "1", &"n".repeat(63)]);
    all_fail(dns_label, &["A", "a.b", "-a", "a-", "a_b", &"n".repeat(64)]);
    all_pass(dns_subdomain, &["a.b-c", &"n".repeat(253)]);
    all_fail(dns_subdomain, &["a..b", ".a", "a.", "a.-b", "A"]);
    all_pass(label_value, &["A_b.c-1", &"l".repeat(63)]);
    all_fail(label_value, &["-a", "a_", &"l".repeat(64)]);
    all_pass(secret_key, &["password", ".dockerconfigjson", "A_b-c.d"]);
    all_pass(alias, &["sqldbconn", "folder/file.txt", "what?.txt"]);
    all_fail(alias, &["/etc/passwd", "../x", "a/../b", "..data", "", "a//b", "a/", "c:x"]);
    all_pass(variable, &["DB_CONN", "_a", "a.b"]);
    all_fail(variable, &["1A", "A=B", "A B"]);
    let digest = format!("registry.k8s.io/pause@sha256:{}", "0".repeat(64));
    all_pass(image, &["busybox", "localhost:5000/a/b:v1", &digest]);
    all_fail(image, &["a b", "x@sha256:12", "x@md5:aa"]);
}

#[test]
fn a_full_id_stands_for_a_name_of_its_own_kind_only() {
    let id = format!("/subscriptions/{SUB}/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/claims");
    all_pass(identity_or_id, &["claims", &id]);
    all_fail(vault_or_id, &[&id]);
    all_fail(
        identity_or_id,
        &[&format!("{id}/"), &format!("{id}/x"), &id.replace("rg", ".."), &id.replace("claims", ".."), &id.replace(SUB, "x"), &id[1..]],
    );
    assert_eq!(id_of(IDENTITY, &id), Ok(Some(Parts { subscription: SUB, group: "rg", name: "claims" })));
    assert_eq!(id_of(IDENTITY, "claims"), Ok(None));
    assert_eq!(name_in(&id), "claims");
    all_pass(group_or_id, &["rg", &format!("/subscriptions/{SUB}/resourceGroups/rg")]);
    all_fail(group_or_id, &[&format!("/subscriptions/{SUB}/resourceGroups/rg/"), &format!("/subscriptions/{SUB}")]);
}

#[test]
fn keys_have_a_kind_and_a_name() {
    all_pass(key, &["identity/claims", "secret/kv/a"]);
    all_fail(key, &["identity", "identity/", "/identity", ""]);
}

#[test]
fn durations_are_seconds_or_have_units_from_large_to_small() {
    for (text, millis) in [("90", 90_000), ("0", 0), ("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("1m500ms", 60_500)] {
        assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "s", "5x", "1m1h", "1s1s", "-5", "-5m", "1mo", "999999999999999s"] {
        assert!(duration(text).is_err(), "{text}");
    }
}
