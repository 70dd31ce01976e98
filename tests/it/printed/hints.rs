//! What `lint` and the hints of errors print for other programs is run as it is printed, too: after it the finding is gone, and the refused
//! command works. Others are run with names of a lab's world.

use crate::{
    az::program::Az,
    common::{Output, World, printed::shape},
    doctor, kubectl,
};
use serde_json::json;

/// Forms of commands that `lint` prints, and that mend.
pub const OF_LINT: [&str; 2] = ["kubectl annotate -n", "az keyvault update -n --default-action"];

/// Forms of commands that the hints of errors print.
pub const OF_ERRORS: [&str; 2] =
    ["az role assignment create --role --assignee --scope", "az keyvault set-policy --name --object-id --secret-permissions"];

/// Commands that only look, or that no fault of the sandbox leads to: as podid prints them, with names of the world of `doctor::made`.
pub const WORKS: [&str; 34] = [
    "az aks list -o table",
    "az keyvault network-rule add --name kv-shop-doctor --ip-address 203.0.113.7",
    "az keyvault show --name kv-shop-doctor",
    "az keyvault update --name kv-shop-doctor --public-network-access Enabled",
    "az role assignment list --all --include-inherited",
    "az role assignment list --all --query \"[?roleDefinitionName=='Managed Identity Operator']\"",
    "kubectl get azurepodidentityexceptions -A -o yaml",
    "kubectl get crds | grep -E 'aadpodidentity|secrets-store'",
    "kubectl get nodes",
    "kubectl get deployments -A",
    "kubectl get daemonsets,deployments -A | grep nmi",
    "kubectl get events -n shop --field-selector reason=FailedCreate",
    "kubectl get events -n shop --field-selector involvedObject.kind=v1.AzureIdentityBinding",
    "kubectl get events -n shop --sort-by=.lastTimestamp",
    "kubectl get --raw /version",
    "kubectl get namespaces",
    "kubectl get networkpolicies -n shop",
    "kubectl get nodes -o wide",
    "kubectl get pods -A -l component=mic",
    "kubectl get pods -A -o wide | grep -E 'nmi|mic'",
    "kubectl get pods -A | grep -E 'nmi|mic'",
    "kubectl get pods -n kube-system -l component=mic",
    "kubectl get pods -n kube-system | grep nmi",
    "kubectl get pods -n shop -o jsonpath='{.items[*].spec.volumes}'",
    "kubectl get resourcequotas -n shop",
    "kubectl get secretproviderclass web -n shop -o jsonpath='{.spec.parameters}'",
    "kubectl get secretproviderclasses -A -o yaml > backup.yaml",
    "kubectl get secretproviderclasspodstatuses -n shop -o yaml",
    "kubectl get secrets,configmaps -n shop",
    "kubectl describe daemonset aad-pod-identity-nmi -n kube-system",
    "kubectl describe pods -n kube-system -l component=mic",
    "kubectl describe nodes",
    "kubectl logs -n kube-system -l component=mic",
    "kubectl rollout restart deployment web -n shop",
];

fn tools(world: &World) -> Option<Az<'_>> {
    kubectl::programs::first()?;
    Az::signed_in(world)
}

/// The commands in backquotes of the hints that an error prints.
fn in_hints(output: &Output) -> Vec<String> {
    let hints = output.stderr.lines().filter(|line| line.trim_start().starts_with("hint: "));
    hints.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn what_lint_prints_for_other_programs_takes_the_finding_away_and_the_others_work() {
    let world = doctor::made();
    let Some(az) = tools(&world) else { return };
    let commands = || -> Vec<String> {
        let document = world.podid(&["lint", "-o", "json"]).ok().json();
        let all = document["findings"].as_array().unwrap().iter().flat_map(|finding| finding["native"].as_array().unwrap().clone());
        all.map(|command| command.as_str().unwrap().to_owned()).collect()
    };
    let base = format!("{}/azureidentities/shop-mid", doctor::BASE);
    let annotations = json!({ "metadata": { "annotations": { "aadpodidentity.k8s.io/Behavior": null } } });
    doctor::edited(&world, &base, annotations);
    for form in OF_LINT {
        let all = commands();
        let command = all.iter().find(|command| shape(command) == form).unwrap_or_else(|| panic!("{form}: {all:#?}"));
        az.shell(command).ok();
        assert!(!commands().contains(command), "{command}");
    }
    for command in WORKS {
        az.shell(command).ok();
    }
}

#[test]
fn what_an_error_prints_for_other_programs_makes_the_refused_command_work() {
    let world = World::served();
    let Some(az) = tools(&world) else { return };
    world.podid(&["vault", "create", "-n", "kv-hints", "--model", "access-policy", "-g", "podid-lab", "--app", "other", "--yes"]).ok();
    let caller = world.podid(&["sandbox", "caller", "add", "ci", "--role", "Reader", "-o", "json"]).ok().json();
    let text = |name: &str| caller[name].as_str().unwrap().to_owned();
    let mut as_caller = World::copy_of(&world);
    as_caller.env.extend(world.environment());
    as_caller.env.retain(|(name, _)| name != "PODID_SANDBOX" && name != "AZURE_CLIENT_ID" && name != "AZURE_CLIENT_SECRET");
    as_caller.env.extend([("AZURE_CLIENT_ID".into(), text("clientId")), ("AZURE_CLIENT_SECRET".into(), text("clientSecret"))]);
    let mends = |words: &[&str], form: &str| {
        let refused = as_caller.podid(words);
        let hints = in_hints(&refused);
        let command = hints.iter().find(|command| shape(command) == form).unwrap_or_else(|| panic!("{form}: {refused:?}"));
        az.shell(command).ok();
        as_caller.podid(words).ok();
    };
    mends(&["identity", "create", "-n", "shop-mid", "-g", "podid-lab", "--yes"], OF_ERRORS[0]);
    mends(&["vault", "secret", "list", "--vault", "kv-hints", "-g", "podid-lab"], OF_ERRORS[1]);
}

#[test]
fn commands_for_a_cluster_that_is_not_the_current_one_say_which() {
    let world = World::served();
    world.write("podid.yaml", &doctor::SPEC.replace("aks-mi", "aks-sp"));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    let nowhere = json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": "ssd" } } } } });
    world.kube("PATCH", "aks-sp", doctor::NMI, Some(nowhere)).ok();
    let commands = |words: &[&str]| -> Vec<String> {
        let document = world.podid(words).json();
        let all = document["findings"].as_array().unwrap().iter().flat_map(|finding| finding["native"].as_array().unwrap().clone());
        let all = all.map(|command| command.as_str().unwrap().to_owned());
        all.filter(|command| command.contains("kubectl ") && !command.starts_with("az ")).collect()
    };
    for words in [["doctor", "-o", "json"], ["lint", "-o", "json"]] {
        let found = commands(&words);
        assert!(!found.is_empty() && found.iter().all(|command| command.contains("kubectl --context aks-sp ")), "{words:?}: {found:?}");
    }
    // a flag is carried by the commands of podid, too
    let document = world.podid(&["doctor", "--context", "aks-sp", "-o", "json"]).json();
    let own = document["findings"].as_array().unwrap().iter().flat_map(|finding| finding["podid"].as_array().unwrap().clone());
    assert!(own.map(|command| command.as_str().unwrap().to_owned()).all(|command| command.ends_with("--context aks-sp")), "{document}");
}
