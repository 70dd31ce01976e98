//! The Kubernetes part: reaching the cluster, signing in, and finding the required objects.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::{Value, json};

/// Returns a lab whose user has a kubeconfig of their own; `edit` changes the context's cluster and user.
pub fn with_kubeconfig(edit: impl FnOnce(&mut Value, &mut Value)) -> Lab {
    let lab = Lab::with_app().served().with_clients_environment();
    let mut kubeconfig = kubeconfig(&lab);
    let (mut cluster, mut user) = (kubeconfig["clusters"][0]["cluster"].take(), kubeconfig["users"][0]["user"].take());
    edit(&mut cluster, &mut user);
    (kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]) = (cluster, user);
    lab.write("kubeconfig", &kubeconfig.to_string());
    let path = lab.path("kubeconfig").display().to_string();
    lab.with("KUBECONFIG", path)
}

fn kubeconfig(lab: &Lab) -> Value {
    serde_json::from_str(&lab.read(".podid/kubeconfig")).unwrap()
}

#[test]
fn an_unknown_context_lists_the_existing_ones() {
    assert_snapshot!(Lab::with_app().fails("up -f app.yaml --yes --context aks-zz"), @r#"
    exit 4
    error: namespace/aks-mi/shop: there is no context "aks-zz" in the kubeconfig
      because the contexts there are: aks-mi, aks-sp
    hint: Name one of them with `--context` (or `context:` of the spec's cluster), or get it with `az aks get-credentials -g podid-lab -n aks-mi`.
    "#);
}

#[test]
fn without_a_kubeconfig_the_credential_that_azure_returns_is_used() {
    let lab = Lab::with_app().served().with_clients_environment().with("KUBECONFIG", "/nowhere/config");
    lab.done("up -f app.yaml --yes");
}

#[test]
fn a_named_context_needs_a_kubeconfig() {
    let lab = Lab::with_app().served().with_clients_environment().with("KUBECONFIG", "/nowhere/config");
    assert_snapshot!(lab.fails("up -f app.yaml --yes --context aks-mi"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the kubeconfig could not be read: there is none at /nowhere/config
    hint: Get one with `az aks get-credentials -g podid-lab -n aks-mi`, or name it with `--kubeconfig`.
    "#);
}

#[test]
fn the_context_of_another_cluster_is_refused_unless_any_server_is_allowed() {
    let lab = Lab::with_app();
    assert_snapshot!(lab.fails("up -f app.yaml --yes --context aks-sp"), @r#"
    exit 4
    error: namespace/aks-mi/shop: the context aks-sp leads to aks-sp-dns-9a346173.hcp.westeurope.azmk8s.io, but the cluster aks-mi is aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io
    hint: Name the right context with `--context`, or pass `--any-server` if you reach the cluster by a tunnel.
    "#);
    lab.done("plan -f app.yaml --context aks-sp --any-server");
}

#[test]
fn an_unreachable_cluster_is_reported_once_within_the_time_limit() {
    // The proxy of the kubeconfig is a port where nothing listens.
    let lab = with_kubeconfig(|cluster, _| cluster["proxy-url"] = json!("http://127.0.0.1:9"));
    assert_snapshot!(lab.fails("up -f app.yaml --yes --timeout 5s"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the cluster of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) could not be reached: Connection refused (os error 111)
    hint: Check the network (a private cluster is reached only from its own), HTTPS_PROXY and NO_PROXY; a stopped cluster is started by `az aks start -g podid-lab -n aks-mi`.
    "#);
}

#[test]
fn an_unreachable_private_cluster_is_named_as_one() {
    let lab = with_kubeconfig(|cluster, _| {
        cluster["server"] = json!("https://shop-1a2b3c4d.aaaaaaaa.privatelink.westeurope.azmk8s.io:443");
        cluster["proxy-url"] = json!("http://127.0.0.1:9");
    });
    let told = lab.fails("up -f app.yaml --yes --timeout 5s --any-server");
    for words in ["the cluster is private", "a self-hosted agent", "`--only azure`", "az aks command invoke -g podid-lab -n aks-mi"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_cluster_with_another_ca_is_not_trusted() {
    let theirs = kubeconfig(&Lab::new().served())["clusters"][0]["cluster"]["certificate-authority-data"].clone();
    let lab = with_kubeconfig(|cluster, _| cluster["certificate-authority-data"] = theirs);
    assert_snapshot!(lab.fails("up -f app.yaml --yes --timeout 10s"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the cluster of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) shows a certificate that is not trusted: BadSignature
    hint: The kubeconfig may be of an older cluster of that name: `az aks get-credentials -g podid-lab -n aks-mi --overwrite-existing`.
    "#);
}

#[test]
fn a_rejected_token_may_have_expired() {
    let lab = with_kubeconfig(|_, user| user["token"] = json!("expired"));
    assert_snapshot!(lab.fails("up -f app.yaml --yes --timeout 10s"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the cluster of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) does not accept the credential
    hint: The token or client certificate may have expired: `az aks get-credentials -g podid-lab -n aks-mi --overwrite-existing`, or `kubelogin`.
    "#);
}

/// Like `with_kubeconfig`, with a login command: a script of these lines, which counts its runs.
fn with_plugin(lines: &str) -> Lab {
    let lab = with_kubeconfig(|_, user| {
        let token = user["token"].take();
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "./kubelogin", "args": [token], "interactiveMode": "IfAvailable",
            "installHint": "kubelogin is at https://azure.github.io/kubelogin",
        });
        *user = json!({ "exec": exec });
    });
    if !lines.is_empty() {
        lab.write("kubelogin", &format!("#!/bin/sh\necho run >>runs\n{lines}\n"));
        let path = lab.path("kubelogin");
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    lab.with("PATH", "/usr/bin:/bin")
}

#[test]
fn a_login_command_runs_once_for_a_whole_run() {
    let answer = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'"$1"'"}}'"#;
    let lab = with_plugin(answer);
    lab.done("up -f app.yaml --yes");
    assert_eq!(lab.read("runs"), "run\n");
}

#[test]
fn a_missing_login_command_says_where_to_get_it() {
    assert_snapshot!(with_plugin("").fails("up -f app.yaml --yes"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the login command of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) failed: [DIR]/./kubelogin is not installed; kubelogin is at https://azure.github.io/kubelogin
    hint: Run the login command of the kubeconfig by hand (`kubectl --context aks-mi get ns`); kubelogin may be missing.
    "#);
}

#[test]
fn a_failing_login_command_is_quoted_and_invalid_output_is_not() {
    assert_snapshot!(with_plugin("echo not-a-real-secret; echo 'AADSTS700082: the refresh token has expired' >&2; exit 1").fails("up -f app.yaml --yes"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the login command of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) failed: [DIR]/./kubelogin ended with exit status: 1: AADSTS700082: the refresh token has expired
    hint: Run the login command of the kubeconfig by hand (`kubectl --context aks-mi get ns`); kubelogin may be missing.
    "#);
    assert_snapshot!(with_plugin("echo not-a-real-secret").fails("up -f app.yaml --yes"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the login command of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) failed: [DIR]/./kubelogin did not print JSON
    hint: Run the login command of the kubeconfig by hand (`kubectl --context aks-mi get ns`); kubelogin may be missing.
    "#);
}

#[test]
fn a_login_command_that_hangs_is_stopped_at_the_time_limit() {
    let lab = with_plugin("exec sleep 300");
    let begun = std::time::Instant::now();
    assert_snapshot!(lab.fails("up -f app.yaml --yes --timeout 1s"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the login command of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) failed: [DIR]/./kubelogin gave no answer within 1s
    hint: Run the login command of the kubeconfig by hand (`kubectl --context aks-mi get ns`); kubelogin may be missing.
    "#);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_cluster_that_never_answers_fails_at_the_time_limit() {
    // A proxy in front of a private cluster may do this.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", silent.local_addr().unwrap());
    let lab = with_kubeconfig(|cluster, _| cluster["proxy-url"] = json!(proxy));
    let begun = std::time::Instant::now();
    assert_snapshot!(lab.fails("up -f app.yaml --yes --timeout 1s"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the cluster of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) could not be reached: no connection within 1s
    hint: Check the network (a private cluster is reached only from its own), HTTPS_PROXY and NO_PROXY; a stopped cluster is started by `az aks start -g podid-lab -n aks-mi`.
    "#);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn several_kubeconfigs_are_merged() {
    let lab = with_kubeconfig(|_, _| {});
    let mine = kubeconfig(&lab);
    // Another user's token under the same names comes second and is ignored.
    let mut theirs = mine.clone();
    theirs["users"][0]["user"] = json!({ "token": "theirs" });
    theirs["current-context"] = json!("aks-sp");
    lab.write("theirs", &theirs.to_string());
    let (mine, theirs) = (lab.path("kubeconfig"), lab.path("theirs"));
    let list = |parts: &[&std::path::Path]| parts.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(":");
    let gone = lab.path("gone");
    let lab = lab.with("KUBECONFIG", list(&[&gone, &mine, &theirs]));
    lab.done("plan -f app.yaml");
    let lab = lab.with("KUBECONFIG", list(&[&theirs, &mine]));
    assert_snapshot!(lab.fails("plan -f app.yaml"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the cluster of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) does not accept the credential
    hint: The token or client certificate may have expired: `az aks get-credentials -g podid-lab -n aks-mi --overwrite-existing`, or `kubelogin`.
    "#);
    let line = format!("plan -f app.yaml --kubeconfig {}", mine.display());
    lab.done(&line);
}

#[test]
fn a_token_file_may_end_with_a_line_break() {
    let lab = with_kubeconfig(|_, _| {});
    let token = kubeconfig(&lab)["users"][0]["user"]["token"].as_str().unwrap().to_owned();
    lab.write("token", &format!("{token}\n"));
    lab.edit("kubeconfig", |config| config["users"][0]["user"] = json!({ "tokenFile": "token" }));
    lab.done("plan -f app.yaml");
    lab.write("token", "expired\n");
    assert_snapshot!(lab.fails("plan -f app.yaml"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the cluster of context "aks-mi" (https://aks-mi-dns-99e806bf.hcp.westeurope.azmk8s.io:443) does not accept the credential
    hint: The token or client certificate may have expired: `az aks get-credentials -g podid-lab -n aks-mi --overwrite-existing`, or `kubelogin`.
    "#);
    std::fs::remove_file(lab.path("token")).unwrap();
    assert_snapshot!(lab.fails("plan -f app.yaml"), @r#"
    exit 1
    error: namespace/aks-mi/shop: the kubeconfig could not be read: context "aks-mi": its tokenFile [DIR]/token: No such file or directory (os error 2)
    hint: Get one with `az aks get-credentials -g podid-lab -n aks-mi`, or name it with `--kubeconfig`.
    "#);
}

#[test]
fn a_cluster_without_pod_identity_says_what_to_install() {
    let lab = Lab::with_app();
    lab.done("plan -f app.yaml");
    lab.edit_world(|world| {
        let objects = world["clusters"]["aks-mi"]["objects"].as_object_mut().unwrap();
        let before = objects.len();
        objects.retain(|name, _| {
            !(name.starts_with("customresourcedefinitions.") && name.ends_with("/azureidentities.aadpodidentity.k8s.io"))
        });
        assert_eq!(objects.len(), before - 1);
    });
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 4
    error: azureidentity/aks-mi/shop/shop-mid: the cluster does not know the kind AzureIdentity (aadpodidentity.k8s.io/v1)
    hint: Install AAD Pod Identity: `podid cluster install pod-identity`, or add `pod-identity` to `cluster.components` in the spec.
    "#);
}

#[test]
fn a_cluster_without_the_csi_driver_says_what_to_install() {
    let lab = Lab::with_app();
    lab.done("plan -f app.yaml");
    lab.edit_world(|world| {
        let objects = world["clusters"]["aks-mi"]["objects"].as_object_mut().unwrap();
        objects.retain(|name, _| !name.ends_with("/secretproviderclasses.secrets-store.csi.x-k8s.io"));
    });
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 4
    error: secretproviderclass/aks-mi/shop/shop: the cluster does not know the kind SecretProviderClass (secrets-store.csi.x-k8s.io/v1)
    hint: Install the Secrets Store CSI driver: `podid cluster install csi`, or add `csi` to `cluster.components` in the spec.
    "#);
}

#[test]
fn a_mount_in_a_missing_namespace_says_how_to_create_it() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-mount --yes");
    assert_snapshot!(lab.fails("mount apply --namespace nowhere --name shop --vault kv-shop-mount --secret conn --context aks-mi --yes"), @r#"
    exit 4
    app default:
      + create  secretproviderclass/aks-mi/nowhere/shop
                  vault: kv-shop-mount
                  objects: conn
      ! refused namespace/aks-mi/nowhere
                  the namespace nowhere does not exist in the cluster aks-mi
                  Create it (`kubectl create namespace nowhere`), or bind an identity there first: `podid bind --namespace nowhere --cluster aks-mi`.
      ! warning secretproviderclass/aks-mi/nowhere/shop
                  the vault kv-shop-mount has no secret conn, which nowhere/shop mounts: its pods will not start
                  Correct the name, add the secret to the vault's `secrets:` in the spec, or set it: `podid vault secret set conn --vault kv-shop-mount --prompt`.

    plan: 1 to create, 0 to update, 0 to delete, 2 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}

#[test]
fn kubectl_is_sent_to_the_cluster_of_the_resource() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-mount --yes");
    let told = |cluster: &str| {
        lab.fails(&format!("mount apply --namespace nowhere --name shop --vault kv-shop-mount --secret conn --cluster {cluster} --yes"))
    };
    let other = told("aks-sp");
    assert!(other.contains("`kubectl --context aks-sp create namespace nowhere`"), "{other}");
    let current = told("aks-mi");
    assert!(current.contains("`kubectl create namespace nowhere`"), "{current}");
}

#[test]
fn a_field_of_another_manager_stays_unless_forced() {
    let lab = Lab::made();
    lab.edit_object("secretproviderclasses.secrets-store.csi.x-k8s.io/shop/shop", |object| {
        object["spec"]["parameters"]["keyvaultName"] = json!("kv-of-somebody");
        for entry in object["metadata"]["managedFields"].as_array_mut().unwrap() {
            entry["manager"] = json!("helm");
            entry["operation"] = json!("Update");
        }
    });
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 4
    app shop:
      ! refused secretproviderclass/aks-mi/shop/shop
                  others changed what podid set: .spec.parameters.keyvaultName is owned by helm (there: kv-of-somebody, podid's: kv-shop-errors)
                  Overwrite the fields with `--force-conflicts`, or change the spec to the current values.

    plan: 0 to create, 0 to update, 0 to delete, 13 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
    lab.done("up -f app.yaml --yes --force-conflicts");
}

#[test]
fn a_foreign_object_with_fields_of_another_manager_is_adopted_with_the_named_flag() {
    let lab = Lab::made();
    lab.edit_object("azureidentitybindings.aadpodidentity.k8s.io/shop/shop-mid-binding", |object| {
        object["metadata"]["labels"] = json!({});
        object["spec"]["selector"] = json!("theirs");
        for entry in object["metadata"]["managedFields"].as_array_mut().unwrap() {
            entry["manager"] = json!("helm");
            entry["operation"] = json!("Update");
        }
    });
    assert_snapshot!(lab.fails("up -f app.yaml --yes --state other.json"), @r#"
    exit 4
    app shop:
      ! refused azureidentitybinding/aks-mi/shop/shop-mid-binding
                  azureidentitybinding/aks-mi/shop/shop-mid-binding is there, is not podid's (app shop), and differs in .spec.selector (owned by helm)
                    .spec.selector (owned by helm): theirs -> shop-mid
                  Take it over as it is wanted with `--adopt`, or choose another name.

    plan: 0 to create, 0 to update, 0 to delete, 13 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
    lab.done("up -f app.yaml --yes --state other.json --adopt");
    assert!(lab.done("plan -f app.yaml --state other.json").starts_with("nothing to do"));
}

#[test]
fn a_single_command_names_the_flag_and_both_values_of_a_conflict() {
    let lab = Lab::made();
    lab.edit_object("azureidentitybindings.aadpodidentity.k8s.io/shop/shop-mid-binding", |object| {
        object["spec"]["selector"] = json!("theirs");
        for entry in object["metadata"]["managedFields"].as_array_mut().unwrap() {
            entry["manager"] = json!("kubectl-edit");
            entry["operation"] = json!("Update");
        }
    });
    let told = lab.fails("bind --app shop --namespace shop --identity shop-mid --cluster aks-mi --yes");
    assert!(told.starts_with("exit 4"), "{told}");
    assert!(told.contains(".spec.selector is owned by kubectl-edit (there: theirs, podid's: shop-mid)"), "{told}");
    lab.done("bind --app shop --namespace shop --identity shop-mid --cluster aks-mi --yes --force-conflicts");
}

#[test]
fn a_forbidden_request_is_reported_with_verb_resource_and_namespace() {
    let lab = Lab::with_app().served();
    let message = "secretproviderclasses.secrets-store.csi.x-k8s.io is forbidden: User \"dev\" cannot create resource \"secretproviderclasses\" in API group \"secrets-store.csi.x-k8s.io\" in the namespace \"shop\"";
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403, "message": message,
        "details": { "group": "secrets-store.csi.x-k8s.io", "kind": "secretproviderclasses" },
    });
    lab.set(&json!({ "fail": [{ "method": "PATCH", "path": "/secretproviderclasses/", "status": 403, "body": status }] }));
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 1
    error: could not create secretproviderclass/aks-mi/shop/shop: this login may not create secretproviderclasses.secrets-store.csi.x-k8s.io in namespace shop
      because secretproviderclasses.secrets-store.csi.x-k8s.io is forbidden: User "dev" cannot create resource "secretproviderclasses" in API group "secrets-store.csi.x-k8s.io" in the namespace "shop"
    hint: Ask for a Role (or ClusterRole) that allows create on secretproviderclasses.secrets-store.csi.x-k8s.io in namespace shop; `podid cluster rbac` prints all that podid needs.
    "#);
}
