//! Lists of a cluster's objects, as far as a login may list them, and how fields of an object are read.

use crate::cluster::{self, Api, Write};
use serde_json::Value;

/// Lists objects of all namespaces; a login that may not do that sees those of these namespaces.
pub async fn everywhere_or(cluster: &Write, api: &Api, namespaces: &[String]) -> Result<Vec<Value>, cluster::Error> {
    match cluster.list(api, None, None, None).await {
        Err(cluster::Error::Forbidden { .. }) => within(cluster, api, namespaces).await,
        Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => Ok(Vec::new()),
        other => other,
    }
}

pub async fn within(cluster: &Write, api: &Api, namespaces: &[String]) -> Result<Vec<Value>, cluster::Error> {
    let mut all = Vec::new();
    for namespace in namespaces {
        all.extend(cluster.list(api, Some(namespace), None, None).await?);
    }
    Ok(all)
}

pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
