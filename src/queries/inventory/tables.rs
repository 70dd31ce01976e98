//! The inventory for people: a table for each kind of thing that is there.

use crate::{
    access,
    chain::{texts::field, uses::IdentityUse},
    inventory::{self, Mount, Token, Users, Workload, age, origin},
    output::{Line, Text, table},
    queries::surveyed::Surveyed,
    resources::{azure_identity::is_namespaced, secret, service_account},
    survey::kinds::{AZURE_IDENTITY, AZURE_IDENTITY_BINDING, CLASS, EXCEPTION, SERVICE_ACCOUNT},
};
use serde_json::Value;
use std::collections::BTreeSet;

type Rows = Vec<Vec<String>>;

pub(super) fn tables(found: &Surveyed, namespace: Option<&str>, width: Option<u16>) -> Text {
    let users = Users::of(&found.workloads, &found.survey);
    let mut text = Text::new();
    let mut section = |title: &str, headers: &[&str], rows: Rows| {
        if rows.is_empty() {
            return;
        }
        if !text.is_empty() {
            text.push(Line::new());
        }
        text.push(Line::new().bold(title));
        text.append(table::list(headers, &rows, "", width));
    };
    let headers = ["NAMESPACE", "WORKLOAD", "PODS", "MODE", "IDENTITY", "DELIVERY", "VAULT", "SECRETS", "OWNER", "NOTE"];
    section("Workloads", &headers, workloads(found));
    section(
        "Bindings of pod identity",
        &["NAMESPACE", "BINDING", "SELECTOR", "AZUREIDENTITY", "IDENTITY", "OWNER"],
        bindings(found, namespace),
    );
    section("Exceptions of pod identity", &["NAMESPACE", "NAME", "LABELS", "OWNER"], exceptions(found, namespace));
    section("Service accounts with an identity", &["NAMESPACE", "NAME", "CLIENT ID", "IDENTITY", "OWNER"], accounts(found, namespace));
    section("SecretProviderClasses", &["NAMESPACE", "NAME", "MODE", "VAULT", "OWNER"], classes(found, namespace));
    section("Identity bindings of the cluster", &["NAME", "IDENTITY", "STATE"], identity_bindings(found));
    section("Entries of the pod identity add-on", &["NAMESPACE", "NAME", "SELECTOR", "IDENTITY", "STATE"], entries(found));
    section("Identities", &["NAME", "GROUP", "CLIENT ID", "USED BY", "HANDED OUT BY", "CREDENTIALS", "OWNER"], identities(found, &users));
    section("Identities of the nodes", &["NAME", "FOR", "SCALE SETS"], node_identities(found));
    section("Vaults", &["NAME", "MODEL", "USED BY", "READ BY", "OWNER"], vaults(found));
    section("Secrets", &["VAULT", "NAME", "STATUS", "AGE", "EXPIRES", "OWNER"], secrets(found));
    section("Components", &["COMPONENT", "PROGRAM", "VERSION", "NAMESPACE", "READY", "INSTALLED BY"], components(found));
    section("Not read", &["WHAT", "WHY"], found.survey.gaps().iter().map(|gap| vec![gap.what.clone(), gap.why.clone()]).collect());
    let others = found.workloads.iter().filter(|workload| !workload.is_concerned()).count();
    let identities = found.survey.azure.identities.iter().filter(|one| users.of_identity(one).is_empty()).count();
    if !text.is_empty() {
        text.push(Line::new());
    }
    let place = namespace.map_or_else(|| found.cluster.clone(), |name| format!("{name} in {}", found.cluster));
    text.push(match (found.workloads.len() - others, others) {
        (0, 0) => format!("there are no workloads in {place}"),
        (_, 1) => format!("1 other workload in {place} uses no identity and no vault"),
        _ => format!("{others} other workloads in {place} use no identity and no vault"),
    });
    match identities {
        0 => {}
        1 => text.push("1 other identity of the subscription is used by no workload here (-o json lists it)"),
        _ => text.push(format!("{identities} other identities of the subscription are used by no workload here (-o json lists them)")),
    }
    text
}

fn joined(all: impl IntoIterator<Item = String>) -> String {
    all.into_iter().filter(|one| !one.is_empty()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// At most this many names in a cell.
const NAMED: usize = 3;

fn few(all: Vec<String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named = all.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

fn workloads(found: &Surveyed) -> Rows {
    let mut rows = Rows::new();
    for one in found.workloads.iter().filter(|workload| workload.is_concerned()) {
        let name = format!("{}/{}", one.kind.to_lowercase(), one.name);
        let ready = one.pods.iter().filter(|pod| pod.is_ready).count();
        let pods = one.wanted.map_or_else(|| one.pods.len().to_string(), |wanted| format!("{ready} of {wanted}"));
        let note = note(one);
        let row = |mode: String, identity: String, delivery: &str, vault: &str, secrets: String| {
            let head = vec![one.namespace.clone(), name.clone(), pods.clone()];
            [head, vec![mode, identity, delivery.to_owned(), vault.to_owned(), secrets, one.origin.clone(), note.clone()]].concat()
        };
        let of = |all: &[IdentityUse]| {
            let mode = joined(all.iter().map(|one| one.mode.to_owned()));
            (mode, joined(all.iter().map(|one| one.identity.shown(&found.survey))))
        };
        for mount in &one.mounts {
            let (mode, identity) = match &mount.token {
                Token::Node(client_id) => {
                    (mount.mode().unwrap_or_default().to_owned(), client_id.clone().unwrap_or_else(|| "system-assigned".into()))
                }
                _ => (mount.mode().unwrap_or_default().to_owned(), of(mount.identities()).1),
            };
            let secrets = few(mount.secrets.objects.iter().map(|object| object.name.clone()).collect());
            rows.push(row(mode, identity, mount.secrets.delivery, mount.secrets.vault.as_deref().unwrap_or_default(), secrets));
        }
        if one.mounts.is_empty() {
            let (mode, identity) = of(&one.identities);
            rows.push(row(mode, identity, "", "", String::new()));
        }
    }
    rows
}

/// The first thing that is missing on the way to an identity, and what goes around the bindings.
fn note(workload: &Workload) -> String {
    let edges =
        workload.mounts.iter().flat_map(|mount| mount.secrets.edges.iter()).chain(workload.all_identities().flat_map(|one| &one.edges));
    let missing = edges.into_iter().find_map(|edge| match &edge.state {
        crate::chain::edge::EdgeState::Missing { why, .. } => Some(why.clone()),
        _ => None,
    });
    let access = workload.node_access.as_ref().map(|access| access.why.clone());
    [access, missing].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn is_of(object: &Value, namespace: Option<&str>) -> bool {
    namespace.is_none_or(|wanted| field(object, "/metadata/namespace") == wanted)
}

fn text(object: &Value, pointer: &str) -> String {
    field(object, pointer).to_owned()
}

fn bindings(found: &Surveyed, namespace: Option<&str>) -> Rows {
    let survey = &found.survey;
    let row = |binding: &Value| {
        let (within, name) = (text(binding, "/metadata/namespace"), text(binding, "/spec/azureIdentity"));
        let identity = survey.cluster.named(&AZURE_IDENTITY, &within, &name);
        let shown = match identity {
            Some(identity) => {
                let wide = if is_namespaced(identity) { "" } else { " (counts in all namespaces)" };
                format!("{}{wide}", field(identity, "/spec/resourceID").rsplit('/').next().unwrap_or_default())
            }
            None => "there is no such AzureIdentity".to_owned(),
        };
        vec![within, text(binding, "/metadata/name"), text(binding, "/spec/selector"), name, shown, origin(binding)]
    };
    survey.cluster.of_kind(&AZURE_IDENTITY_BINDING).iter().filter(|one| is_of(one, namespace)).map(row).collect()
}

fn exceptions(found: &Surveyed, namespace: Option<&str>) -> Rows {
    let labels = |one: &Value| {
        let all = one.pointer("/spec/podLabels").and_then(Value::as_object).into_iter().flatten();
        all.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" or ")
    };
    let row = |one: &Value| vec![text(one, "/metadata/namespace"), text(one, "/metadata/name"), labels(one), origin(one)];
    found.survey.cluster.of_kind(&EXCEPTION).iter().filter(|one| is_of(one, namespace)).map(row).collect()
}

fn accounts(found: &Surveyed, namespace: Option<&str>) -> Rows {
    let row = |one: &Value| {
        let id = service_account::client_id(one)?;
        let identity = found.survey.azure.identity(Some(id), None).map(|identity| identity.id.name().to_owned()).unwrap_or_default();
        Some(vec![text(one, "/metadata/namespace"), text(one, "/metadata/name"), id.to_owned(), identity, origin(one)])
    };
    found.survey.cluster.of_kind(&SERVICE_ACCOUNT).iter().filter(|one| is_of(one, namespace)).filter_map(row).collect()
}

fn classes(found: &Surveyed, namespace: Option<&str>) -> Rows {
    let row = |one: &Value| {
        // two modes have the same parameters: the pods that mount the class show which one counts
        let name = format!("{}/{}", field(one, "/metadata/namespace"), field(one, "/metadata/name"));
        let is_it = |mount: &&Mount| mount.secrets.through.as_ref().is_some_and(|class| class.name == name);
        let mounts = found.workloads.iter().flat_map(|workload| &workload.mounts).filter(is_it);
        let used = joined(mounts.filter_map(|mount| mount.mode()).map(str::to_owned));
        let of_parameters = || one.pointer("/spec/parameters").map(inventory::class_mode).unwrap_or_default();
        let mode = if used.is_empty() { of_parameters() } else { used };
        vec![text(one, "/metadata/namespace"), text(one, "/metadata/name"), mode, text(one, "/spec/parameters/keyvaultName"), origin(one)]
    };
    found.survey.cluster.of_kind(&CLASS).iter().filter(|one| is_of(one, namespace)).map(row).collect()
}

fn last(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_owned()
}

fn identity_bindings(found: &Surveyed) -> Rows {
    let row =
        |one: &crate::azure::IdentityBinding| vec![one.id.name().to_owned(), last(&one.resource_id), one.state.clone().unwrap_or_default()];
    found.survey.azure.bindings.iter().map(row).collect()
}

fn entries(found: &Surveyed) -> Rows {
    let all = found.survey.azure.addon_entries.iter();
    all.map(|one| {
        let state = one.problem.clone().or_else(|| one.state.clone()).unwrap_or_default();
        vec![one.namespace.clone(), one.name.clone(), one.selector.clone(), last(&one.resource_id), state]
    })
    .collect()
}

fn identities(found: &Surveyed, users: &Users<'_>) -> Rows {
    let mut rows = Rows::new();
    for one in found.survey.azure.identities.iter() {
        let users = users.of_identity(one);
        if users.is_empty() {
            continue;
        }
        let operators = inventory::operators(&one.id, &found.survey);
        let by = operators.iter().map(|one| {
            let inherited = if one.is_inherited { format!(", inherited from {}", one.scope) } else { String::new() };
            let group = one.group.as_deref().map(|id| format!(", through the group {}", access::shown_principal(&found.survey, id)));
            format!("{} ({}{inherited}{})", one.principal, one.role, group.unwrap_or_default())
        });
        let credentials = match found.survey.azure.credentials_of(&one.id) {
            Some(all) => few(all
                .iter()
                .map(|one| one.subject.clone().or_else(|| one.claims_matching_expression.clone()).unwrap_or_default())
                .collect()),
            None => String::new(),
        };
        rows.push(vec![
            one.id.name().to_owned(),
            one.id.group_name().unwrap_or_default().to_owned(),
            one.client_id.clone(),
            few(users.iter().map(|workload| workload.shown()).collect()),
            joined(by),
            credentials,
            inventory::owner(&one.tags).unwrap_or_default(),
        ]);
    }
    rows
}

fn node_identities(found: &Surveyed) -> Rows {
    let all = inventory::node_identities(&found.survey);
    all.into_iter().map(|one| vec![one.name, one.role.to_owned(), few(one.scale_sets)]).collect()
}

fn users_of_vault(name: &str, found: &Surveyed) -> Vec<String> {
    let reads = |mount: &Mount| mount.secrets.vault.as_deref().is_some_and(|vault| vault.eq_ignore_ascii_case(name));
    found.workloads.iter().filter(|workload| workload.mounts.iter().any(reads)).map(Workload::shown).collect()
}

fn vaults(found: &Surveyed) -> Rows {
    let survey = &found.survey;
    let row = |one: &crate::azure::Vault| {
        let readers = access::readers(survey, one, None);
        let names: BTreeSet<String> = readers.iter().map(|reader| access::shown_principal(survey, &reader.principal_id)).collect();
        vec![
            one.id.name().to_owned(),
            if one.rbac { "rbac" } else { "access-policy" }.to_owned(),
            few(users_of_vault(one.id.name(), found)),
            few(names.into_iter().collect()),
            inventory::owner(&one.tags).unwrap_or_default(),
        ]
    };
    survey.azure.vaults.iter().map(row).collect()
}

fn secrets(found: &Surveyed) -> Rows {
    let mut rows = Rows::new();
    for (vault, content) in &found.survey.azure.secrets {
        for one in content.secrets.iter() {
            let status = match one.enabled {
                false => "disabled".to_owned(),
                true => secret::dates(one.not_before, one.expires, jiff::Timestamp::now()).unwrap_or_else(|| "enabled".to_owned()),
            };
            let age = age(one).map(|days| if days == 1 { "1 day".to_owned() } else { format!("{days} days") }).unwrap_or_default();
            let expires =
                one.expires.and_then(|at| jiff::Timestamp::from_second(at).ok()).map_or_else(|| "never".to_owned(), |at| at.to_string());
            rows.push(vec![vault.clone(), one.name.clone(), status, age, expires, inventory::owner(&one.tags).unwrap_or_default()]);
        }
    }
    rows
}

fn components(found: &Surveyed) -> Rows {
    let row = |(component, one): &(&str, crate::resources::running::Running)| {
        let ready = format!("{} of {}", one.ready, one.wanted);
        vec![
            (*component).to_owned(),
            one.program.clone(),
            one.version().to_owned(),
            one.namespace.clone(),
            ready,
            one.installer.to_string(),
        ]
    };
    inventory::running(&found.survey).iter().map(row).collect()
}
