//! Discovers the kinds that a server has: the plural and the scope of a kind, by group, version and kind. A response is cached for the
//! connection, and requested again if it lacks a kind, which may have been defined since.

use super::calls::{ApiRequest, ServerConnection, missing};
use super::error::{Error, Result};
use super::limits::ResponseKind;
use super::paths::group_path;
use super::status::{RequestInfo, Status, error};
use super::{Api, Served};

/// Returns a kind of the server. Fails with `KindMissing` if the server does not have it.
pub(super) async fn served(connection: &ServerConnection, group: &str, version: &str, kind: &str) -> Result<Served> {
    let of_kind = |all: &[Served]| all.iter().find(|served| served.api.kind == kind).cloned();
    let key = (group.to_owned(), version.to_owned());
    let mut known = connection.discovery.lock().await;
    if let Some(found) = known.get(&key).and_then(|all| of_kind(all)) {
        return Ok(found);
    }
    let all = ask(connection, group, version).await?;
    let found = of_kind(&all);
    known.insert(key, all);
    found.ok_or_else(|| missing(&Api::new(group, version, kind, "")))
}

/// Lists the kinds of a group and version; empty if the server does not have that version.
async fn ask(connection: &ServerConnection, group: &str, version: &str) -> Result<Vec<Served>> {
    let api = Api::new(group, version, "", "");
    let answer = connection.answer(&ApiRequest { kind: ResponseKind::Discovery, ..ApiRequest::get(group_path(&api)?) }).await?;
    match answer.code {
        404 => return Ok(Vec::new()),
        401 => return Err(connection.unauthorized()),
        code if !answer.ok() => {
            let asked = RequestInfo { verb: "get", api: &api, namespace: None, name: None };
            return Err(error(asked, Status::read(code, &answer.body)));
        }
        _ => {}
    }
    let list = connection.parse(&answer.body)?;
    let served = |resource: &serde_json::Value| {
        let text = |name: &str| resource[name].as_str().filter(|text| !text.is_empty());
        let plural = text("name").filter(|name| !name.contains('/'))?;
        let api = Api::new(group, version, text("kind")?, plural);
        Some(Served { api, namespaced: resource["namespaced"].as_bool().unwrap_or_default() })
    };
    let resources = list["resources"].as_array().ok_or_else(|| Error::Failed {
        status: answer.code,
        reason: "NoResources".to_owned(),
        message: format!("its list of the kinds of {group}/{version} has no resources"),
    })?;
    Ok(resources.iter().filter_map(served).collect())
}
