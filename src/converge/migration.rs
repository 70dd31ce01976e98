//! After a vault was changed to Azure RBAC: the state follows, podid's own login reads the vault to see that its role counts, and the way
//! back is told.

use super::{follow_up::FollowUp, inputs::Inputs};
use crate::{
    azure::{self, ObjectKind},
    engine::{
        event::{Event, EventSink},
        execute::Report,
        ledger::Ledger,
    },
    exit::Exit,
    failure::Failure,
    output::Text,
    resources::{
        data_roles::PermissionSet,
        migrated,
        vault::{self, RBAC, switch_command},
        vault_model,
    },
    session::Session,
    spec::request::Migration,
};
use serde_json::json;
use std::time::{Duration, Instant};

/// The time limit of the wait without `--timeout`.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) async fn follow(
    session: &Session,
    inputs: &Inputs,
    report: &Report,
    migration: &Migration,
    tell: EventSink,
) -> Result<FollowUp, Failure> {
    let id = &migration.switch.vault;
    let name = id.name();
    let of_spec = migrated::was_policy_vault(&report.ledger, id);
    remember(session, inputs, &report.ledger, migration).await?;
    let key = vault_model::key(name);
    let switched = report.done.iter().any(|(done, act, _)| *done == key && act.changes());
    let mut text = Text::new();
    let mut document = json!({ "vault": name, "model": RBAC, "switched": switched });
    if switched {
        let mut stop = session.stop.clone();
        let checked = tokio::select! {
            checked = Box::pin(checked(session, migration, tell)) => checked?,
            _ = stop.wait_for(|stop| *stop) => {
                let message = format!("interrupted: the vault {name} uses Azure RBAC, and podid no longer waits until its own login may read it");
                return Err(Failure::new(Exit::Interrupted, message).hint(hint_back(migration)));
            }
        };
        let back = switch_command(id, false);
        text.push(format!("{name} uses Azure RBAC now; its access policies are still in it, without effect"));
        text.push(checked.clone());
        if of_spec {
            text.push(format!("in a spec that creates {name}, write `model: {RBAC}`"));
        }
        text.push(format!("the way back: {back}"));
        document["checked"] = json!(checked);
        document["way_back"] = json!(back);
    } else {
        text.push(format!("{name} uses Azure RBAC already"));
    }
    Ok(FollowUp { field: "migration", document, text })
}

fn hint_back(migration: &Migration) -> String {
    format!("To go back to the access policies: `{}`.", switch_command(&migration.switch.vault, false))
}

/// Saves what the state has to say of the vault from now on.
async fn remember(session: &Session, inputs: &Inputs, ledger: &Ledger, migration: &Migration) -> Result<(), Failure> {
    let Some(state) = &inputs.state else { return Ok(()) };
    let id = &migration.switch.vault;
    let assignments = session.azure.read().role_assignments(id).await.map_err(|error| Failure::from(&error))?;
    let changes = migrated::changes(ledger, id, &assignments).map_err(|fault| Failure::from(&fault))?;
    let mut ledger = ledger.clone();
    changes.into_iter().for_each(|change| ledger.apply(change));
    Ok(state.save(&ledger)?)
}

/// Lists the vault's secrets with podid's own login. A role that should allow it is waited for.
async fn checked(session: &Session, migration: &Migration, tell: EventSink) -> Result<String, Failure> {
    let failed = |error: azure::Error| Failure::from(&error).hint(hint_back(migration));
    let azure = session.azure.read();
    let caller = azure.caller().await.map_err(failed)?.object_id;
    let id = &migration.switch.vault;
    let own = migration.roles.iter().filter(|role| role.principal.eq_ignore_ascii_case(&caller));
    let gives = own.fold(migration.own, |gives, role| gives | PermissionSet::of_role(&role.role));
    let lists = PermissionSet::of(ObjectKind::Secret, ["list"]).is_ok_and(|list| gives.contains(list));
    let Some(found) = azure.vault(id).await.map_err(failed)? else {
        return Ok(format!("not checked: the vault {} does not exist any more", id.name()));
    };
    let limit = session.global.timeout.unwrap_or(LONGEST_WAIT);
    let begun = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        // a new reader has no answer of before the switch
        match session.azure.read().secrets(&found.uri).await {
            Ok(_) => return Ok("checked: podid's own login lists the vault's secrets by a role".to_owned()),
            Err(azure::Error::Forbidden { .. }) if !lists => {
                return Ok("not checked: podid's own login had no access policy for secrets, and has no role for them".to_owned());
            }
            Err(error @ azure::Error::Forbidden { .. }) if begun.elapsed() >= limit => {
                let waited = begun.elapsed().as_secs();
                let message = format!(
                    "the vault {} uses Azure RBAC now, and podid's own login may not list its secrets yet after {waited} s",
                    id.name()
                );
                return Err(Failure::new(Exit::Failed, message)
                    .because(error.to_string())
                    .hint(format!("A new role takes up to 10 minutes. Look again: `podid vault secret list --vault {}`.", id.name()))
                    .hint(hint_back(migration)));
            }
            Err(azure::Error::Forbidden { .. }) => {
                let text = format!(
                    "waiting until the role of podid's own login counts at {} ({} s, up to {} s)",
                    id.name(),
                    begun.elapsed().as_secs(),
                    limit.as_secs()
                );
                tell(Event::Waiting { key: Some(vault::key(id.name())), text });
                tokio::time::sleep(pause).await;
                pause = pause.mul_f64(1.6).min(LONGEST_PAUSE);
            }
            Err(error) => return Ok(format!("not checked: podid's own login could not ask the vault: {error}")),
        }
    }
}
