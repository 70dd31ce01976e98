//! Keys and certificates beside secrets: rights by either permission model, files of the mount, and Secrets of a type.

use super::{SPEC, VAULT};
use crate::common::World;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

const OBJECTS: &str = "      - {name: sign, type: key, alias: sign.pem}
      - {name: site, type: cert, alias: site.crt, filePermission: \"0440\"}
      - {name: site, alias: site.pem, sync: {secret: web-tls, type: kubernetes.io/tls}}
";

fn spec(model: &str) -> String {
    format!("{SPEC}{OBJECTS}").replace("model: access-policy", &format!("model: {model}"))
}

/// Imports a key and a certificate, as another team would.
fn import(world: &World) {
    let key = json!({ "key": { "kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xc5_u8; 256]), "d": "c2VjcmV0" } });
    let made = world.vault("PUT", VAULT, "/keys/sign", Some(key)).ok();
    assert!(made["key"].get("d").is_none(), "the private half is never returned");
    let site = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
    let pem = format!("{}{}", site.cert.pem(), site.signing_key.serialize_pem());
    world.vault("POST", VAULT, "/certificates/site/import", Some(json!({ "value": pem }))).ok();
}

fn roles(world: &World) -> Vec<String> {
    let id = world.podid(&["output", "identity/shop-mid", "principal_id"]).ok().stdout.trim().to_owned();
    let mine = world.assignments(&world.vault_id(VAULT)).into_iter().filter(|a| a["properties"]["principalId"] == json!(id));
    let mut roles: Vec<String> = mine
        .map(|a| a["properties"]["roleDefinitionId"].as_str().unwrap().rsplit('/').next().unwrap().split('-').next().unwrap().to_owned())
        .collect();
    roles.sort();
    roles
}

#[test]
fn rights_follow_from_what_is_mounted_and_a_proof_reads_all_of_it() {
    let world = World::served();
    world.write("podid.yaml", &spec("access-policy"));
    world.up("podid.yaml", &[]).ok();
    world.of_shop(&["vault", "grant", "--vault", VAULT, "--to", "caller", "--keys", "import", "--certificates", "import"]).ok();
    import(&world);
    let proof = world.podid(&["verify", "-f", "podid.yaml"]).ok();
    assert!(proof.stdout.contains("those of keys and certificates are not compared"), "{}", proof.stdout);
    assert!(proof.last_line().contains("sign.pem") && proof.last_line().contains("site.crt"), "{}", proof.stdout);
    world.plan("podid.yaml").ok();
    // without the right to keys the proof names it
    world.of_shop(&["vault", "revoke", "--vault", VAULT, "--to", "identity/shop-mid", "--keys", "get"]).ok();
    let failed = world.podid(&["verify", "-f", "podid.yaml", "--timeout", "20s"]).exits(1);
    assert!(failed.stderr.contains("right of the identity shop-mid") || failed.stderr.contains("may not read"), "{}", failed.stderr);
    world.up("podid.yaml", &[]).ok();
    world.podid(&["verify", "-f", "podid.yaml"]).ok();
    world.down("podid.yaml", &["--delete-data", VAULT]).ok();
}

#[test]
fn a_tls_secret_has_certificate_and_key() {
    let world = World::served();
    world.write("podid.yaml", &spec("access-policy"));
    world.up("podid.yaml", &[]).ok();
    world.of_shop(&["vault", "grant", "--vault", VAULT, "--to", "caller", "--keys", "import", "--certificates", "import"]).ok();
    import(&world);
    world.of_shop(&["mount", "keep", "-n", "shop", "--name", "web"]).ok();
    let synced = world.synced("web-tls");
    assert_eq!(synced["type"], "kubernetes.io/tls");
    let part = |key: &str| String::from_utf8(STANDARD.decode(synced["data"][key].as_str().unwrap()).unwrap()).unwrap();
    assert!(part("tls.crt").starts_with("-----BEGIN CERTIFICATE-----") && !part("tls.crt").contains("PRIVATE"));
    assert!(part("tls.key").contains("PRIVATE KEY-----") && !part("tls.key").contains("CERTIFICATE"));
}

#[test]
fn a_vault_with_rbac_gets_a_role_for_each_kind() {
    let world = World::served();
    world.write("podid.yaml", &spec("rbac"));
    world.up("podid.yaml", &[]).ok();
    // Crypto User, Secrets User, Certificate User
    assert_eq!(roles(&world), ["12338af0", "4633458b", "db79e9a7"]);
    world.plan("podid.yaml").ok();
    let more = ["vault", "grant", "--vault", VAULT, "--to", "identity/shop-mid"];
    world.of_shop(&[&more[..], &["--keys", "get,sign"]].concat()).exits(4).says("RBAC vault").says("Key Vault Crypto User");
    world.of_shop(&[&more[..], &["--secrets", "get", "--keys", "get", "--certificates", "get"]].concat()).ok();
    world.write("podid.yaml", &SPEC.replace("model: access-policy", "model: rbac"));
    world.up("podid.yaml", &[]).ok();
    world.down("podid.yaml", &["--delete-data", VAULT]).ok();
    assert_eq!(world.listed()["entries"], json!([]));
}

#[test]
fn permissions_of_an_entry_are_kept_apart_by_kind() {
    let world = super::world();
    let of = |words: &[&str]| world.of_shop(&[&["vault"], words, &["--vault", VAULT, "--to", "identity/shop-mid"]].concat());
    of(&["grant", "--secrets", "get", "--keys", "get,unwrapKey", "--certificates", "get"]).ok();
    let permissions = || {
        let vault = world.arm("GET", &format!("{}?api-version=2026-02-01", world.vault_id(VAULT)), None).ok();
        let id = world.podid(&["output", "identity/shop-mid", "principal_id"]).ok().stdout.trim().to_owned();
        let all = vault["properties"]["accessPolicies"].as_array().unwrap().clone();
        all.into_iter().find(|p| p["objectId"] == json!(id)).map_or(Value::Null, |p| p["permissions"].clone())
    };
    let granted = permissions();
    assert_eq!((&granted["keys"], &granted["certificates"]), (&json!(["get", "unwrapkey"]), &json!(["get"])));
    of(&["revoke", "--keys", "get"]).ok();
    let left = permissions();
    assert_eq!((&left["secrets"], &left["certificates"]), (&json!(["get"]), &json!(["get"])));
    assert!(left["keys"].as_array().is_none_or(Vec::is_empty), "{left}");
}

#[test]
fn what_cannot_be_mounted_is_refused_with_its_place() {
    let world = World::new();
    for (wrong, says) in [
        ("{name: site, type: cert, format: pfx}", "a pfx contains the private key"),
        ("{name: site, filePermission: \"999\"}", "three octal digits"),
        ("{name: site, type: cert, sync: {secret: s, type: kubernetes.io/tls}}", "without its private key"),
        ("{name: site, sync: {secret: s, key: cert, type: kubernetes.io/tls}}", "tls.crt, tls.key"),
        ("{name: site, sync: {secret: s}}", "`key` is missing"),
        ("{name: site, type: certificate}", "cert"),
    ] {
        world.write("podid.yaml", &format!("{SPEC}      - {wrong}\n"));
        world.podid(&["plan", "-f", "podid.yaml"]).exits(2).says(says);
    }
    let apply = ["mount", "apply", "-n", "shop", "--name", "web", "--vault", VAULT];
    world
        .podid(&[&apply[..], &["--cert", "site", "--sync", "s:tls.crt=site", "--sync-type", "s=kubernetes.io/tls"]].concat())
        .exits(2)
        .says("lacks the key `tls.key`");
}
