//! `podid vault migrate-to-rbac`: roles for the access policies, then the switch, and a state that fits.

use super::{SPEC, VAULT, World, world};
use crate::common::{Output, log::Line, until};
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";
const CRYPTO_USER: &str = "12338af0-0e69-4776-bea7-57ae8d297424";

impl World {
    fn migrate(&self, more: &[&str]) -> Output {
        self.podid(&[&["vault", "migrate-to-rbac", VAULT, "-g", "podid-lab", "--app", "shop", "--settle", "0", "--yes"], more].concat())
    }

    fn user(&self, name: &str) -> String {
        let body = json!({ "displayName": name, "userPrincipalName": format!("{name}@example.com"), "accountEnabled": true,
            "mailNickname": name, "passwordProfile": { "password": "x-Y-9-not-a-real-one" } });
        let answer = self.send("POST", &format!("{GRAPH}/v1.0/users"), &self.token(GRAPH), "application/json", Some(body.to_string()));
        answer.ok()["id"].as_str().unwrap().to_owned()
    }

    fn add_policy(&self, entry: &Value) {
        let path = format!("{}/accessPolicies/add?api-version=2026-02-01", self.vault_id(VAULT));
        self.arm("PUT", &path, Some(json!({ "properties": { "accessPolicies": [entry] } }))).ok();
    }

    fn uses_rbac(&self) -> bool {
        self.arm("GET", &self.vault_path(), None).ok()["properties"]["enableRbacAuthorization"] == json!(true)
    }

    /// Returns role GUID, principal and description of each assignment on the vault.
    fn vault_roles(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |one: &Value| {
            let found = &one["properties"];
            let role = text(&found["roleDefinitionId"]).rsplit('/').next().unwrap().to_owned();
            (role, text(&found["principalId"]), text(&found["description"]))
        };
        self.assignments(&self.vault_id(VAULT)).iter().map(of).collect()
    }

    fn keys(&self) -> Vec<String> {
        let listed = self.listed();
        listed["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    }

    fn principal_of_shop(&self) -> String {
        self.podid(&["output", "identity/shop-mid", "principal_id", "--app", "shop"]).ok().stdout.trim().to_owned()
    }
}

fn rbac_spec(world: &World) {
    world.write("shop.yaml", &SPEC.replace("model: access-policy", "model: rbac"));
}

#[test]
fn three_policies_become_roles_and_the_pods_still_read() {
    let world = world();
    world.up("shop.yaml", &["--verify"]).ok();
    let (login, identity, ann) = (world.login(), world.principal_of_shop(), world.user("ann"));
    world.add_policy(&world.entry(&ann, &json!({ "keys": ["Get", "Sign"] })));
    let policies = world.policies();
    assert_eq!(policies.len(), 3);

    let mark = world.mark();
    let shown = world.migrate(&["--dry-run"]).ok();
    for words in [
        "role: Key Vault Secrets User",
        &format!("replaces: secrets get of identity/shop-mid ({identity})"),
        "alsoGives: secrets list",
        &format!("replaces: secrets get, list, set, delete, recover of podid's own login ({login})"),
        "alsoGives: secrets backup, restore, purge",
        &format!("replaces: keys get, sign of user {ann}"),
        "alsoGives: keys list, update, backup, encrypt, decrypt, wrapkey, unwrapkey, verify",
        "~ update  vaultmodel/kv-shop-x1",
        "model: access-policy -> rbac",
        "plan: 3 to create, 1 to update",
    ] {
        assert!(shown.stdout.contains(words), "{words}\n{}", shown.stdout);
    }
    assert_eq!(world.writes_since(mark), ["POST directoryObjects/getByIds"]);

    let mark = world.mark();
    let done = world.migrate(&[]).ok();
    let back = format!("az keyvault update -n {VAULT} -g podid-lab --enable-rbac-authorization false");
    let done = done.says("3 created, 1 updated").says("checked: podid's own login lists the vault's secrets by a role").says(&back);
    done.says("write `model: rbac`");
    let writes: Vec<String> = world.since(mark).iter().filter(|line| line.is_write()).map(Line::short).collect();
    let role = "PUT roleAssignments at kv-shop-x1";
    assert_eq!(writes, ["POST directoryObjects/getByIds", role, role, role, "PATCH vaults/kv-shop-x1"]);
    assert!(world.uses_rbac());
    assert_eq!(world.policies(), policies, "they are the way back");
    let mut roles = world.vault_roles();
    roles.sort();
    let of_shop = "managed-by=podid podid-app=shop".to_owned();
    let of_nobody = "replaces an access policy (podid vault migrate-to-rbac)".to_owned();
    let mut wanted = vec![
        (SECRETS_USER.to_owned(), identity, of_shop.clone()),
        (SECRETS_OFFICER.to_owned(), login, of_shop),
        (CRYPTO_USER.to_owned(), ann.clone(), of_nobody),
    ];
    wanted.sort();
    assert_eq!(roles, wanted);

    // the state
    let of_migration = |key: &String| key.starts_with("policyrole/") || key.starts_with("vaultmodel/");
    assert_eq!(world.keys().into_iter().filter(of_migration).collect::<Vec<_>>(), Vec::<String>::new());
    world.podid(&["output", "vault/kv-shop-x1", "model"]).ok().says("rbac");
    let stale = world.shop(&["plan"]).exits(4).says("uses Azure RBAC").says("Write `model: rbac`");
    assert!(stale.stdout.contains(&back), "{}", stale.stdout);
    rbac_spec(&world);
    world.up("shop.yaml", &["--verify"]).ok().says("nothing to do").says("proved shop/web");
    assert_eq!(world.policies(), policies);

    let mark = world.mark();
    world.migrate(&[]).ok().says("nothing to do").says("uses Azure RBAC already");
    let again = world.migrate(&["-o", "json"]).ok().json();
    assert_eq!(again["migration"], json!({ "vault": VAULT, "model": "rbac", "switched": false }));
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.plan("shop.yaml").ok();
    // what replaced the policies of others is not the app's
    world.down("shop.yaml", &[]).ok();
    let left: Vec<String> = world.vault_roles().into_iter().map(|(_, principal, _)| principal).collect();
    assert_eq!(left, [ann]);
}

#[test]
fn a_run_that_was_killed_before_the_switch_is_continued() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let run = world.start(&["vault", "migrate-to-rbac", VAULT, "-g", "podid-lab", "--app", "shop", "--settle", "1h", "--yes"]);
    until("the roles are there and podid waits", || {
        let text = world.podid(&["state", "list"]).stdout;
        (world.vault_roles().len() == 2 && text.lines().any(|line| line.starts_with("vaultmodel/") && line.contains("update was begun")))
            .then_some(())
    });
    run.kill();
    assert!(!world.uses_rbac());
    // the app works on meanwhile, by its access policies
    world.shop(&["up", "--verify", "--yes"]).ok().says("nothing to do");
    let done = world.migrate(&["-o", "json"]).ok().json();
    assert_eq!((&done["summary"]["create"], &done["summary"]["update"]), (&json!(0), &json!(1)), "{done:#}");
    assert_eq!(done["migration"]["switched"], true);
    assert!(world.uses_rbac());
    rbac_spec(&world);
    world.up("shop.yaml", &["--verify"]).ok().says("nothing to do");
    assert!(!world.keys().iter().any(|key| key.starts_with("policyrole/") || key.starts_with("vaultmodel/")));
}

#[test]
fn policies_that_no_role_fits_need_a_decision() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let (ann, bob, eve) = (world.user("ann"), world.user("bob"), world.user("eve"));
    let mut compound = world.entry(&ann, &json!({ "secrets": ["get"] }));
    compound["applicationId"] = json!("33333333-0000-4000-8000-000000000000");
    world.add_policy(&compound);
    world.add_policy(&world.entry(&bob, &json!({ "secrets": ["list"], "storage": ["get"] })));
    world.add_policy(&world.entry(&eve, &json!({ "secrets": ["all"] })));
    let gone = world.send("DELETE", &format!("{GRAPH}/v1.0/users/{eve}"), &world.token(GRAPH), "application/json", None);
    assert_eq!(gone.status, 204);

    let refused = world.migrate(&[]).exits(4);
    let refused = refused.says("1 resource needs a decision; nothing was changed").says("--skip-unmatched");
    refused.says("compound identity").says(&format!("the access policy of user {bob}: no role gives storage get"));
    assert_eq!((world.vault_roles(), world.uses_rbac()), (Vec::new(), false));

    let done = world.migrate(&["--skip-unmatched"]).ok();
    done.says(&format!("lost: the access policy of user {bob}")).says(&format!("{eve} does not exist any more"));
    let mut holders: Vec<String> = world.vault_roles().into_iter().map(|(_, principal, _)| principal).collect();
    holders.sort();
    let mut wanted = vec![bob, world.login(), world.principal_of_shop()];
    wanted.sort();
    assert_eq!(holders, wanted);
    assert!(world.uses_rbac());
}

#[test]
fn an_assignment_that_is_there_is_kept_and_single_permissions_become_a_role() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let (ann, identity) = (world.user("ann"), world.principal_of_shop());
    let name = "11111111-2222-4333-8444-555555555555";
    let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01", world.vault_id(VAULT));
    let role = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_USER}", world.subscription());
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": identity, "principalType": "ServicePrincipal" } });
    world.arm("PUT", &path, Some(body)).ok();
    let grant =
        ["vault", "grant", "--vault", VAULT, "-g", "podid-lab", "--app", "shop", "--to", &format!("user/{ann}"), "--secrets", "get,set"];
    world.podid(&[&grant[..], &["--yes"]].concat()).ok();

    world.migrate(&[]).ok().says("2 created, 1 updated").says("1 adopted");
    let key = format!("role/key-vault-secrets-officer/principal/{ann}/vault/{VAULT}");
    assert_eq!(world.origin_of(&key).as_deref(), Some("created"));
    assert_eq!(world.origin_of(&format!("grant/{VAULT}/principal/{ann}")), None);
    assert_eq!(world.origin_of("grant/kv-shop-x1/shop-mid").as_deref(), Some("adopted"), "its role is not podid's");
    rbac_spec(&world);
    world.up("shop.yaml", &[]).ok().says("nothing to do");
    world.down("shop.yaml", &[]).ok();
    let left: Vec<String> = world.vault_roles().into_iter().map(|(_, principal, _)| principal).collect();
    assert_eq!(left, [identity]);
}

#[test]
fn policies_that_change_meanwhile_stop_the_switch() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let ann = world.user("ann");
    let late = json!({ "error": { "code": "PrincipalNotFound", "message": "Principal does not exist in the directory." } });
    world.settings(&json!({ "fail": [{ "method": "PUT", "path": "/roleAssignments/", "status": 400, "body": late }] }));
    let run = world.start(&["vault", "migrate-to-rbac", VAULT, "-g", "podid-lab", "--app", "shop", "--settle", "0", "--yes"]);
    until("the run has begun", || world.podid(&["state", "list"]).stdout.contains("policyrole/").then_some(()));
    world.add_policy(&world.entry(&ann, &json!({ "secrets": ["get"] })));
    world.settings(&json!({ "fail": null }));
    run.wait().exits(4).says("the access policies of the vault kv-shop-x1 changed since the plan was made");
    assert!(!world.uses_rbac());
    world.migrate(&[]).ok().says("1 created, 1 updated");
    assert_eq!(world.vault_roles().len(), 3);
}

#[test]
fn rights_from_above_and_from_groups_are_seen_and_not_given_again() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let graph = |method: &str, path: &str, body: Value| {
        world.send(method, &format!("{GRAPH}/v1.0/{path}"), &world.token(GRAPH), "application/json", Some(body.to_string()))
    };
    let team = json!({ "displayName": "team", "mailEnabled": false, "mailNickname": "team", "securityEnabled": true });
    let team = graph("POST", "groups", team).ok()["id"].as_str().unwrap().to_owned();
    let member = json!({ "@odata.id": format!("{GRAPH}/v1.0/directoryObjects/{bob}") });
    assert_eq!(graph("POST", &format!("groups/{team}/members/$ref"), member).status, 204);
    let assign = |name: &str, scope: &str, role: &str, principal: &str, kind: &str| {
        let role = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", world.subscription());
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
        let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal, "principalType": kind } });
        world.arm("PUT", &path, Some(body)).ok();
    };
    let subscription = format!("/subscriptions/{}", world.subscription());
    assign("11111111-2222-4333-8444-000000000001", &world.group_id(), SECRETS_USER, &ann, "User");
    assign("11111111-2222-4333-8444-000000000002", &subscription, SECRETS_OFFICER, &team, "Group");
    world.add_policy(&world.entry(&ann, &json!({ "secrets": ["get"], "keys": ["get", "sign"] })));
    world.add_policy(&world.entry(&bob, &json!({ "secrets": ["get", "set"] })));

    let done = world.migrate(&[]).ok();
    let done = done.says(&format!("user {ann} has secrets get already: Key Vault Secrets User at {}", world.group_id()));
    done.says(&format!("user {bob} has secrets get, set already: Key Vault Secrets Officer at {subscription}, by the group {team}"));
    let roles: Vec<(String, String)> = world.vault_roles().into_iter().map(|(role, principal, _)| (role, principal)).collect();
    assert!(!roles.iter().any(|(_, principal)| *principal == bob), "{roles:?}");
    let of_ann: Vec<&str> = roles.iter().filter(|(_, principal)| *principal == ann).map(|(role, _)| role.as_str()).collect();
    assert_eq!(of_ann, [CRYPTO_USER], "only what the role from above does not give");
    assert!(world.uses_rbac());
}

#[test]
fn a_run_that_is_interrupted_while_it_waits_is_continued() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let run = world.start(&["vault", "migrate-to-rbac", VAULT, "-g", "podid-lab", "--app", "shop", "--settle", "1h", "--yes"]);
    until("the roles are there and podid waits", || {
        let text = world.podid(&["state", "list"]).stdout;
        (world.vault_roles().len() == 2 && text.lines().any(|line| line.starts_with("vaultmodel/") && line.contains("update was begun")))
            .then_some(())
    });
    run.interrupt();
    let stopped = run.wait().exits(130);
    assert!(stopped.stderr.contains("interrupted"), "{}", stopped.stderr);
    assert!(!world.uses_rbac());
    let known = world.keys();
    assert_eq!(known.iter().filter(|key| key.starts_with("policyrole/")).count(), 2, "{known:?}");
    let done = world.migrate(&["-o", "json"]).ok().json();
    assert_eq!((&done["summary"]["create"], &done["summary"]["update"]), (&json!(0), &json!(1)), "{done:#}");
    assert!(world.uses_rbac());
    assert!(!world.keys().iter().any(|key| key.starts_with("policyrole/") || key.starts_with("vaultmodel/")));
}
