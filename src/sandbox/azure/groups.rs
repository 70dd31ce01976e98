//! Resource groups. Deleting a group deletes its resources at once; the deletion is then polled as a long-running operation.

use super::{
    access,
    call::{Answer, Call},
    error::{self, gateway},
    filter, ids, operations, removal,
    state::{Group, Operation},
    subscriptions, times,
};
use crate::{http::Response, lateness::Lateness};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// A deletion that nobody polls ends after this time.
const LONGEST: i64 = 20 * times::SECOND;
/// The first version that returns the type of a group (`ResourceGroup` in the resource manager's swagger).
const TYPE_SINCE: &str = "2018-05-01";

pub fn id(call: &Call<'_>, name: &str) -> String {
    ids::group_id(&call.state.subscription, name)
}

pub fn find(call: &Call<'_>, name: &str) -> Result<Group, Response> {
    existing(call, name).cloned().ok_or_else(|| error::group_not_found(name))
}

/// A group that is being deleted exists until a poll or a read has counted its deletion down.
fn existing<'a>(call: &'a Call<'_>, name: &str) -> Option<&'a Group> {
    call.state.groups.get(&ids::fold(name)).filter(|group| exists(call, group))
}

fn exists(call: &Call<'_>, group: &Group) -> bool {
    let Some(ending) = &group.ending else { return true };
    let running = call.state.operations.get(ending);
    running.is_some_and(|o| o.polls > 0 && call.now - o.created < LONGEST)
}

/// Rejects writes to a group that is being deleted, and into it.
pub fn writable(call: &Call<'_>, group: &Group) -> Result<(), Response> {
    if group.ending.is_none() || !matches!(call.request.method.as_str(), "PUT" | "PATCH" | "POST" | "DELETE") {
        return Ok(());
    }
    Err(gateway(
        409,
        "ResourceGroupBeingDeleted",
        format!("The resource group '{}' is in deprovisioning state and cannot perform this operation.", group.name),
    ))
}

/// Reading a group that is being deleted counts like a poll.
fn seen(call: &mut Call<'_>, group: &Group) {
    if call.rules.lateness == Lateness::Quick
        && let Some(running) = group.ending.as_ref().and_then(|e| call.state.operations.get_mut(e))
    {
        running.polls = running.polls.saturating_sub(1);
        call.counted();
    }
}

pub fn document(subscription: &str, group: &Group) -> Value {
    let mut body = json!({"id": ids::group_id(subscription, &group.name), "name": group.name, "type": "Microsoft.Resources/resourceGroups", "location": group.location});
    if let Some(owner) = &group.managed_by {
        body["managedBy"] = json!(owner);
    }
    if let Some(tags) = &group.tags {
        body["tags"] = json!(tags);
    }
    body["properties"] = json!({"provisioningState": if group.ending.is_some() { "Deleting" } else { "Succeeded" }});
    body
}

/// Returns the document for the requested api-version.
fn show(call: &Call<'_>, group: &Group) -> Value {
    let mut body = document(&call.state.subscription, group);
    if call.api_version().as_str() < TYPE_SINCE
        && let Some(body) = body.as_object_mut()
    {
        body.shift_remove("type");
    }
    body
}

/// The tag that `$filter=tagName eq 'NAME'` or `tagName eq 'NAME' and tagValue eq 'VALUE'` selects.
struct TagFilter {
    name: Option<String>,
    value: Option<String>,
}

impl TagFilter {
    fn of(call: &Call<'_>) -> Result<Self, Response> {
        let filter = call.request.query("$filter").unwrap_or_default();
        let mut wanted = Self { name: None, value: None };
        for clause in filter::split_and(&filter) {
            let (head, rest) = clause.split_once('\'').unwrap_or((clause, ""));
            let value = rest.strip_suffix('\'').map(|value| value.replace("''", "'"));
            match (ids::fold(head).split_whitespace().collect::<Vec<_>>().as_slice(), value) {
                (["tagname", "eq"], Some(name)) => wanted.name = Some(name),
                (["tagvalue", "eq"], Some(value)) => wanted.value = Some(value),
                _ => return Err(filter::bad_filter(&filter)),
            }
        }
        Ok(wanted)
    }

    /// Tag names ignore case, tag values do not.
    fn fits(&self, group: &Group) -> bool {
        let fits = |(name, value): (&String, &String)| {
            self.name.as_ref().is_none_or(|n| n.eq_ignore_ascii_case(name)) && self.value.as_ref().is_none_or(|v| v == value)
        };
        let any = self.name.is_none() && self.value.is_none();
        any || group.tags.iter().flatten().any(fits)
    }
}

pub fn list(call: &Call<'_>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let most = call.request.query("$top").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0).unwrap_or(usize::MAX);
    let action = "Microsoft.Resources/subscriptions/resourceGroups/read";
    let all = access::may_list_all(call, action, &format!("/subscriptions/{}", call.state.subscription))?;
    let wanted = TagFilter::of(call)?;
    let seen = call.state.groups.values().filter(|g| exists(call, g) && (all || access::may(call, action, &id(call, &g.name))));
    Ok(error::list(seen.filter(|g| wanted.fits(g)).take(most).map(|g| show(call, g)).collect()))
}

pub fn one(call: &mut Call<'_>, name: &str) -> Answer {
    let scope = id(call, name);
    let action = |verb: &str| format!("Microsoft.Resources/subscriptions/resourceGroups/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &scope)?;
            let group = find(call, name)?;
            seen(call, &group);
            Ok(error::ok(&show(call, &group)))
        }
        "HEAD" => {
            access::require(call, &action("read"), &scope)?;
            Ok(match find(call, name) {
                Ok(group) => {
                    seen(call, &group);
                    Response::new(204)
                }
                Err(refusal) => Response { body: crate::http::Body::Full(Default::default()), ..refusal },
            })
        }
        "PUT" => {
            access::require(call, &action("write"), &scope)?;
            put(call, name)
        }
        "PATCH" => {
            access::require(call, &action("write"), &scope)?;
            let mut group = find(call, name)?;
            writable(call, &group)?;
            let body = error::object(call)?;
            if let Some(tags) = error::tags(&body) {
                group.tags = Some(tags);
            }
            group.managed_by = managed_by(&body).or(group.managed_by);
            let body = show(call, &group);
            call.state.groups.insert(ids::fold(name), group);
            call.changed();
            Ok(error::ok(&body))
        }
        "DELETE" => {
            access::require(call, &action("delete"), &scope)?;
            let group = find(call, name)?;
            writable(call, &group)?;
            Ok(delete(call, &group))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// Returns the id of the resource that manages the group, from the request.
fn managed_by(body: &Map<String, Value>) -> Option<String> {
    body.get("managedBy").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
}

fn put(call: &mut Call<'_>, name: &str) -> Answer {
    let body = error::object(call)?;
    let valid =
        !name.is_empty() && name.len() <= 90 && !name.ends_with('.') && name.chars().all(|c| c.is_alphanumeric() || "-_.()".contains(c));
    if !valid {
        return Err(gateway(
            400,
            "InvalidResourceGroup",
            format!(
                "The provided resource group name '{name}' has these invalid characters: it may hold letters, digits, hyphens, underscores, parentheses and periods, and does not end in a period."
            ),
        ));
    }
    let asked = body.get("location").and_then(Value::as_str).ok_or_else(error::location_required)?;
    let location = subscriptions::location(asked);
    if !subscriptions::offers(&location) {
        let all: Vec<&str> = subscriptions::LOCATIONS.iter().map(|(name, _)| *name).collect();
        return Err(gateway(
            400,
            "LocationNotAvailableForResourceGroup",
            format!(
                "The provided location '{asked}' is not available for resource group. List of available regions is '{}'.",
                all.join(",")
            ),
        ));
    }
    let existing = existing(call, name).cloned();
    if let Some(group) = &existing {
        writable(call, group)?;
    }
    if let Some(group) = existing.as_ref().filter(|g| g.location != location) {
        return Err(gateway(
            409,
            "InvalidResourceGroupLocation",
            format!("Invalid resource group location '{location}'. The Resource group already exists in location '{}'.", group.location),
        ));
    }
    let group = Group {
        name: existing.as_ref().map_or_else(|| name.to_owned(), |g| g.name.clone()),
        location,
        // a group that never had tags shows none
        tags: error::tags(&body).or_else(|| existing.as_ref().and_then(|g| g.tags.as_ref()).map(|_| Default::default())),
        managed_by: managed_by(&body).or_else(|| existing.as_ref().and_then(|g| g.managed_by.clone())),
        ending: None,
    };
    let body = show(call, &group);
    call.state.groups.insert(ids::fold(name), group);
    call.changed();
    Ok(if existing.is_some() { error::ok(&body) } else { error::created(&body) })
}

fn delete(call: &mut Call<'_>, group: &Group) -> Response {
    removal::group(call, &group.name);
    let job = json!({"jobId": format!("RESOURCEGROUPDELETIONJOB-{}-{}", group.name.to_ascii_uppercase(), group.location.to_ascii_uppercase()),
        "jobLocation": group.location, "run": call.state.next_generation(&id(call, &group.name))});
    let operation = URL_SAFE_NO_PAD.encode(job.to_string());
    let polls = u32::from(call.rules.lateness != Lateness::None);
    call.state.operations.insert(operation.clone(), Operation { created: call.now, polls, status: None });
    if polls > 0 {
        let ending = Group { ending: Some(operation.clone()), ..group.clone() };
        call.state.groups.insert(ids::fold(&group.name), ending);
    }
    call.changed();
    Response::new(202)
        .with("location", operations::poll_url(call, &format!("operationresults/{operation}")))
        .with("retry-after", operations::pause(call, "15"))
}

/// Every unfinished poll returns a new URL.
pub fn poll(call: &mut Call<'_>, operation: &str) -> Answer {
    let Some(running) = call.state.operations.get_mut(operation) else { return Ok(Response::new(204)) };
    if running.polls == 0 {
        return Ok(Response::new(200));
    }
    running.polls -= 1;
    call.counted();
    Ok(Response::new(202)
        .with("location", operations::poll_url(call, &format!("operationresults/{operation}")))
        .with("retry-after", operations::pause(call, "15")))
}
