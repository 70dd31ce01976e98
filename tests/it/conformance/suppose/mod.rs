//! The state that a record implies, derived from its operation, request, status, codes and body, and never from which record it is. It is
//! created in the sandbox through its own interfaces; then the record's request is sent, with the names of the sandbox.
//!
//! `place` parses a path · `build` creates groups, identities, vaults, principals, assignments … · one file for each family of operations.

mod build;
mod clusters;
mod directory;
mod features;
mod groups;
mod identities;
mod place;
mod roles;
mod secrets;
mod storage;
mod vaults;

use super::{
    compare::Reply,
    record::Record,
    world::{ARM, Caller, GRAPH, VAULT, World},
};
use build::Build;
use serde_json::{Value, json};

/// The error says what cannot be derived or created, for people.
pub type Made<T> = Result<T, String>;

/// The record's request as it is sent to the sandbox.
pub struct Ask {
    pub method: String,
    /// The URL with the host, without the query.
    pub url: String,
    pub query: String,
    pub body: String,
    pub caller: Caller,
    /// Settings for this one request.
    pub settings: Value,
}

impl Ask {
    fn of(record: &Record, build: &Build<'_>) -> Self {
        let host = match record.op.split('.').next().unwrap_or_default() {
            "graph" => GRAPH.to_owned(),
            "secret" | "deletedSecret" => format!("https://{}", build.host(&record.host)),
            // A region's own front door, and the recorder of the SDKs for Java.
            _ => ARM.to_owned(),
        };
        let asked = record.asked();
        Self {
            method: record.method.clone(),
            url: format!("{host}{}", build.path(&record.path)),
            query: record.query.clone(),
            body: if asked.is_null() { record.request.clone() } else { build.mapped(&asked).to_string() },
            caller: Caller::Owner,
            settings: Value::Null,
        }
    }

    fn audience(&self) -> &'static str {
        match self.url.as_str() {
            url if url.starts_with(GRAPH) => GRAPH,
            url if url.starts_with(ARM) => ARM,
            _ => VAULT,
        }
    }
}

/// Brings a new world into the state and sends the request.
pub fn play(world: &World, record: &Record) -> Made<Reply> {
    world.reset();
    let mut build = Build::new(world, record);
    let mut ask = match record.op.split('.').next().unwrap_or_default() {
        "rg" => groups::suppose(record, &mut build)?,
        "subscription" => Ask::of(record, &build),
        "identity" | "fic" => identities::suppose(record, &mut build)?,
        "roleAssignment" | "roleDefinition" => roles::suppose(record, &mut build)?,
        "provider" | "feature" => features::suppose(record, &mut build)?,
        "vault" | "deletedVault" => vaults::suppose(record, &mut build)?,
        "secret" | "deletedSecret" => secrets::suppose(record, &mut build)?,
        "storage" => storage::suppose(record, &mut build)?,
        "graph" => directory::suppose(record, &mut build)?,
        "aks" => clusters::suppose(record, &mut build)?,
        other => return Err(format!("operations of {other} are not understood")),
    };
    gate(record, &mut ask, &build)?;
    if !ask.settings.is_null() {
        world.set(&ask.settings);
    }
    let token = world.token(ask.audience(), ask.caller);
    let body = Some(ask.body).filter(|b| !b.is_empty());
    let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query) };
    Ok(world.send(&ask.method, &format!("{}{query}", ask.url), &token, "application/json", body))
}

/// Sets what every operation depends on: the token, the right, the rate, the registration, the subscription.
fn gate(record: &Record, ask: &mut Ask, build: &Build<'_>) -> Made<()> {
    let code = record.codes.first().map_or("", String::as_str);
    match (record.status, code) {
        (401, "ExpiredAuthenticationToken") => ask.caller = Caller::Late,
        (401, "AuthenticationFailed") => ask.caller = Caller::Nobody,
        (401, "InvalidAuthenticationToken") => ask.caller = Caller::Garbage,
        (401, "Unauthorized" | "") => ask.caller = Caller::Nobody,
        (403, "AuthorizationFailed") => ask.settings = json!({ "deny": ["*"] }),
        (403, "Authorization_RequestDenied") => ask.settings = json!({ "deny": ["graph"] }),
        (409, "MissingSubscriptionRegistration") => build.unregister(&record.path)?,
        (429, _) => ask.settings = build.throttled(record),
        (404, "SubscriptionNotFound") | (400, "InvalidSubscriptionId") => {
            ask.url = format!("{ARM}{}", record.path);
        }
        (500.., _) => return Err(format!("an outage ({}) is no state of the sandbox", record.status)),
        _ => {}
    }
    Ok(())
}
