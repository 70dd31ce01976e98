//! What can be asked about the callers of a world, of this process or of the one that serves it.

use super::{
    Embedded, Error, Options, attempt::attempt, azure::callers as rules, azure::times, command, folder::Folder, open, running::Running,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CallerWish {
    /// The caller has the role at these scopes, beside what it had; at the subscription where none is named. Answers its credential.
    Add {
        name: String,
        /// Name or GUID.
        role: String,
        scopes: Vec<String>,
    },
    /// All of them, without their secrets.
    List,
    /// Answers whether there was one.
    Delete { name: String },
    /// Whom the nodes of a cluster log in as: the file that MIC and other components of theirs read, with its secret.
    Nodes { cluster: String },
}

/// Done and saved.
pub async fn done(running: &Running, wish: &CallerWish) -> Result<Value, Error> {
    let value = {
        let mut azure = running.azure();
        let refused = |fault: rules::Fault| Error::Use { why: fault.why, way: fault.way };
        match wish {
            CallerWish::List => return Ok(rules::list(&azure)),
            CallerWish::Nodes { cluster } => return rules::of_nodes(&azure, cluster).map_err(refused),
            CallerWish::Delete { name } => attempt(&mut *azure, |azure| Ok(json!(rules::remove(azure, name)))),
            CallerWish::Add { name, role, scopes } => attempt(&mut *azure, |azure| rules::add(azure, name, role, scopes, times::now())),
        }
        .unwrap_or_else(|panicked| std::panic::resume_unwind(Box::new(panicked)))
        .map_err(refused)?
    };
    running.save().await.map_err(|why| Error::Unreachable { dir: running.folder.dir().to_owned(), why })?;
    Ok(value)
}

/// For a served world and for one that nobody serves.
pub async fn callers(dir: &Path, wish: &CallerWish) -> Result<Value, Error> {
    let sandbox = open(Options::new(dir)).await?;
    match &sandbox.embedded {
        Some(Embedded { running, .. }) => {
            let value = done(running, wish).await;
            sandbox.close().await;
            value
        }
        None => match Folder::open(dir)?.served() {
            Some(served) => {
                let body = serde_json::to_value(wish).unwrap_or_default();
                command(&Folder::open(dir)?, served.address, "/callers", Some(&body)).await
            }
            None => Err(Error::NotServing { dir: dir.to_owned() }),
        },
    }
}
