//! `podid inventory`: what is there, by whom it was made, and what could not be seen.

mod tables;

use super::surveyed::{Ask, Wanted, surveyed};
use crate::{
    cli::{Format, Inventory},
    converge::{answer, render},
    exit::Exit,
    failure::Failure,
    inventory,
    session::Session,
};
use serde_json::{Value, json};

pub async fn inventory(session: &Session, wanted: &Inventory) -> Result<Exit, Failure> {
    let namespace = wanted.namespace.as_deref();
    let ask = if wanted.all { Ask::All } else { Ask::Few };
    let found = surveyed(session, &Wanted { cluster: wanted.cluster.as_ref(), namespace, ask }).await?;
    let text = match session.global.output {
        Format::Table => tables::tables(&found, namespace, session.terminal.width),
        Format::Json | Format::Yaml => {
            let mut document = json!({ "version": 1, "cluster": found.cluster, "context": found.context, "subscription": found.subscription, "namespace": namespace });
            if let (Value::Object(all), Value::Object(more)) =
                (&mut document, inventory::document(&found.survey, &found.workloads, namespace))
            {
                all.extend(more);
            }
            render(session, &document)
        }
    };
    answer(session, text)?;
    Ok(Exit::Done)
}
