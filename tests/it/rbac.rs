//! `podid cluster rbac` prints exactly the rights that podid needs in a cluster: compared with the requests that the labs really send, and with
//! what RBAC allows.

mod apps;
mod looking;
mod probe;
mod tokens;

use crate::common::{
    World,
    both::Side,
    log::Line,
    same,
    specs::{LAB_000, LAB_004, NAMESPACES, vault_of},
    until,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// For example `list pods`, `get azureidentities.aadpodidentity.k8s.io`.
type Rights = BTreeSet<String>;

fn printed(world: &World, words: &[&str]) -> Vec<Value> {
    let list = world.podid(&[&["cluster", "rbac", "-o", "json"], words].concat()).ok().json();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
    list["items"].as_array().unwrap().clone()
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|v| v.as_str().unwrap()).collect()
}

fn full(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn granted(objects: &[Value]) -> Rights {
    let mut rights = Rights::new();
    for rule in objects.iter().flat_map(|o| o["rules"].as_array().into_iter().flatten()) {
        for resource in words(&rule["resources"]) {
            rights.extend(words(&rule["verbs"]).iter().map(|verb| format!("{verb} {}", full(words(&rule["apiGroups"])[0], resource))));
        }
    }
    rights
}

/// Returns the rights that a request to an API server needs; none for discovery, which everybody may do.
fn needed(line: &Line) -> Vec<String> {
    let (path, query) = line.path.split_once('?').unwrap_or((&line.path, ""));
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Vec::new(),
    };
    let (resource, name) = match rest {
        [] => return Vec::new(),
        ["namespaces", _, resource, name @ ..] => (resource, name.first()),
        [resource, name @ ..] => (resource, name.first()),
    };
    let named = query.contains("fieldSelector=metadata.name");
    let verbs: &[&str] = match (line.method.as_str(), name) {
        ("GET", Some(_)) => &["get"],
        ("GET", None) if query.contains("watch=true") => &["watch"],
        // A wait lists first, and watches if that was not enough.
        ("GET", None) if named => &["list", "watch"],
        ("GET", None) => &["list"],
        ("POST", _) => &["create"],
        ("PATCH", _) if line.status == 201 => &["patch", "create"],
        ("PATCH", _) => &["patch"],
        ("DELETE", _) => &["delete"],
        other => panic!("{other:?}"),
    };
    verbs.iter().map(|verb| format!("{verb} {}", full(group, resource))).collect()
}

fn used(lines: &[Line]) -> Rights {
    lines.iter().filter(|l| l.by == "client" && l.host.ends_with(".azmk8s.io")).flat_map(needed).collect()
}

#[track_caller]
fn equal(what: &str, granted: &Rights, used: &Rights) {
    let more: Vec<&String> = granted.difference(used).collect();
    let less: Vec<&String> = used.difference(granted).collect();
    assert!(more.is_empty() && less.is_empty(), "{what}: printed and not used {more:?}, used and not printed {less:?}");
}

/// Runs everything that the commands can ask of a cluster: the labs from nothing to nothing, read, pruned, and once broken.
fn the_printed_rights_are_those_that_the_labs_use(side: Side) {
    // On both sides lab 004 runs on a cluster of the sandbox.
    let world = World::on(side, "aks-sp");
    let more = "  - name: reports\n    namespace: dev-claims-podid\n    identity:\n      name: reports-mid\n    secrets:\n      - name: sqldbconn\n";
    world.write("two.yaml", &format!("{}{more}", world.read(LAB_000)));
    let by = |commands: &str, run: &dyn Fn()| {
        let mark = world.mark();
        run();
        (commands.to_owned(), used(&world.since(mark)))
    };
    let prints =
        |spec: &str, commands: &str| granted(&printed(&world, &["-f", spec, "--for", commands, "--make-namespaces", "--optional"]));
    // Where a cluster has bindings of others, podid looks whose identities they lead to.
    world.bind_by_hand("aks-sp", "theirs", &world.identity_id("theirs"));
    let (commands, up) = by("up", &|| {
        world.up("two.yaml", &[]).ok();
        world.up(LAB_000, &[]).ok();
        world.up(LAB_004, &["--state", "004.json"]).ok();
    });
    equal(&commands, &prints(LAB_000, &commands), &up);
    world.kube("DELETE", "aks-sp", &format!("{NAMESPACES}/theirs"), None).ok();
    for (commands, words) in [("plan", &["plan", "-f", LAB_000][..]), ("status", &["status", "-f", LAB_000])] {
        let (commands, looked) = by(commands, &|| drop(world.podid(words).ok()));
        equal(&commands, &prints(LAB_000, &commands), &looked);
    }
    let (commands, verified) = by("verify", &|| {
        world.podid(&["verify", "-f", LAB_004, "--state", "004.json"]).ok();
        // A failing proof reads everything that it depends on.
        let identity = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id("aks2kvIdentity")), None).ok();
        let properties = &identity["properties"];
        let entry =
            json!({ "tenantId": properties["tenantId"], "objectId": properties["principalId"], "permissions": { "secrets": ["list"] } });
        let path = format!("{}/accessPolicies/replace?api-version=2023-07-01", world.vault_id("myk8skv"));
        world.arm("PUT", &path, Some(json!({ "properties": { "accessPolicies": [entry] } }))).ok();
        world.podid(&["verify", "-f", LAB_004, "--state", "004.json", "--timeout", "30s"]).exits(1);
    });
    equal(&commands, &prints(LAB_004, &commands), &verified);
    let (commands, down) = by("down", &|| drop(world.down(LAB_000, &["--delete-data", vault_of(LAB_000)]).ok()));
    equal(&commands, &prints(LAB_000, &commands), &down);
    world.bind_by_hand("aks-sp", "theirs", &world.identity_id("theirs"));
    let (commands, diffed) = by("diff", &|| {
        world.podid(&["diff", "-f", LAB_000]).ok();
        world.up(LAB_000, &["--only", "azure", "--recover"]).ok();
        world.kube("POST", "aks-sp", NAMESPACES, Some(json!({ "metadata": { "name": "dev-claims-podid" } }))).ok();
        world.podid(&["diff", "-f", LAB_000]).ok();
        world.up(LAB_000, &[]).ok();
        world.podid(&["diff", "-f", LAB_000]).ok();
    });
    equal(&commands, &prints(LAB_000, &commands), &diffed);
}

fn single_commands_need_fewer_rights(side: Side) {
    let world = World::on(side, "aks-mi");
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shop-mid", "--yes"]).ok();
    world.podid(&["vault", "create", "-g", "podid-lab", "-n", "kv-shop-rbac", "--yes"]).ok();
    let by = |commands: &str, all: &[&[&str]]| {
        let mark = world.mark();
        for words in all {
            world.podid(&[words, &["-g", "podid-lab", "--context", "aks-mi", "--yes"][..]].concat()).ok();
        }
        let printed = granted(&printed(&world, &["-n", "shop", "--for", commands, "--make-namespaces", "--optional"]));
        equal(commands, &printed, &used(&world.since(mark)));
    };
    world.bind_by_hand("aks-mi", "theirs", &world.identity_id("theirs"));
    let bind = &["bind", "-n", "shop", "--identity", "shop-mid"][..];
    let apply = |name| vec!["mount", "apply", "-n", "shop", "--name", "shop", "--vault", "kv-shop-rbac", "--secret", name];
    by("bind", &[bind, bind]);
    by("mount", &[&apply("a"), &apply("b"), &["mount", "delete", "-n", "shop", "--name", "shop", "--vault", "kv-shop-rbac"]]);
    by("unbind", &[&["unbind", "-n", "shop", "--identity", "shop-mid"]]);
    let mark = world.mark();
    world.podid(&["state", "rebuild"]).ok();
    let looked: Rights = used(&world.since(mark)).into_iter().filter(|r| r.starts_with("list ")).collect();
    let printed = granted(&printed(&world, &["-n", "shop", "--for", "rebuild", "--optional"]));
    assert!(looked.is_subset(&printed) && !looked.is_empty(), "{looked:?}");
}

const ACCOUNT: &str = "serviceaccount/podid-ci/podid";

/// Creates a service account with only the rights in `objects` in the cluster of lab 000, and a kubeconfig for it.
fn as_account(world: &mut World, context: &str) {
    let kube = |method: &str, path: &str, body: Value| world.kube(method, context, path, Some(body)).ok();
    kube("POST", NAMESPACES, json!({ "metadata": { "name": "podid-ci" } }));
    kube("POST", &format!("{NAMESPACES}/podid-ci/serviceaccounts"), json!({ "metadata": { "name": "podid" } }));
    let token =
        kube("POST", &format!("{NAMESPACES}/podid-ci/serviceaccounts/podid/token"), json!({ "spec": { "expirationSeconds": 3600 } }));
    let mut config: Value = serde_json::from_str(&world.read(".podid/kubeconfig")).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        if user["name"].as_str().unwrap().ends_with(context) {
            user["user"] = json!({ "token": token["status"]["token"] });
        }
    }
    world.write("kubeconfig", &config.to_string());
    let mut env = world.environment();
    env.retain(|(name, _)| name != "KUBECONFIG");
    env.push(("KUBECONFIG".into(), world.path("kubeconfig").display().to_string()));
    world.env = env;
}

fn place(object: &Value) -> String {
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    let base = "/apis/rbac.authorization.k8s.io/v1";
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{base}/namespaces/{namespace}/{plural}"),
        None => format!("{base}/{plural}"),
    }
}

fn put(world: &World, context: &str, object: &Value) {
    let path = format!("{}/{}?fieldManager=kubectl&force=true", place(object), object["metadata"]["name"].as_str().unwrap());
    world.apply(context, &path, object).ok();
}

/// Returns the rules without one verb of one resource.
fn without(role: &Value, at: usize, resource: &str, verb: &str) -> Value {
    let mut less = role.clone();
    let rules = less["rules"].as_array_mut().unwrap();
    let rule = rules.remove(at);
    let but = |list: &Value, one: &str| json!(words(list).into_iter().filter(|w| *w != one).collect::<Vec<_>>());
    let part = |resources: Value, verbs: Value| {
        let mut part = rule.clone();
        (part["resources"], part["verbs"]) = (resources, verbs);
        part
    };
    rules.push(part(but(&rule["resources"], resource), rule["verbs"].clone()));
    rules.push(part(json!([resource]), but(&rule["verbs"], verb)));
    rules.retain(|r| !words(&r["resources"]).is_empty() && !words(&r["verbs"]).is_empty());
    less
}

/// Waits until the authorizer, which reads the roles from time to time, sees the change.
fn wait_for_right(world: &World, context: &str, namespace: &str, right: (&str, &str, &str, &str), allowed: bool) {
    let (group, resource, name, verb) = right;
    let attributes = json!({ "namespace": namespace, "group": group, "resource": resource, "name": name, "verb": verb });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": { "user": "system:serviceaccount:podid-ci:podid", "resourceAttributes": attributes },
    });
    until("the roles hold", || {
        let answer = world.kube("POST", context, "/apis/authorization.k8s.io/v1/subjectaccessreviews", Some(review.clone())).ok();
        (answer["status"]["allowed"].as_bool().unwrap_or_default() == allowed).then_some(())
    });
}

/// Runs the lab as a service account with these rights; then without each verb in turn.
fn least_privilege(side: Side, spec: &str, context: &str, namespace: &str) {
    let mut world = World::on(side, context);
    as_account(&mut world, context);
    if namespace != "default" {
        world.kube("POST", context, NAMESPACES, Some(json!({ "metadata": { "name": namespace } }))).ok();
    }
    let objects = printed(&world, &["-f", spec, "--for", "up,plan,diff,status,verify,down", "--subject", ACCOUNT]);
    assert!(objects.iter().all(|o| o["metadata"]["namespace"] == namespace), "nothing outside of the namespace: {objects:#?}");
    let [role, binding] = objects.as_slice() else { panic!("{objects:#?}") };
    put(&world, context, role);
    put(&world, context, binding);
    wait_for_right(&world, context, namespace, ("", "namespaces", namespace, "get"), true);
    let lab: [&[&str]; 5] =
        [&["up", "--yes", "--verify"], &["plan", "--exit-code"], &["diff", "--exit-code"], &["status"], &["down", "--yes"]];
    let run = |words: &[&str]| world.podid(&[words, &["-f", spec]].concat());
    for words in lab {
        run(words).ok();
    }
    let mut tried = 0;
    for (at, rule) in role["rules"].as_array().unwrap().iter().enumerate() {
        let group = words(&rule["apiGroups"])[0];
        let name = words(&rule["resourceNames"]).first().copied().unwrap_or_default();
        for resource in words(&rule["resources"]) {
            // Whether a wait needs to watch depends on timing.
            for verb in words(&rule["verbs"]).into_iter().filter(|verb| *verb != "watch") {
                put(&world, context, &without(role, at, resource, verb));
                wait_for_right(&world, context, namespace, (group, resource, name, verb), false);
                let what = format!("may not {verb} {} in namespace {namespace}", full(group, resource));
                let told = |words: &[&str]| {
                    let output = run(words);
                    output.code == Some(1) && output.stderr.contains(&what)
                };
                assert!(lab.into_iter().any(told), "without {verb} {resource} nobody says that this login {what}");
                put(&world, context, role);
                wait_for_right(&world, context, namespace, (group, resource, name, verb), true);
                // This finishes what was left incomplete.
                run(&["down", "--yes"]).ok();
                tried += 1;
            }
        }
    }
    assert!(tried >= 10, "{tried}");
}

fn lab_000_needs_exactly_these_rights_within_its_namespace(side: Side) {
    least_privilege(side, LAB_000, "aks-sp", "dev-claims-podid");
}

fn lab_004_needs_exactly_these_rights_within_its_namespace(side: Side) {
    least_privilege(side, LAB_004, "aks-mi", "default");
}

fn namespaces_are_created_and_deleted_only_with_the_right(side: Side) {
    let mut world = World::on(side, "aks-sp");
    as_account(&mut world, "aks-sp");
    let before = world.export();
    world.up(LAB_000, &[]).exits(1).says("may not get namespaces in namespace dev-claims-podid");
    let spec = ["-f", LAB_000, "--subject", ACCOUNT, "--make-namespaces"];
    let objects = printed(&world, &spec);
    for object in &objects {
        assert_eq!(object["metadata"].get("namespace"), None);
        put(&world, "aks-sp", object);
    }
    wait_for_right(&world, "aks-sp", "", ("", "namespaces", "dev-claims-podid", "create"), true);
    world.up(LAB_000, &["--verify"]).ok().says("proved ");
    let down = world.down(LAB_000, &["--delete-data", vault_of(LAB_000)]).ok();
    down.says("kept namespace/aks-sp/dev-claims-podid").says("may not list pods in namespace dev-claims-podid");
    for object in printed(&world, &[&spec[..], &["--optional"]].concat()) {
        put(&world, "aks-sp", &object);
    }
    wait_for_right(&world, "aks-sp", "dev-claims-podid", ("", "pods", "", "list"), true);
    world.down(LAB_000, &[]).ok();
    for kind in ["clusterroles", "clusterrolebindings"] {
        world.kube("DELETE", "aks-sp", &format!("/apis/rbac.authorization.k8s.io/v1/{kind}/podid-lab-000"), None).ok();
    }
    same("after the namespace went too", &before, &world.export());
}

both! {
    lab_000_needs_exactly_these_rights_within_its_namespace,
    lab_004_needs_exactly_these_rights_within_its_namespace,
    namespaces_are_created_and_deleted_only_with_the_right,
    the_printed_rights_are_those_that_the_labs_use,
    single_commands_need_fewer_rights,
}

#[test]
fn names_restrict_the_rules_and_a_format_changes_nothing_else() {
    let world = World::new();
    let role = &printed(&world, &["-f", LAB_004, "--for", "verify"])[0];
    for rule in role["rules"].as_array().unwrap() {
        // The names of a proof's pod, and of the driver's status for it, are not known in advance.
        let named = words(&rule["resources"]) == ["secrets"];
        assert_eq!(named, !rule["resourceNames"].is_null(), "{rule}");
    }
    assert!(granted(std::slice::from_ref(role)).contains("list secrets"), "lab 004 reads through a Secret");
    let blind = printed(&world, &["-n", "default", "--for", "verify"]);
    assert!(!granted(&blind).contains("list secrets"), "nobody said that it does");
    let yaml = world.podid(&["cluster", "rbac", "-f", LAB_004]).ok().stdout;
    assert!(yaml.contains("\nkind: Role\n") && yaml.contains("# left out"), "{yaml}");
    assert_eq!(world.podid(&["cluster", "rbac", "-f", LAB_004, "-o", "yaml"]).ok().stdout, yaml);
    let table = world.podid(&["cluster", "rbac", "-f", LAB_004, "-o", "table"]).ok().stdout;
    assert!(table.starts_with("NAMESPACE "), "{table}");
    world.podid(&["cluster", "rbac"]).exits(2).says("--namespace");
    world.podid(&["cluster", "rbac", "-n", "shop", "--subject", "somebody"]).exits(2).says("serviceaccount/NAMESPACE/NAME");
    assert!(!world.path(".podid").exists(), "no world is opened for it");
}
