//! Changes the cluster: server-side apply, create, delete with a wait. It caches nothing.

use super::calls::{ApiRequest, ServerConnection, after};
use super::error::{Error, Result};
use super::limits::ResponseKind;
use super::list::{Managers, ObjectList, list_all};
use super::paths::{list_path, object_path, query};
use super::status::RequestInfo;
use super::watch::passes;
use super::{Api, FIELD_MANAGER, ObjectRef};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// A namespace is deleted only after its content, which has its own grace periods.
const NAMESPACE_GRACE: Duration = Duration::from_secs(60);
/// The pauses between two polls of a deletion.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(1);

pub(super) async fn patch(connection: &ServerConnection, at: &ObjectRef, manifest: &Value, dry_run: bool, force: bool) -> Result<Value> {
    connection.parse(&server_side_apply(connection, at, manifest, dry_run, force).await?)
}

/// Applies a manifest and returns the object as the server stored it.
pub(super) async fn server_side_apply(
    connection: &ServerConnection,
    at: &ObjectRef,
    manifest: &Value,
    dry_run: bool,
    force: bool,
) -> Result<Bytes> {
    let parts = [
        ("fieldManager", Some(FIELD_MANAGER)),
        ("fieldValidation", Some("Strict")),
        ("force", force.then_some("true")),
        ("dryRun", dry_run.then_some("All")),
    ];
    let call = ApiRequest {
        method: Method::PATCH,
        path: format!("{}{}", object_path(at)?, query(&parts)),
        content_type: "application/apply-patch+yaml", // JSON is YAML
        body: manifest.to_string().into_bytes(),
        kind: ResponseKind::Object,
    };
    connection.text(&call, RequestInfo::of("patch", at)).await
}

/// Sends a JSON patch (RFC 6902).
pub(super) async fn json_patch(connection: &ServerConnection, at: &ObjectRef, steps: &Value, dry_run: bool) -> Result<Value> {
    let parts = [("fieldManager", Some(FIELD_MANAGER)), ("dryRun", dry_run.then_some("All"))];
    let call = ApiRequest {
        method: Method::PATCH,
        path: format!("{}{}", object_path(at)?, query(&parts)),
        content_type: "application/json-patch+json",
        body: steps.to_string().into_bytes(),
        kind: ResponseKind::Object,
    };
    connection.json(&call, RequestInfo::of("patch", at)).await
}

pub(super) async fn create(connection: &ServerConnection, at: &ObjectRef, manifest: &Value, dry_run: bool) -> Result<Value> {
    let parts = [("fieldManager", Some(FIELD_MANAGER)), ("fieldValidation", Some("Strict")), ("dryRun", dry_run.then_some("All"))];
    let path = format!("{}{}", list_path(&at.api, at.namespace.as_deref())?, query(&parts));
    connection.json(&ApiRequest::json(Method::POST, path, manifest), RequestInfo::of("create", at)).await
}

pub(super) async fn get(connection: &ServerConnection, at: &ObjectRef) -> Result<Option<Value>> {
    get_by(connection, at, after(connection.timeout)).await
}

/// Deletes an object as `delete` does, until `end` at the latest.
async fn get_by(connection: &ServerConnection, at: &ObjectRef, end: Instant) -> Result<Option<Value>> {
    let answer = connection.answer_by(&ApiRequest::get(object_path(at)?), end).await?;
    if answer.ok() {
        return connection.parse(&answer.body).map(Some);
    }
    match connection.refusal(RequestInfo::of("get", at), &answer).await {
        Error::NotFound { .. } => Ok(None),
        e => Err(e),
    }
}

pub(super) async fn list(
    connection: &ServerConnection,
    api: &Api,
    namespace: Option<&str>,
    labels: Option<&str>,
    fields: Option<&str>,
) -> Result<Vec<Value>> {
    match list_all(connection, api, namespace, labels, fields, Managers::Without).await? {
        Ok(ObjectList { items, .. }) => Ok(items),
        Err(answer) => Err(connection.refusal(RequestInfo { verb: "list", api, namespace, name: None }, &answer).await),
    }
}

pub(super) async fn delete(
    connection: &ServerConnection,
    at: &ObjectRef,
    uid: Option<&str>,
    grace: Option<u32>,
    dry_run: bool,
) -> Result<()> {
    let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
    if let Some(uid) = uid {
        options["preconditions"] = json!({ "uid": uid });
    }
    if let Some(grace) = grace {
        options["gracePeriodSeconds"] = grace.into();
    }
    let mut path = object_path(at)?;
    if dry_run {
        options["dryRun"] = json!(["All"]);
        // the body decides; the query is for readers of the server's log
        path += &query(&[("dryRun", Some("All"))]);
    }
    let call = ApiRequest::json(Method::DELETE, path, &options);
    match connection.json(&call, RequestInfo::of("delete", at)).await {
        // deleted at once; for an object that stays for a while (finalizers, grace) the server returns the object
        Ok(answer) if dry_run || answer["kind"] == "Status" && answer["status"] == "Success" => return Ok(()),
        Ok(_) => {}
        // an unknown kind has no objects
        Err(Error::NotFound { .. } | Error::KindMissing { .. }) => return Ok(()),
        Err(Error::Changed { reason, message }) => {
            // the uid did not match: the object no longer exists, and another one has its name
            return match (uid, get(connection, at).await?) {
                (Some(uid), Some(now)) if now["metadata"]["uid"] == uid => Err(Error::Changed { reason, message }),
                (Some(_), _) | (None, None) => Ok(()),
                (None, Some(_)) => Err(Error::Changed { reason, message }),
            };
        }
        Err(e) => return Err(e),
    }
    // a pod without grace is returned although it is deleted; so read it again
    let Some(now) = get(connection, at).await? else { return Ok(()) };
    let Some(meant) = uid.or(now["metadata"]["uid"].as_str()).map(str::to_owned) else { return Ok(()) };
    if now["metadata"]["uid"] != meant.as_str() || uid.is_none() && now["metadata"]["deletionTimestamp"].is_null() {
        return Ok(()); // another object has this name already
    }
    wait_until_deleted(connection, at, &meant, now).await
}

/// Polls until an object no longer exists: a watch would be faster, but needs two more permissions on every kind.
async fn wait_until_deleted(connection: &ServerConnection, at: &ObjectRef, meant: &str, mut last: Value) -> Result<()> {
    let grace = Duration::from_secs(last["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or_default());
    // the server sets the grace period, which may be of any length
    let limit = connection.timeout.saturating_add(if at.api.kind == "Namespace" { NAMESPACE_GRACE } else { grace }).min(connection.whole);
    let end = after(limit);
    let mut pause = FIRST_LOOK;
    let mut trouble = None;
    while Instant::now() + pause < end {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_LOOK);
        match get_by(connection, at, end).await {
            Ok(Some(now)) if now["metadata"]["uid"] == meant => (last, trouble) = (now, None),
            Ok(_) => return Ok(()),
            Err(e) if passes(&e) => trouble = Some(e),
            Err(Error::KindMissing { .. }) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    if let Some(e) = trouble {
        return Err(e);
    }
    let by = deletion_blockers(&last);
    if by.is_empty() {
        return Err(Error::TimedOut(limit));
    }
    Err(Error::Held { what: RequestInfo::of("delete", at).what(), by, after: limit })
}

/// Returns finalizers, and for a namespace the messages about its remaining content.
fn deletion_blockers(object: &Value) -> Vec<String> {
    let texts = |list: &Value| list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect::<Vec<_>>();
    let mut by = texts(&object["metadata"]["finalizers"]);
    if object["kind"] == "Namespace" {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        by.extend(conditions.filter(|c| c["status"] == "True").filter_map(|c| c["message"].as_str().map(str::to_owned)));
        if by.is_empty() {
            by = texts(&object["spec"]["finalizers"]);
        }
    }
    by
}
