//! `podid who-can`: every principal, workload and pod that can read a secret now, and by which grant.

use super::surveyed::{Ask, Surveyed, Wanted, surveyed};
use crate::{
    access::{self, Grant, Passes},
    azure::{ArmId, Vault},
    chain::edge::{EdgeNode, EdgeState},
    cli::{Format, WhoCan},
    converge::{answer, render},
    exit::Exit,
    failure::Failure,
    inventory::{self, User, Way, grants},
    output::{Text, table},
    session::Session,
};
use serde_json::{Value, json};

pub async fn who_can(session: &Session, wanted: &WhoCan) -> Result<Exit, Failure> {
    let mut found = surveyed(session, &Wanted { cluster: wanted.cluster.as_ref(), namespace: None, ask: Ask::Later }).await?;
    let vault = vault(&found, wanted.vault.name())?;
    let secret = wanted.secret.as_str();
    session
        .unless_interrupted(async {
            found.ask_readers(std::slice::from_ref(&vault), secret).await;
            let identities = reading(&found, &vault, secret);
            found.ask_credentials(&identities).await;
        })
        .await?;
    let ways = inventory::who_can(&found.survey, &found.workloads, &vault, secret);
    let remarks = remarks(&found, &vault, secret);
    let text = match session.global.output {
        Format::Table => shown(&ways, &remarks, &vault, secret, session.terminal.width),
        Format::Json | Format::Yaml => render(
            session,
            &json!({
                "version": 1, "vault": vault.id.name(), "secret": secret, "model": if vault.rbac { "rbac" } else { "access-policy" },
                "readers": ways.iter().map(document).collect::<Vec<_>>(), "remarks": remarks, "notRead": found.survey.gaps(),
            }),
        ),
    };
    answer(session, text)?;
    Ok(Exit::Done)
}

fn vault(found: &Surveyed, name: &str) -> Result<Vault, Failure> {
    if let Some(vault) = found.survey.azure.vault(name) {
        return Ok(vault.clone());
    }
    Err(match &found.survey.azure.vaults.gap {
        Some(gap) => Failure::new(Exit::Failed, format!("could not read the {}", gap.what)).because(gap.why.clone()),
        None => Failure::new(Exit::Refused, format!("there is no vault {name} in the subscription"))
            .hint("`podid vault list` shows those of the subscription; `--subscription ID` chooses another one."),
    })
}

/// The identities that may read and that workloads get by federated credentials.
fn reading(found: &Surveyed, vault: &Vault, secret: &str) -> Vec<ArmId> {
    let readers = access::expanded(&found.survey, vault, Some(secret));
    let may = |id: &ArmId| {
        let principal = found.survey.azure.identity(None, Some(id.as_str())).map(|identity| &identity.principal_id);
        principal.is_some_and(|principal| readers.iter().any(|reader| reader.principal_id.eq_ignore_ascii_case(principal)))
    };
    inventory::federated(&found.workloads, &found.survey).into_iter().filter(may).collect()
}

/// What makes the answer doubtful as a whole.
fn remarks(found: &Surveyed, vault: &Vault, secret: &str) -> Vec<String> {
    let of_vault = EdgeNode::new("Vault", vault.id.name());
    match grants::secret_edge(&found.survey, &of_vault, vault, secret).state {
        EdgeState::Missing { why, .. } | EdgeState::Unknown { why } => vec![why],
        EdgeState::There => Vec::new(),
    }
}

fn document(way: &Way) -> Value {
    let reader = &way.reader;
    json!({
        "principal": way.principal, "principalId": reader.principal_id, "kind": way.kind, "grant": reader.grant.shown(),
        "conditional": reader.grant.condition().is_some(), "condition": condition(&reader.grant), "throughGroup": reader.group, "groupName": way.group, "deniedBy": reader.denied,
        "users": way.users.iter().map(|user| json!({
            "workload": user.workload, "pods": user.pods, "by": user.by, "doubt": user.doubt,
        })).collect::<Vec<_>>(),
    })
}

/// What a condition means for the secret; None: there is none.
fn condition(grant: &Grant) -> Option<&'static str> {
    grant.condition().map(|_| grant.passes().word())
}

fn shown(ways: &[Way], remarks: &[String], vault: &Vault, secret: &str, width: Option<u16>) -> Text {
    let mut rows = Vec::new();
    for way in ways {
        let mut grant = way.reader.grant.shown();
        if let Some(group) = &way.group {
            grant = format!("{grant}, through the group {group}");
        }
        match way.reader.grant.passes() {
            Passes::Yes => {}
            Passes::No => grant = format!("{grant}; the condition keeps {secret} out"),
            Passes::Unknown => grant = format!("{grant}; podid does not understand the condition"),
        }
        if let Some(denied) = &way.reader.denied {
            grant = format!("{grant}; taken away by the deny assignment {denied}");
        }
        let head = |first: bool| match first {
            true => vec![way.principal.clone(), way.kind.to_owned(), grant.clone()],
            false => vec![String::new(); 3],
        };
        if way.users.is_empty() {
            rows.push([head(true), vec![String::new(); 3]].concat());
        }
        for (at, user) in way.users.iter().enumerate() {
            rows.push([head(at == 0), vec![user.workload.clone(), pods(user), by(user)]].concat());
        }
    }
    let headers = ["PRINCIPAL", "KIND", "GRANT", "WORKLOAD", "PODS", "BY"];
    let nobody = format!("nobody can read {secret} of {}", vault.id.name());
    let mut text = table::list(&headers, &rows, &nobody, width);
    for remark in remarks {
        text.push(format!("note: {remark}"));
    }
    text
}

fn pods(user: &User) -> String {
    let named = user.pods.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match user.pods.len() {
        0 => String::new(),
        count if count > 3 => format!("{named} and {} more", count - 3),
        _ => named,
    }
}

fn by(user: &User) -> String {
    user.doubt.as_ref().map_or_else(|| user.by.clone(), |doubt| format!("{}; not certain: {doubt}", user.by))
}
