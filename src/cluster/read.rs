//! Reading for one pass: each object and each list is asked for once, even by two at the same time, and remembered. Writes nothing:
//! its only PATCH carries dryRun=All.

use super::calls::{Answer, Call, Shared, missing, names};
use super::error::{Error, Result};
use super::list::{Listed, list_all};
use super::paths::object_path;
use super::status::{Asked, Status};
use super::{Api, At, Preview};
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Key to answer; errors are remembered too, so that a pass has one view of the world.
type ObjectCache<K, T> = Mutex<HashMap<K, Arc<OnceCell<Result<T>>>>>;

/// Kind, namespace, label selector.
type ListKey = (Api, Option<String>, Option<String>);

#[derive(Default)]
pub(super) struct Pass {
    /// As texts: of many objects the trees would take several times the room.
    objects: ObjectCache<At, Option<Bytes>>,
    lists: ObjectCache<ListKey, Vec<Value>>,
    kinds: ObjectCache<Api, bool>,
    /// By place, manifest and force.
    previews: ObjectCache<(At, String, bool), Foreseen>,
}

#[derive(Clone)]
enum Foreseen {
    Would(Bytes),
    Conflicts(Vec<(String, String)>),
}

/// Not a part of the buffer that it was read into, which is many times as long.
fn copied(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

async fn once<K: Eq + Hash, T: Clone>(memory: &ObjectCache<K, T>, key: K, ask: impl Future<Output = Result<T>>) -> Result<T> {
    let cell = memory.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
    cell.get_or_init(|| ask).await.clone()
}

pub(super) async fn get(link: &Shared, pass: &Pass, at: &At) -> Result<Option<Value>> {
    let found = once(&pass.objects, at.clone(), async {
        let asked = Asked::of("get", at);
        let answer = link.answer(&Call::get(object_path(at)?)).await?;
        if answer.ok() {
            return Ok(Some(copied(&answer.body)));
        }
        absent_or(link, pass, asked, answer).await.map(|()| None)
    });
    found.await?.map(|text| link.parse(&text)).transpose()
}

pub(super) async fn list(link: &Shared, pass: &Pass, api: &Api, namespace: Option<&str>, labels: Option<&str>) -> Result<Vec<Value>> {
    let key = (api.clone(), namespace.map(str::to_owned), labels.map(str::to_owned));
    once(&pass.lists, key, async {
        match list_all(link, api, namespace, labels, None).await? {
            Ok(Listed { items, .. }) => Ok(items),
            Err(answer) => {
                let asked = Asked { verb: "list", api, namespace, name: None };
                absent_or(link, pass, asked, answer).await.map(|()| Vec::new())
            }
        }
    })
    .await
}

/// Ok: the object is not there. A 404 that does not say so is settled by one look at the kind's group per pass.
async fn absent_or(link: &Shared, pass: &Pass, asked: Asked<'_>, answer: Answer) -> Result<()> {
    if answer.code == 404 {
        if names(&Status::read(404, &answer.body), asked) {
            return Ok(());
        }
        let known = once(&pass.kinds, asked.api.clone(), link.knows(asked.api)).await?;
        return if known { Ok(()) } else { Err(missing(asked.api)) };
    }
    Err(link.refusal(asked, &answer).await)
}

pub(super) async fn preview(link: &Shared, pass: &Pass, at: &At, manifest: &Value, force: bool) -> Result<Preview> {
    Ok(match foresee(link, pass, at, manifest, force).await? {
        Foreseen::Would(text) => Preview::Would(link.parse(&text)?),
        Foreseen::Conflicts(fields) => Preview::Conflicts(fields),
    })
}

/// Asks for a preview that somebody will want to see.
pub(super) async fn preview_ahead(link: &Shared, pass: &Pass, at: &At, manifest: &Value, force: bool) {
    let _ = foresee(link, pass, at, manifest, force).await;
}

async fn foresee(link: &Shared, pass: &Pass, at: &At, manifest: &Value, force: bool) -> Result<Foreseen> {
    once(&pass.previews, (at.clone(), manifest.to_string(), force), async {
        match super::write::patched(link, at, manifest, true, force).await {
            Ok(would) => Ok(Foreseen::Would(copied(&would))),
            Err(Error::Conflicts(fields)) => Ok(Foreseen::Conflicts(fields)),
            Err(e) => Err(e),
        }
    })
    .await
}
