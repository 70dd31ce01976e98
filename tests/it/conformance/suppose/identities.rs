//! Identities and their federated credentials.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};
use serde_json::{Value, json};

const CREDENTIALS: &str = "/federatedIdentityCredentials/";

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    build.group_for(record)?;
    if record.op.starts_with("fic") {
        credentials(record, build)?
    } else {
        identities(record, build)?
    }
    Ok(Ask::of(record, build))
}

fn identities(record: &Record, build: &Build<'_>) -> Made<()> {
    match (record.method.as_str(), record.status) {
        ("GET", 200) if record.op.contains(".list.") => {
            for document in record.body["value"].as_array().into_iter().flatten() {
                build.identity(document["id"].as_str().unwrap_or_default(), document)?;
            }
            Ok(())
        }
        ("GET" | "PUT" | "PATCH", 200) => build.identity(&record.path, &record.body).map(drop),
        ("DELETE", 200) => build.identity(&record.path, &Value::Null).map(drop),
        ("PUT", 201) | ("DELETE", 204) | (_, 400..500) => Ok(()),
        (method, status) => Err(format!("an identity that answers {status} to {method} is not understood")),
    }
}

fn parent(path: &str) -> &str {
    path.to_ascii_lowercase().find(&CREDENTIALS.trim_end_matches('/').to_ascii_lowercase()).map_or(path, |at| &path[..at])
}

fn credential(build: &Build<'_>, path: &str, document: &Value) -> Made<()> {
    build.put(path, "2023-01-31", &json!({ "properties": document["properties"] })).map(drop)
}

fn credentials(record: &Record, build: &Build<'_>) -> Made<()> {
    let code = record.codes.first().map_or("", String::as_str);
    if code == "ResourceGroupNotFound" || code.contains("ParentResourceNotFound") || code == "ResourceNotFound" {
        return Ok(());
    }
    build.identity(parent(&record.path), &Value::Null)?;
    let name = Place::of(&record.path).name("federatedIdentityCredentials").map(str::to_owned);
    match (record.method.as_str(), record.status) {
        ("GET", 200) if record.op.contains(".list.") => {
            for document in record.body["value"].as_array().into_iter().flatten() {
                let name = document["name"].as_str().unwrap_or_default();
                credential(build, &format!("{}{CREDENTIALS}{name}", parent(&record.path)), document)?;
            }
            Ok(())
        }
        ("GET", 200) => credential(build, &record.path, &record.body),
        // It existed with another subject, so that the request changes something.
        ("PUT", 200) => {
            let mut before = record.body.clone();
            before["properties"]["subject"] = json!(format!("{}-before", before["properties"]["subject"].as_str().unwrap_or_default()));
            credential(build, &record.path, &before)
        }
        ("DELETE", 200) => {
            let document =
                json!({"properties": {"issuer": "https://oidc.example", "subject": name, "audiences": ["api://AzureADTokenExchange"]}});
            credential(build, &record.path, &document)
        }
        ("PUT", 201) | ("DELETE", 204) | (_, 400..500) => Ok(()),
        (method, status) => Err(format!("a federated credential that answers {status} to {method} is not understood")),
    }
}
