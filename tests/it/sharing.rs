//! One identity for several workloads: the plan warns of it when it changes something of the identity, and never refuses it.

use crate::common::{Output, World};

const SHARED: &str = "audit logs cannot tell them apart";

/// Returns the spec of an app with workloads, each as `NAME NAMESPACE IDENTITY`.
fn spec(app: &str, mode: &str, workloads: &[&str]) -> String {
    let workload = |words: &&str| {
        let [name, namespace, identity] = words.split(' ').collect::<Vec<_>>()[..] else { panic!("{words}") };
        format!("  - {{name: {name}, namespace: {namespace}, mode: {mode}, identity: {{name: {identity}}}, secrets: [{{name: conn}}]}}\n")
    };
    let workloads: String = workloads.iter().map(workload).collect();
    format!(
        "apiVersion: podid/v1\nkind: App\nmetadata: {{name: {app}}}\nresourceGroup: podid-lab\ncluster: {{name: aks-mi}}\nvault:\n  \
         name: kv-shared-1\n  model: rbac\n  secrets: [{{name: conn, value: {{generate: 20}}}}]\nworkloads:\n{workloads}"
    )
}

fn world(workloads: &[&str]) -> World {
    let world = World::served();
    world.write("podid.yaml", &spec("shop", "pod-identity", workloads));
    world
}

impl Output {
    #[track_caller]
    fn shares_nothing(self) -> Self {
        assert!(!self.stdout.contains(SHARED) && !self.stderr.contains(SHARED), "{}{}", self.stdout, self.stderr);
        self
    }
}

#[test]
fn two_workloads_of_a_spec_that_share_an_identity_are_named_until_nothing_changes() {
    let world = world(&["web shop shop-mid", "worker shop shop-mid", "api shop-api shop-mid", "own shop own-mid"]);
    let said = "the identity shop-mid is shared by shop/web, shop/worker, shop-api/api: each can read what the others may read";
    world.plan("podid.yaml").exits(3).says(said).says("Give each workload an identity of its own");
    let up = world.up("podid.yaml", &[]).ok().says(said);
    assert_eq!(up.stderr.matches(SHARED).count(), 1, "{}", up.stderr);
    world.up("podid.yaml", &[]).ok().says("nothing to do").shares_nothing();
    world.plan("podid.yaml").ok().shares_nothing();
    // what changes nothing of the identity says nothing of it
    let text = world.read("podid.yaml").replace("[{name: conn, value", "[{name: more, value: {generate: 20}}, {name: conn, value");
    world.write("podid.yaml", &text);
    world.up("podid.yaml", &[]).ok().says("1 created").shares_nothing();
    world.podid(&["identity", "delete", "-n", "own-mid", "--dry-run"]).shares_nothing();
    // nor does what another identity of the namespace gets
    let more = "  - {name: more, namespace: shop, identity: {name: more-mid}, secrets: [{name: conn}]}\n";
    world.write("podid.yaml", &format!("{}{more}", world.read("podid.yaml")));
    world.up("podid.yaml", &[]).ok().shares_nothing();
    // one more reads a secret by it
    let document = world.podid(&["plan", "-o", "json"]).ok().json();
    assert!(document["warnings"].is_null(), "{document:#}");
    world.write("podid.yaml", &spec("shop", "pod-identity", &["web shop shop-mid", "own shop own-mid", "extra shop own-mid"]));
    let plan = world.plan("podid.yaml").exits(3).says("the identity own-mid is shared by shop/extra, shop/own");
    assert!(!plan.stdout.contains("shop-mid is shared"), "{}", plan.stdout);
}

#[test]
fn an_app_that_gets_the_identity_of_another_one_is_named() {
    let world = world(&["web shop shop-mid", "worker shop worker-mid"]);
    let app = |name: &str| format!("name: {name}, app: {{image: nginx}}, namespace");
    let deployed = |text: String| text.replace("name: worker, namespace", &app("worker"));
    world.write("podid.yaml", &deployed(world.read("podid.yaml")));
    world.up("podid.yaml", &[]).ok().shares_nothing();
    world.write("podid.yaml", &deployed(spec("shop", "pod-identity", &["web shop shop-mid", "worker shop shop-mid"])));
    world.plan("podid.yaml").exits(3).says("the identity shop-mid is shared by shop/web, shop/worker: ");
}

#[test]
fn a_workload_with_two_vaults_shares_nothing_with_itself() {
    let world = World::served();
    let two = "apiVersion: podid/v1\nkind: App\nmetadata: {name: shop}\nresourceGroup: podid-lab\ncluster: {name: aks-mi}\nvaults:\n  \
        - {name: kv-shared-1, model: rbac, secrets: [{name: conn, value: {generate: 20}}]}\n  \
        - {name: kv-shared-2, model: rbac, secrets: [{name: key, value: {generate: 20}}]}\nworkloads:\n  \
        - name: web\n    namespace: shop\n    identity: {name: shop-mid}\n    \
        secrets: [{name: conn, vault: kv-shared-1}, {name: key, vault: kv-shared-2}]\n";
    world.write("podid.yaml", two);
    world.up("podid.yaml", &[]).ok().shares_nothing();
}

#[test]
fn another_app_of_the_state_with_the_same_identity_is_named() {
    let world = world(&["web shop shop-mid"]);
    world.up("podid.yaml", &[]).ok().shares_nothing();
    world.write("other.yaml", &spec("other", "pod-identity", &["api other shop-mid", "jobs jobs jobs-mid"]));
    let said = "the identity shop-mid is shared by other/api, shop/web of the app shop: ";
    world.podid(&["up", "--yes", "-f", "other.yaml", "--state", ".podid/state.json"]).ok().says(said);
    world.podid(&["up", "--yes", "-f", "other.yaml", "--state", ".podid/state.json"]).ok().says("nothing to do").shares_nothing();
}

#[test]
fn single_commands_name_the_pods_that_get_the_identity_already() {
    let world = World::served();
    let run = |words: &[&str]| world.podid(&[words, &["-g", "podid-lab", "--context", "aks-mi", "--yes"]].concat()).ok();
    run(&["identity", "create", "-n", "shop-mid"]);
    run(&["vault", "create", "-n", "kv-shared-1"]);
    run(&["bind", "-n", "shop", "--identity", "shop-mid", "--selector", "web"]).shares_nothing();
    run(&["bind", "-n", "jobs", "--identity", "shop-mid"]).says("the identity shop-mid is shared by jobs/shop-mid, shop/web: ");
    run(&["bind", "-n", "jobs", "--identity", "shop-mid"]).shares_nothing();
    run(&["vault", "grant", "--vault", "kv-shared-1", "--to", "identity/shop-mid"]).says("shared by jobs/shop-mid, shop/web: ");
    run(&["unbind", "-n", "jobs", "--identity", "shop-mid"]).shares_nothing();
}

#[test]
fn pods_of_the_cluster_that_no_state_knows_are_named() {
    let world = world(&["web shop shop-mid"]);
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shop-mid", "--yes"]).ok();
    let id = world.identity_id("shop-mid").to_uppercase();
    world.bind_by_hand("aks-mi", "theirs", &id);
    // and one that leads elsewhere
    world.bind_by_hand("aks-mi", "alien", &world.identity_id("alien-mid"));
    world.up("podid.yaml", &[]).ok().says("the identity shop-mid is shared by shop/web, theirs/theirs (not in this state): ");
    world.up("podid.yaml", &[]).ok().shares_nothing();
}

#[test]
fn an_entry_of_the_add_on_with_the_same_identity_is_named() {
    let world = World::served();
    world.write("podid.yaml", &spec("shop", "pod-identity-addon", &["web shop shop-mid"]));
    world.write("other.yaml", &spec("other", "pod-identity-addon", &["api other shop-mid"]));
    world.up("podid.yaml", &[]).ok().shares_nothing();
    let up = world.podid(&["up", "--yes", "-f", "other.yaml", "--state", "other.json"]).ok();
    up.says("the identity shop-mid is shared by other/api, shop/shop-mid (not in this state): ");
}
