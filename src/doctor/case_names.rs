//! The names of one case, for the words in capitals of commands.

use super::{
    case::{self, Case},
    names::Names,
};
use crate::{
    azure::ArmId,
    chain::{ground, texts::field, view::View},
};

/// Groups and names of resources stand behind flags that other resources have, too.
const OF_IDENTITY: &str = "az identity show -g GROUP -n NAME";

pub fn names(case: &Case<'_>, view: &View<'_>) -> Names {
    let mut names = Names::default();
    let (bound, delivered) = (&case.target.bound, &case.target.delivered);
    let survey = view.survey;
    let cluster_id = survey.and_then(|survey| survey.azure.cluster.as_ref()).map(|cluster| &cluster.id);
    let group = |id: Option<&ArmId>| id.and_then(ArmId::group_name).map(str::to_owned).unwrap_or_default();
    let identity_group = bound.identity.resource_group.clone().unwrap_or_default();
    let identity = &bound.identity.name;
    let shown = format!("az identity show -g {identity_group} -n {identity}");
    names.add(OF_IDENTITY, if identity_group.is_empty() { "" } else { &shown });
    let listed = format!("az identity federated-credential list -g {identity_group} --identity-name {identity}");
    names.add(
        "az identity federated-credential list -g GROUP --identity-name IDENTITY",
        if identity_group.is_empty() { "" } else { &listed },
    );
    let cluster_group = group(cluster_id);
    for lead in ["az aks show -g", "az aks update -g", "az aks check-acr -g"] {
        names.add(&format!("{lead} GROUP"), &behind(lead, &cluster_group));
    }
    names.add("podid cluster show -n CLUSTER -g GROUP", &format!("podid cluster show -n {}", bound.cluster.name));
    let nodes = survey.and_then(|survey| survey.azure.cluster.as_ref()).and_then(|cluster| cluster.node_resource_group.clone());
    names.add("NODE-GROUP", nodes.as_deref().unwrap_or_default());
    let sets = survey.map(|survey| survey.azure.scale_sets.items.as_slice()).unwrap_or_default();
    names.add("SCALE-SET", if let [one] = sets { &one.name } else { "" });
    for (kind, name) in &bound.objects {
        names.add(&format!("{kind} NAME"), &behind(kind, name));
    }
    names.add("secretproviderclass NAME", &behind("secretproviderclass", &delivered.name));
    if let [workload] = case.workloads.as_slice() {
        let kind = workload.kind.to_lowercase();
        names.add("deployment/NAME", &format!("{kind}/{}", workload.name));
        names.add("deployment NAME", &format!("{kind} {}", workload.name));
        let pods = survey.map(|survey| case::pods(workload, survey)).unwrap_or_default();
        names.add("POD", pods.first().map(|pod| field(pod, "/metadata/name")).unwrap_or_default());
        names.add("node/NODE", &behind_slash("node", pods.first().map(|pod| field(pod, "/spec/nodeName")).unwrap_or_default()));
    }
    if let [object] = delivered.objects.as_slice() {
        names.add("--name NAME", &behind("--name", &object.name));
    }
    // of the two that let an identity read, a vault takes one
    match survey.and_then(|survey| survey.azure.vault(view.vault())) {
        Some(vault) if vault.rbac => names.leave_out("az keyvault set-policy "),
        Some(_) => names.leave_out("az role assignment create "),
        None => {}
    }
    // az refuses the settings of an add-on that is off
    let addons = survey.and_then(|survey| survey.azure.cluster.as_ref()).map(|cluster| cluster.addons.as_slice()).unwrap_or_default();
    if !addons.iter().any(|addon| addon.eq_ignore_ascii_case("azureKeyvaultSecretsProvider")) {
        names.leave_out("az aks update -g GROUP -n CLUSTER --enable-secret-rotation");
    }
    let ids = ids(view);
    names.add("VAULT-ID", ids.vault.as_deref().unwrap_or_default());
    names.add("PRINCIPAL-ID", ids.principal.as_deref().unwrap_or_default());
    names.add("CLIENT-ID", bound.identity.client_id().unwrap_or_default());
    names.add("NAMESPACE", &bound.namespace);
    names.add("CLUSTER", &bound.cluster.name);
    names.add("VAULT", &delivered.vault.name);
    names.add("IDENTITY", identity);
    names
}

/// The ids that Azure gave to what the workload uses.
struct Ids {
    vault: Option<String>,
    principal: Option<String>,
}

fn ids(view: &View<'_>) -> Ids {
    let vault = view.survey.and_then(|survey| survey.azure.vault(view.vault())).map(|vault| vault.id.to_string());
    Ids { vault, principal: ground::identity(view).map(|identity| identity.principal_id.clone()) }
}

fn behind(lead: &str, name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{lead} {name}") }
}

fn behind_slash(lead: &str, name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{lead}/{name}") }
}
