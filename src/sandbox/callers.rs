//! Requests about the callers of a world.

use super::{attempt::attempt, azure::callers as rules, azure::times, error::Error, running::Running};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CallerRequest {
    /// Add a role assignment for the caller at these scopes, or at the subscription if there are none. Returns the caller's credential.
    Add {
        name: String,
        /// A role's name or GUID.
        role: String,
        scopes: Vec<String>,
    },
    /// List all callers without their secrets.
    List,
    /// Delete a caller. Returns whether there was one.
    Delete { name: String },
    /// Return the `azure.json` of a cluster's nodes, with its secret.
    Nodes { cluster: String },
}

/// Carries the request out and saves the result.
pub async fn carry_out(running: &Running, request: &CallerRequest) -> Result<Value, Error> {
    let value = {
        let mut azure = running.azure();
        let refused = |fault: rules::CallerError| Error::Use { why: fault.why, hint: fault.hint };
        match request {
            CallerRequest::List => return Ok(rules::list(&azure)),
            CallerRequest::Nodes { cluster } => return rules::of_nodes(&azure, cluster).map_err(refused),
            CallerRequest::Delete { name } => attempt(&mut *azure, |azure| Ok(json!(rules::remove(azure, name)))),
            CallerRequest::Add { name, role, scopes } => attempt(&mut *azure, |azure| rules::add(azure, name, role, scopes, times::now())),
        }
        .unwrap_or_else(|panicked| std::panic::resume_unwind(Box::new(panicked)))
        .map_err(refused)?
    };
    running.save().await.map_err(|why| Error::Unreachable { dir: running.folder.dir().to_owned(), why })?;
    Ok(value)
}
