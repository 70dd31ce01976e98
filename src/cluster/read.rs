//! Reads for one pass: each object and each list is requested once, even by two callers at the same time, and cached. It writes nothing:
//! its only PATCH carries dryRun=All.

use super::calls::{ApiRequest, ApiResponse, SharedConnection, missing, names};
use super::error::{Error, Result};
use super::list::{Managers, ObjectList, list_all};
use super::paths::object_path;
use super::status::{RequestInfo, Status};
use super::{Api, ObjectRef, Preview, Served, discovery};
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// A response for each key. Errors are cached, too, so that a pass has one view.
type ObjectCache<K, T> = Mutex<HashMap<K, Arc<OnceCell<Result<T>>>>>;

/// The key of a list: kind, namespace, label selector.
type ListKey = (Api, Option<String>, Option<String>);

#[derive(Default)]
pub(super) struct ReadCache {
    /// Objects as text, because parsed trees would take several times the memory.
    objects: ObjectCache<ObjectRef, Option<Bytes>>,
    lists: ObjectCache<ListKey, Vec<Value>>,
    kinds: ObjectCache<Api, bool>,
    /// Kinds of the server by group, version and kind.
    served: ObjectCache<(String, String, String), Served>,
    /// Previews by object, manifest and force.
    previews: ObjectCache<(ObjectRef, String, bool), CachedPreview>,
}

#[derive(Clone)]
enum CachedPreview {
    Would(Bytes),
    Conflicts(Vec<(String, String)>),
}

/// Copies a body out of the much longer buffer that it was read into.
fn copied(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

async fn once<K: Eq + Hash, T: Clone>(memory: &ObjectCache<K, T>, key: K, ask: impl Future<Output = Result<T>>) -> Result<T> {
    let cell = memory.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
    cell.get_or_init(|| ask).await.clone()
}

pub(super) async fn get(connection: &SharedConnection, pass: &ReadCache, at: &ObjectRef) -> Result<Option<Value>> {
    let found = once(&pass.objects, at.clone(), async {
        let asked = RequestInfo::of("get", at);
        let answer = connection.answer(&ApiRequest::get(object_path(at)?)).await?;
        if answer.ok() {
            return Ok(Some(copied(&answer.body)));
        }
        absent_or_error(connection, pass, asked, answer).await.map(|()| None)
    });
    found.await?.map(|text| connection.parse(&text)).transpose()
}

pub(super) fn know(pass: &ReadCache, api: &Api, object: &Value) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let Some(name) = text("/metadata/name") else { return };
    let at = ObjectRef { api: api.clone(), namespace: text("/metadata/namespace"), name };
    let known = Arc::new(OnceCell::new_with(Some(Ok(Some(Bytes::from(object.to_string()))))));
    pass.objects.lock().unwrap_or_else(PoisonError::into_inner).entry(at).or_insert(known);
}

pub(super) async fn served(connection: &SharedConnection, pass: &ReadCache, group: &str, version: &str, kind: &str) -> Result<Served> {
    let key = (group.to_owned(), version.to_owned(), kind.to_owned());
    once(&pass.served, key, discovery::served(connection, group, version, kind)).await
}

pub(super) async fn list(
    connection: &SharedConnection,
    pass: &ReadCache,
    api: &Api,
    namespace: Option<&str>,
    labels: Option<&str>,
) -> Result<Vec<Value>> {
    let key = (api.clone(), namespace.map(str::to_owned), labels.map(str::to_owned));
    once(&pass.lists, key, async {
        match list_all(connection, api, namespace, labels, None, Managers::Without).await? {
            Ok(ObjectList { items, .. }) => Ok(items),
            Err(answer) => {
                let asked = RequestInfo { verb: "list", api, namespace, name: None };
                absent_or_error(connection, pass, asked, answer).await.map(|()| Vec::new())
            }
        }
    })
    .await
}

/// Lists objects with the names of their managers, without the cache.
pub(super) async fn list_once(connection: &SharedConnection, pass: &ReadCache, api: &Api, namespace: Option<&str>) -> Result<Vec<Value>> {
    match list_all(connection, api, namespace, None, None, Managers::Names).await? {
        Ok(ObjectList { items, .. }) => Ok(items),
        Err(answer) => {
            let asked = RequestInfo { verb: "list", api, namespace, name: None };
            absent_or_error(connection, pass, asked, answer).await.map(|()| Vec::new())
        }
    }
}

/// Returns Ok if the object does not exist. For a 404 that is unclear, the kind's group is read once per pass.
async fn absent_or_error(connection: &SharedConnection, pass: &ReadCache, asked: RequestInfo<'_>, answer: ApiResponse) -> Result<()> {
    if answer.code == 404 {
        if names(&Status::read(404, &answer.body), asked) {
            return Ok(());
        }
        let known = once(&pass.kinds, asked.api.clone(), connection.knows(asked.api)).await?;
        return if known { Ok(()) } else { Err(missing(asked.api)) };
    }
    Err(connection.refusal(asked, &answer).await)
}

pub(super) async fn preview(
    connection: &SharedConnection,
    pass: &ReadCache,
    at: &ObjectRef,
    manifest: &Value,
    force: bool,
) -> Result<Preview> {
    Ok(match cached_preview(connection, pass, at, manifest, force).await? {
        CachedPreview::Would(text) => Preview::Object(connection.parse(&text)?),
        CachedPreview::Conflicts(fields) => Preview::Conflicts(fields),
    })
}

/// Requests a preview that will be wanted later.
pub(super) async fn preview_ahead(connection: &SharedConnection, pass: &ReadCache, at: &ObjectRef, manifest: &Value, force: bool) {
    let _ = cached_preview(connection, pass, at, manifest, force).await;
}

async fn cached_preview(
    connection: &SharedConnection,
    pass: &ReadCache,
    at: &ObjectRef,
    manifest: &Value,
    force: bool,
) -> Result<CachedPreview> {
    once(&pass.previews, (at.clone(), manifest.to_string(), force), async {
        match super::write::server_side_apply(connection, at, manifest, true, force).await {
            Ok(would) => Ok(CachedPreview::Would(copied(&would))),
            Err(Error::Conflicts(fields)) => Ok(CachedPreview::Conflicts(fields)),
            Err(e) => Err(e),
        }
    })
    .await
}
