//! `inventory`, `why`, `who-can` and `graph`: what they show of worlds that podid or others made, what they cost, and that they write nothing.

use crate::common::{
    World,
    by_hand::runtime,
    specs::{LAB_004, NAMESPACES},
    until,
};
use futures::StreamExt as _;
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces";

/// A Deployment as somebody would write it by hand: the label of lab 004, and its volume.
fn app() -> Value {
    let volume = json!({ "name": "secrets", "csi": { "driver": "secrets-store.csi.k8s.io", "readOnly": true,
        "volumeAttributes": { "secretProviderClass": "spc-myk8skv" } } });
    json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": {
        "metadata": { "labels": { "app": "web", "aadpodidbinding": "azure-pod-identity-binding-selector" } },
        "spec": { "volumes": [volume], "containers": [{ "name": "c", "image": "nginx:1.27",
            "volumeMounts": [{ "name": "secrets", "mountPath": "/mnt/secrets" }] }] } } } })
}

/// Lab 004 with an app of two pods that run.
fn world() -> World {
    let world = World::served();
    world.up(LAB_004, &[]).ok();
    world.kube("POST", CONTEXT, &format!("{DEPLOYMENTS}/default/deployments"), Some(app())).ok();
    until("two pods of the app are ready", || {
        let found = world.kube("GET", CONTEXT, &format!("{DEPLOYMENTS}/default/deployments/web"), None).ok();
        (found["status"]["readyReplicas"] == 2).then_some(())
    });
    world
}

fn named<'a>(all: &'a Value, name: &str) -> &'a Value {
    all.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {all:#}"))
}

#[test]
fn what_is_there_is_listed_without_spec_and_state_and_nothing_is_written() {
    let world = world();
    let mark = world.mark();
    let words = ["--state", "none.json", "--context", CONTEXT];
    let output = world.podid(&[&["inventory", "-o", "json"], &words[..]].concat()).ok();
    let all = output.json();
    let web = named(&all["workloads"], "web");
    assert_eq!((&web["kind"], &web["wanted"], web["pods"].as_array().unwrap().len()), (&json!("Deployment"), &json!(2), 2));
    let mount = &web["mounts"][0];
    assert_eq!((&mount["delivery"], &mount["mode"], &mount["vault"]), (&json!("csi"), &json!("pod-identity"), &json!("myk8skv")));
    assert_eq!(mount["objects"][0]["name"], "ExamplePassword");
    assert_eq!((&mount["identities"][0]["identity"], &mount["identities"][0]["isSound"]), (&json!("aks2kvIdentity"), &json!(true)));
    assert_eq!(named(&all["azureIdentityBindings"], "azure-pod-identity-binding")["owner"], "podid (app lab-004)");
    let identity = named(&all["identities"], "aks2kvIdentity");
    assert_eq!(identity["usedBy"], json!(["deployment default/web"]));
    assert_eq!((&identity["operators"][0]["principal"], &identity["operators"][0]["inherited"]), (&json!("nodes"), &json!(false)));
    let secret = &named(&all["vaults"], "myk8skv")["secrets"][0];
    assert_eq!((&secret["name"], &secret["enabled"], secret.get("value")), (&json!("ExamplePassword"), &json!(true), None));
    assert!(all["components"].as_array().unwrap().iter().any(|one| one["program"] == "nmi"), "{:#}", all["components"]);
    assert_eq!(all["notRead"], json!([]));
    let table = world.podid(&[&["inventory"], &words[..]].concat()).ok().stdout;
    assert!(table.contains("deployment/web") && table.contains("aks2kvIdentity") && table.contains("2 of 2"), "{table}");
    world.podid(&[&["why", "deployment/web", "ExamplePassword"], &words[..]].concat()).ok();
    world.podid(&[&["who-can", "ExamplePassword", "--vault", "myk8skv"], &words[..]].concat()).ok();
    world.podid(&[&["graph"], &words[..]].concat()).ok();
    assert_eq!(world.writes_since(mark).iter().filter(|write| !write.contains("getByIds")).count(), 0, "{:?}", world.writes_since(mark));
    assert!(!world.path("none.json").exists());
}

#[test]
fn what_may_not_be_read_is_named_and_the_rest_is_shown() {
    let world = world();
    world.settings(&json!({ "deny": ["Microsoft.KeyVault/vaults/read", "Microsoft.Authorization/roleAssignments/read"] }));
    let all = world.podid(&["inventory", "-o", "json"]).ok().json();
    let gaps: Vec<&str> = all["notRead"].as_array().unwrap().iter().map(|gap| gap["what"].as_str().unwrap()).collect();
    assert_eq!(gaps, ["role assignments", "vaults"]);
    assert_eq!(named(&all["workloads"], "web")["mounts"][0]["vault"], "myk8skv");
    let why = world.podid(&["why", "deployment/web", "ExamplePassword", "--exit-code"]).ok().stdout;
    assert!(why.starts_with("unknown whether") && why.contains("the vaults could not be read"), "{why}");
}

#[test]
fn why_names_the_first_edge_that_is_missing() {
    let world = world();
    let why = |code: i32| world.podid(&["why", "deployment/web", "ExamplePassword", "--exit-code"]).exits(code).stdout;
    let sound = why(0);
    assert!(sound.starts_with("yes deployment default/web, pod web-"), "{sound}");
    for step in [
        "SecretProviderClass default/spc-myk8skv",
        "AzureIdentityBinding",
        "Identity aks2kvIdentity -> Vault myk8skv (access policy (get))",
    ] {
        assert!(sound.contains(step), "{step}: {sound}");
    }
    // the grant goes: the last edge but one
    let policies = format!("{}/accessPolicies/remove?api-version=2023-07-01", world.vault_id("myk8skv"));
    let vault = world.arm("GET", &format!("{}?api-version=2023-07-01", world.vault_id("myk8skv")), None).ok();
    let identity = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id("aks2kvIdentity")), None).ok();
    let principal = &identity["properties"]["principalId"];
    let entry = vault["properties"]["accessPolicies"].as_array().unwrap().iter().find(|e| e["objectId"] == *principal).unwrap().clone();
    world.arm("PUT", &policies, Some(json!({ "properties": { "accessPolicies": [entry] } }))).ok();
    let broken = why(3);
    assert!(broken.contains("no access policy of myk8skv lets Identity aks2kvIdentity get secrets"), "{broken}");
    assert!(broken.contains("podid vault grant --vault myk8skv --to identity/aks2kvIdentity"), "{broken}");
    // the binding goes: an earlier edge, which is named in its place
    world
        .kube("DELETE", CONTEXT, "/apis/aadpodidentity.k8s.io/v1/namespaces/default/azureidentitybindings/azure-pod-identity-binding", None)
        .ok();
    let earlier = why(3);
    assert!(earlier.contains("no AzureIdentityBinding has the selector azure-pod-identity-binding-selector"), "{earlier}");
    assert!(!earlier.contains("no access policy"), "{earlier}");
    let unlisted = world.podid(&["why", "deployment/web", "Other", "--exit-code"]).exits(3).stdout;
    assert!(unlisted.contains("does not list the secret Other"), "{unlisted}");
    world.podid(&["why", "deployment/absent", "x"]).exits(4).says("there is no workload deployment/absent");
}

#[test]
fn who_can_lists_principals_with_the_pods_that_are_them_and_excepted_pods() {
    let world = world();
    let who = || world.podid(&["who-can", "ExamplePassword", "--vault", "myk8skv", "-o", "json"]).ok().json();
    let all = who();
    let own =
        all["readers"].as_array().unwrap().iter().find(|one| one["principal"] == "aks2kvIdentity").unwrap_or_else(|| panic!("{all:#}"));
    assert_eq!(own["grant"], "access policy (get)");
    let by_mode = own["users"].as_array().unwrap().iter().find(|user| user["by"] == "pod-identity").unwrap();
    assert_eq!((&by_mode["workload"], by_mode["pods"].as_array().unwrap().len()), (&json!("deployment default/web"), 2));
    // a pod that NMI leaves alone gets every identity of its node
    let exception = json!({ "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzurePodIdentityException",
        "metadata": { "name": "tools" }, "spec": { "podLabels": { "app": "tools" } } });
    world.kube("POST", CONTEXT, "/apis/aadpodidentity.k8s.io/v1/namespaces/default/azurepodidentityexceptions", Some(exception)).ok();
    let pod = json!({ "metadata": { "name": "tools", "labels": { "app": "tools" } }, "spec": { "containers": [{ "name": "c", "image": "nginx:1.27" }] } });
    world.kube("POST", CONTEXT, &format!("{NAMESPACES}/default/pods"), Some(pod)).ok();
    let all = who();
    let own = all["readers"].as_array().unwrap().iter().find(|one| one["principal"] == "aks2kvIdentity").unwrap();
    let excepted = own["users"].as_array().unwrap().iter().find(|user| user["workload"] == "pod default/tools");
    let excepted = excepted.unwrap_or_else(|| panic!("{own:#}"));
    assert!(excepted["by"].as_str().unwrap().contains("is excepted by AzurePodIdentityException default/tools"), "{excepted}");
}

/// Sends all these requests, several at a time.
fn send(world: &World, method: reqwest::Method, token: &str, all: Vec<(String, Value)>) {
    let client = runtime().block_on(async { world.client() });
    let sent = futures::stream::iter(all).for_each_concurrent(16, |(url, body)| {
        let request = client.request(method.clone(), &url).bearer_auth(token).json(&body);
        async move { assert!(request.send().await.unwrap().status().is_success(), "{url}") }
    });
    runtime().block_on(sent);
}

/// Creates objects in the cluster, each at a path.
fn create(world: &World, all: Vec<(String, Value)>) {
    let config: Value = serde_json::from_str(&world.read(".podid/kubeconfig")).unwrap();
    let of = |list: &str, name: &str| {
        let all = config[list].as_array().unwrap();
        all.iter().find(|one| one["name"].as_str().unwrap().ends_with(name)).unwrap().clone()
    };
    let server = of("clusters", CONTEXT)["cluster"]["server"].as_str().unwrap().to_owned();
    let user = of("contexts", CONTEXT)["context"]["user"].as_str().unwrap().to_owned();
    let token = of("users", &user)["user"]["token"].as_str().unwrap().to_owned();
    send(world, reqwest::Method::POST, &token, all.into_iter().map(|(path, body)| (format!("{server}{path}"), body)).collect());
}

#[test]
fn a_thousand_pods_and_two_hundred_identities_cost_at_most_forty_requests() {
    const PODS: usize = 1000;
    const IDENTITIES: usize = 200;
    let world = World::served();
    let identity = |n: usize| {
        let url = format!("https://management.azure.com{}?api-version=2023-01-31", world.identity_id(&format!("mid-{n}")));
        (url, json!({ "location": "westeurope" }))
    };
    let token = world.token("https://management.azure.com");
    send(&world, reqwest::Method::PUT, &token, (0..IDENTITIES).map(identity).collect());
    let listed = world.podid(&["identity", "list", "-o", "json"]).ok().json();
    let client_id = |n: usize| named(&listed["identities"], &format!("mid-{n}"))["client_id"].clone();
    create(&world, (0..20).map(|n| (NAMESPACES.to_owned(), json!({ "metadata": { "name": format!("ns{n}") } }))).collect());
    let account = |n: usize| {
        let annotations = json!({ "azure.workload.identity/client-id": client_id(n) });
        let metadata = json!({ "name": format!("sa{n}"), "annotations": annotations });
        (format!("{NAMESPACES}/ns{}/serviceaccounts", n % 20), json!({ "metadata": metadata }))
    };
    create(&world, (0..IDENTITIES).map(account).collect());
    let pod = |n: usize| {
        let spec = json!({ "serviceAccountName": format!("sa{}", n % IDENTITIES), "containers": [{ "name": "c", "image": "nginx:1.27" }] });
        let metadata = json!({ "name": format!("p{n}"), "labels": { "azure.workload.identity/use": "true" } });
        (format!("{NAMESPACES}/ns{}/pods", n % 20), json!({ "metadata": metadata, "spec": spec }))
    };
    create(&world, (0..PODS).map(pod).collect());
    let mark = world.mark();
    let all = world.podid(&["inventory", "--context", CONTEXT, "-o", "json"]).ok().json();
    let lines: Vec<String> = world
        .since(mark)
        .iter()
        .filter(|line| line.by == "client")
        .map(|line| format!("{} {}{}", line.method, line.host, line.path))
        .collect();
    assert!(lines.len() <= 40, "{} requests:\n{}", lines.len(), lines.join("\n"));
    let pods = all["workloads"].as_array().unwrap().iter().filter(|one| one["kind"] == "Pod" && one["mounts"] == json!([]));
    assert_eq!(pods.count(), PODS);
    let own = |one: &&Value| one["name"].as_str().unwrap().starts_with("mid-");
    assert_eq!(all["identities"].as_array().unwrap().iter().filter(own).count(), IDENTITIES);
    let gaps = all["notRead"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "federated credentials of 195 of the 200 identities that workloads use"), "{gaps:?}");
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[test]
fn a_graph_has_every_format() {
    let world = world();
    let graph = |format: &str| world.podid(&["graph", "-n", "default", "--format", format]).ok().stdout;
    assert!(graph("text").contains("  -> Identity aks2kvIdentity"), "{}", graph("text"));
    assert!(graph("dot").starts_with("digraph podid {") && graph("dot").trim_end().ends_with('}'));
    assert!(graph("mermaid").starts_with("flowchart LR"));
    let edges: Value = serde_json::from_str(&graph("json")).unwrap();
    let of_vault = edges["edges"].as_array().unwrap().iter().find(|edge| edge["to"]["kind"] == "Vault").unwrap();
    assert_eq!((&of_vault["to"]["name"], &of_vault["state"]), (&json!("myk8skv"), &json!("there")));
}

#[test]
fn an_import_of_what_was_made_by_hand_is_a_spec_that_podid_plans() {
    let world = world();
    // without marks and without a state the objects are anybody's
    let kinds = [
        ("aadpodidentity.k8s.io/v1", "azureidentities/aks-kv-identity"),
        ("aadpodidentity.k8s.io/v1", "azureidentitybindings/azure-pod-identity-binding"),
        ("secrets-store.csi.x-k8s.io/v1", "secretproviderclasses/spc-myk8skv"),
    ];
    for (group, path) in kinds {
        let labels = json!({ "metadata": { "labels": { "managed-by": null, "podid-app": null } } });
        world.kube("PATCH", CONTEXT, &format!("/apis/{group}/namespaces/default/{path}"), Some(labels)).ok();
    }
    let mark = world.mark();
    let words = ["--state", "none.json", "--context", CONTEXT, "-n", "default"];
    let output = world.podid(&[&["import", "--out", "imported.yaml"], &words[..]].concat()).ok();
    assert_eq!(world.writes_since(mark).iter().filter(|write| !write.contains("getByIds")).count(), 0);
    let text = world.read("imported.yaml");
    for part in [
        "mode: pod-identity",
        "selector: azure-pod-identity-binding-selector",
        "azureIdentity: aks-kv-identity",
        "name: ExamplePassword",
        "secret: test-secret",
    ] {
        assert!(text.contains(part), "{part}:\n{text}\n{}", output.stderr);
    }
    // what the plan would still do is said with its key
    let plan = world.podid(&["plan", "-f", "imported.yaml", "--state", "none.json", "--context", CONTEXT, "-o", "json"]).ok().json();
    for action in plan["actions"].as_array().unwrap().iter().filter(|one| !["keep", "adopt"].contains(&one["act"].as_str().unwrap())) {
        assert!(output.stderr.contains(action["key"].as_str().unwrap()), "{action}\n{}", output.stderr);
    }
    world.podid(&[&["import", "--out", "imported.yaml"], &words[..]].concat()).exits(4).says("exists");
}

#[test]
fn who_can_tells_a_group_an_inherited_role_the_name_mic_and_the_identity_of_the_nodes() {
    let world = world();
    world.write("conn.txt", "not-a-real-secret");
    let own = ["--app", "vaults", "--state", "vaults.json", "--yes"];
    world.podid(&[&["vault", "create", "-n", "kv-who-can", "-g", "podid-lab", "--model", "rbac"], &own[..]].concat()).ok();
    world
        .podid(&[&["vault", "secret", "set", "conn", "--vault", "kv-who-can", "-g", "podid-lab", "--file", "conn.txt"], &own[..]].concat())
        .ok();
    let identity = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id("aks2kvIdentity")), None).ok();
    let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2025-08-01", world.group_id());
    let kubelet = world.arm("GET", &cluster, None).ok()["properties"]["identityProfile"]["kubeletidentity"]["objectId"].clone();
    let graph = |path: &str, body: Value| {
        let url = format!("https://graph.microsoft.com/v1.0/{path}");
        world.send("POST", &url, &world.token("https://graph.microsoft.com"), "application/json", Some(body.to_string())).ok()
    };
    let team =
        graph("groups", json!({ "displayName": "readers", "mailEnabled": false, "mailNickname": "readers", "securityEnabled": true }));
    let member = format!("https://graph.microsoft.com/v1.0/directoryObjects/{}", identity["properties"]["principalId"].as_str().unwrap());
    graph(&format!("groups/{}/members/$ref", team["id"].as_str().unwrap()), json!({ "@odata.id": member }));
    let assign = |n: usize, scope: &str, principal: &Value, kind: &str| {
        let role = "4633458b-17de-408a-b874-0445c86b69e6";
        let role = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", world.subscription());
        let name = format!("00000000-0000-4000-8000-00000000000{n}");
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
        let properties = json!({ "roleDefinitionId": role, "principalId": principal, "principalType": kind });
        world.arm("PUT", &path, Some(json!({ "properties": properties }))).ok();
    };
    assign(1, &world.vault_id("kv-who-can"), &team["id"], "Group");
    assign(2, &world.group_id(), &kubelet, "ServicePrincipal");
    // NMI takes any ReplicaSet whose name begins so for MIC's
    let mut mic = app();
    mic["metadata"]["name"] = json!("mic-tools");
    for path in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        *mic.pointer_mut(path).unwrap() = json!({ "app": "mic-tools" });
    }
    mic["spec"]["template"]["spec"]["volumes"] = json!([]);
    mic["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([]);
    world.kube("POST", CONTEXT, &format!("{DEPLOYMENTS}/default/deployments"), Some(mic)).ok();
    until("the pods that are called so run", || {
        let found = world.kube("GET", CONTEXT, &format!("{DEPLOYMENTS}/default/deployments/mic-tools"), None).ok();
        (found["status"]["readyReplicas"] == 2).then_some(())
    });
    let words = ["who-can", "conn", "--vault", "kv-who-can", "--context", CONTEXT];
    let all = world.podid(&[&words[..], &["-o", "json"]].concat()).ok().json();
    let readers = all["readers"].as_array().unwrap();
    let by = |name: &str, kind: &str| {
        readers.iter().find(|one| one["principal"] == name && one["kind"] == kind).unwrap_or_else(|| panic!("{name}: {all:#}"))
    };
    assert_eq!(by("readers", "group")["grant"], "role Key Vault Secrets User, at the vault");
    let member = by("aks2kvIdentity", "identity on nodes");
    assert_eq!(member["groupName"], "readers");
    let users = |one: &Value| {
        one["users"].as_array().unwrap().iter().map(|user| format!("{} {}", user["workload"], user["by"])).collect::<Vec<_>>().join("\n")
    };
    assert!(users(member).contains("deployment default/web") && users(member).contains("mic-tools"), "{member:#}");
    let nodes = by("aks-mi-agentpool", "node identity");
    assert!(nodes["grant"].as_str().unwrap().contains("inherited from"), "{nodes:#}");
    assert!(users(nodes).contains("mic-tools") && users(nodes).contains("it is on the network of its node"), "{nodes:#}");
    let table = world.podid(&words).ok().stdout;
    assert!(table.contains("through the group readers"), "{table}");
}

#[test]
fn a_namespace_that_does_not_exist_is_an_error_and_an_empty_one_is_not() {
    let world = World::served();
    for command in [&["inventory"][..], &["graph"], &["why", "deployment/web", "x"], &["import", "--out", "x.yaml"]] {
        let words = [command, &["-n", "defualt", "--context", CONTEXT]].concat();
        world.podid(&words).exits(4).says("there is no namespace defualt in the cluster aks-mi").says("Did you mean `default`?");
    }
    let inventory = world.podid(&["inventory", "-n", "default", "--context", CONTEXT]).ok().stdout;
    assert!(inventory.contains("there are no workloads in default in aks-mi"), "{inventory}");
}
