//! Serves one request: authorizes it, finds its kind, checks its options, runs the verb and renders the answer.

use super::authorization::{self, Authorized, check_allowed};
use super::call::{Call, Reply};
use super::cluster::Kube;
use super::rbac::Attributes;
use super::resource::Resource;
use super::router::{self, Route, Target};
use super::schema::Type;
use super::select::Selector;
use super::status::{About, Outcome, Refusal};
use super::store::{Store, key};
use super::user::User;
use super::view::{item, shape, view};
use super::{apply, containers, delete, discovery, lookup, openapi, options, prepare, reviews, scale, watch, write};
use crate::http::{Body, Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

pub fn answer(kube: &Arc<Kube>, request: &Request) -> Response {
    encoded(request, handle(kube, &authorization::normalize(request)))
}

/// Returns the refusal of a request that its sender may not make, by its head alone.
pub fn refused(kube: &Arc<Kube>, head: &Request) -> Option<Response> {
    let refusal = authorization::authorize(kube, &authorization::normalize(head)).err()?;
    Some(encoded(head, Err(refusal)))
}

fn encoded(request: &Request, outcome: Outcome<Response>) -> Response {
    let mut response = outcome.unwrap_or_else(|refusal| refusal.response());
    // The server's encoder ends its output with a line feed.
    let encoded = response.headers.iter().any(|(name, kind)| name == "content-type" && kind.starts_with("application/json"));
    if let Body::Full(bytes) = &response.body
        && encoded
        && request.path.trim_start_matches('/').starts_with("api")
    {
        response.body = Body::Full([bytes.as_ref(), b"\n"].concat().into());
    }
    if request.method == "HEAD" {
        response.body = Body::Full(bytes::Bytes::new());
    }
    response
}

fn handle(kube: &Arc<Kube>, request: &Request) -> Outcome<Response> {
    let Authorized { user, route, attributes } = authorization::authorize(kube, request)?;
    #[cfg(test)]
    kube.with(|store| {
        if request.header("x-podid-test-panic").is_some() {
            store.remove("namespaces//default");
            crate::attempt::panic_if_asked(request);
        }
    });
    match route {
        Route::Path => path(kube, request),
        Route::Object(target) => object(kube, &user, &target, &attributes, request),
    }
}

fn path(kube: &Arc<Kube>, request: &Request) -> Outcome<Response> {
    let catalog = kube.lock().catalog.clone();
    let all = router::segments(&request.path);
    let parts: Vec<&str> = all.iter().map(String::as_str).collect();
    let plain = |text: &str| {
        let mut response = Response::new(200).with("content-type", "text/plain; charset=utf-8");
        response.body = Body::Full(text.to_owned().into());
        response
    };
    if let Some(document) = super::tokens::discovery_document(&kube.facts, &parts, request) {
        return document;
    }
    match parts.as_slice() {
        ["version"] => {
            let mut response = Response::new(200).with("content-type", "application/json");
            // This is the only answer that is indented.
            response.body = Body::Full(serde_json::to_string_pretty(&discovery::version()).unwrap_or_default().into());
            Ok(response)
        }
        ["healthz" | "livez" | "readyz", ..] => Ok(plain("ok")),
        ["openapi", rest @ ..] => openapi::answer(&catalog, rest, request).ok_or_else(Refusal::page_not_found),
        ["api" | "apis", ..] | [] => discovery::answer(&catalog, &parts, request, &kube.facts).ok_or_else(Refusal::page_not_found),
        _ => Err(Refusal::page_not_found()),
    }
}

fn object(kube: &Arc<Kube>, user: &User, target: &Target, attributes: &Attributes, request: &Request) -> Outcome<Response> {
    let catalog = kube.lock().catalog.clone();
    let (verb, watching) = (attributes.verb.as_str(), attributes.verb == "watch");
    let fields = request.query("fieldSelector");
    let Some(resource) = catalog.find(&target.group, &target.version, &target.plural) else {
        // For its own groups the server answers with a Status; the groups of CRDs are not even routed.
        let own = catalog.resources.iter().any(|r| r.custom.is_none() && r.group == target.group);
        let unknown = Refusal { details: json!({}), ..Refusal::new(404, "NotFound", "the server could not find the requested resource") };
        return Err(if own { unknown } else { Refusal::page_not_found() });
    };
    let placed = target.namespace.is_some();
    if resource.namespaced != placed && (!resource.namespaced || !matches!(verb, "list" | "watch")) {
        if resource.custom.is_some() {
            return Err(Refusal::page_not_found());
        }
        let single = target.name.is_empty() && resource.namespaced && verb == "create";
        return Err(if single {
            Refusal::method_not_allowed()
        } else {
            Refusal { details: json!({}), ..Refusal::new(404, "NotFound", "the server could not find the requested resource") }
        });
    }
    let verbs = if target.sub.is_empty() {
        resource.verbs
    } else {
        match resource.subresources.iter().find(|s| s.name == target.sub) {
            Some(sub) => sub.verbs,
            None if resource.custom.is_some() => return Err(Refusal::not_found(resource.about(), &target.name)),
            None => {
                return Err(Refusal {
                    details: json!({}),
                    ..Refusal::new(404, "NotFound", "the server could not find the requested resource")
                });
            }
        }
    };
    // The server distinguishes the paths of custom kinds less closely.
    let custom = resource.custom.is_some();
    let named_create = verb == "create" && !target.name.is_empty() && target.sub.is_empty() && !custom;
    let unnamed_change = matches!(verb, "update" | "patch") && target.name.is_empty();
    if unnamed_change && custom {
        return Err(Refusal::bad_request("name must be provided"));
    }
    if !verbs.contains(&verb) || named_create || unnamed_change {
        return Err(Refusal::method_not_allowed());
    }
    let named = match verb {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        "patch" => "PatchOptions",
        _ => "",
    };
    let mut call = Call::new(resource.clone(), target.namespace.clone(), &target.name, &target.sub, request, named)?;
    call.user = Some(user.clone());
    let selector =
        Selector::new(&resource.qualified(), resource.custom.is_some(), request.query("labelSelector").as_deref(), fields.as_deref())?;
    options::check_accept(request)?;
    if matches!(verb, "create" | "update") {
        options::check_body_type(request)?;
    }
    if matches!(verb, "list" | "watch" | "deletecollection") {
        options::list(request, watching)?;
    }
    if watching {
        return watch::open(kube, &call, selector, request);
    }
    let mut warnings = Vec::new();
    let outcome = run_verb(kube, user, attributes, &call, &selector, request, &mut warnings);
    warnings.extend(resource.warning.clone());
    let mut response = outcome.map_or_else(|refusal| refusal.response(), |reply| render(&resource, reply, request));
    for warning in warnings {
        response = response.with("warning", format!("299 - {}", json!(warning)));
    }
    Ok(response)
}

/// Runs the verb of an authorized request.
fn run_verb(
    kube: &Arc<Kube>,
    user: &User,
    attributes: &Attributes,
    call: &Call,
    selector: &Selector,
    request: &Request,
    warnings: &mut Vec<String>,
) -> Outcome<Reply> {
    let resource = &call.resource;
    match attributes.verb.as_str() {
        "list" => list(&kube.lock(), call, selector, request),
        "get" if call.sub == "scale" => scale::get(&kube.lock(), call),
        "get" | "create" if containers::is_container_call(call) => containers::answer(kube, call, request),
        "get" => lookup::existing(&kube.lock(), call).map(Reply::ok),
        "create" if resource.verbs == ["create"] => review(kube, user, call, request, warnings),
        "create" if !call.sub.is_empty() => subresource(kube, call, request),
        "create" => kube.with(|store| write::create(store, &kube.facts, call, &request.body, warnings)),
        "update" if call.sub == "scale" => kube.with(|store| scale::put(store, call, None, &request.body, warnings)),
        "update" => kube.with(|store| write::replace(store, call, &request.body, warnings)),
        "patch" => patch(kube, user, attributes, call, request, warnings),
        "deletecollection" => {
            let options = delete::DeleteOptions::read(request)?;
            Ok(kube.with(|store| delete::delete_collection(store, call, selector, &options)))
        }
        _ => {
            let options = delete::DeleteOptions::read(request)?;
            kube.with(|store| delete::delete(store, call, &options))
        }
    }
}

fn list(store: &Store, call: &Call, selector: &Selector, request: &Request) -> Outcome<Reply> {
    let resource = call.resource.as_ref();
    let current = store.state.version;
    if let Some(wanted) = request.query("resourceVersion").and_then(|v| v.parse::<u64>().ok()).filter(|v| *v > current) {
        let mut refusal = Refusal::new(504, "Timeout", format!("Too large resource version: {wanted}, current: {current}"));
        refusal.details =
            json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
        return Err(refusal);
    }
    let after = match request.query("continue").filter(|c| !c.is_empty()) {
        Some(token) => Some(
            continue_key(&token)
                .map_err(|why| Refusal::bad_request(format!("invalid continue token: continue key is not valid: {why}")))?,
        ),
        None => None,
    };
    let limit = request.query("limit").and_then(|l| l.parse::<usize>().ok()).filter(|l| *l > 0).unwrap_or(usize::MAX);
    let all: Vec<(&String, &Value)> = store
        .list(resource, call.namespace.as_deref())
        .into_iter()
        .filter(|(at, object)| after.as_ref().is_none_or(|after| *at > after) && selector.matches(object))
        .collect();
    let mut metadata = json!({"resourceVersion": current.to_string()});
    if all.len() > limit
        && let Some((last, _)) = all.get(limit - 1)
    {
        let token = json!({"v": "meta.k8s.io/v1", "rv": current, "start": last});
        metadata["continue"] = json!(URL_SAFE_NO_PAD.encode(token.to_string()));
        metadata["remainingItemCount"] = json!(all.len() - limit);
    } else if resource.custom.is_some() {
        metadata["continue"] = json!("");
    }
    let items: Vec<Value> =
        all.into_iter().take(limit).map(|(_, object)| item(resource, prepare::requested_version(resource, object))).collect();
    Ok(Reply::ok(json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items})))
}

/// Returns the key after which a list continues, or Go's message for an invalid token.
fn continue_key(token: &str) -> Result<String, String> {
    use base64::DecodeError::{InvalidByte, InvalidLastSymbol};
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|why| {
        let at = if let InvalidByte(at, _) | InvalidLastSymbol(at, _) = why { at } else { token.len() };
        format!("illegal base64 data at input byte {at}")
    })?;
    let first = char::from(bytes.first().copied().unwrap_or_default());
    let token: Value = serde_json::from_slice(&bytes).map_err(|_| format!("invalid character '{first}' looking for beginning of value"))?;
    token["start"].as_str().map(str::to_owned).ok_or_else(|| "invalid continue key".to_owned())
}

fn patch(
    kube: &Arc<Kube>,
    user: &User,
    attributes: &Attributes,
    call: &Call,
    request: &Request,
    warnings: &mut Vec<String>,
) -> Outcome<Reply> {
    let kind = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    if kind.starts_with("application/apply-patch+") {
        let store = kube.lock();
        let exists = store.get(&key(&call.resource, call.namespace.as_deref(), &call.name)).is_some();
        if !exists {
            check_allowed(&store, user, &Attributes { verb: "create".into(), ..attributes.clone() })?;
        }
        drop(store);
        return kube.with(|store| match call.sub.as_str() {
            "scale" => scale::apply(store, call, &request.body, warnings),
            _ => apply::apply(store, &kube.facts, call, &request.body, warnings),
        });
    }
    let mut known = vec!["application/json-patch+json", "application/merge-patch+json"];
    if call.resource.custom.is_none() {
        known.push("application/strategic-merge-patch+json");
    }
    if !known.contains(&kind.as_str()) {
        if call.resource.custom.is_none() {
            return Err(Refusal { details: json!({}), ..Refusal::new(415, "UnsupportedMediaType", "415: Unsupported Media Type") });
        }
        known.push("application/apply-patch+yaml");
        let why = format!("the body of the request was in an unknown format - accepted media types include: {}", known.join(", "));
        return Err(Refusal::new(415, "UnsupportedMediaType", why));
    }
    if call.sub == "scale" {
        return kube.with(|store| scale::put(store, call, Some(&kind), &request.body, warnings));
    }
    kube.with(|store| write::patch(store, call, &kind, &request.body, warnings))
}

fn review(kube: &Arc<Kube>, user: &User, call: &Call, request: &Request, warnings: &mut Vec<String>) -> Outcome<Reply> {
    let mut review = prepare::read(call, &request.body, warnings)?;
    prepare::set_type(&call.resource, &mut review);
    write::set_managed_fields(call, &call.resource.ty, &mut review);
    let causes = reviews::causes(&review);
    if !causes.is_empty() {
        return Err(Refusal::invalid("authorization.k8s.io", "", "", &causes).without_name());
    }
    let body = reviews::answer(&kube.lock(), &kube.facts, user, &call.resource.kind, review);
    Ok(Reply { code: 201, body })
}

fn subresource(kube: &Arc<Kube>, call: &Call, request: &Request) -> Outcome<Reply> {
    let body = super::call::parse(&request.body).map_err(Refusal::bad_request)?;
    let namespace = call.namespace.clone().unwrap_or_default();
    let done = || json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    match call.sub.as_str() {
        "token" => {
            let ty = Type::named("TokenRequest");
            if let Some(why) = super::decode::built_in(&ty, &mut body.clone()).error {
                let why = format!("TokenRequest in version \"v1\" cannot be handled as a TokenRequest: {why}");
                return Err(Refusal::bad_request(why));
            }
            let mut asked = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": body["spec"]});
            if asked["spec"]["expirationSeconds"].is_null() {
                asked["spec"]["expirationSeconds"] = json!(3600);
            }
            let mut body = kube.with(|store| super::tokens::issue(store, &kube.facts, &namespace, &call.name, &body))?;
            write::set_managed_fields(call, &ty, &mut asked);
            body["metadata"]["managedFields"] = asked["metadata"]["managedFields"].clone();
            Ok(Reply { code: 201, body })
        }
        "binding" => {
            if body["metadata"]["name"] != call.name.as_str() {
                return Err(Refusal::bad_request("name in URL does not match name in Binding object"));
            }
            let existing = lookup::existing(&kube.lock(), call)?;
            if let Some(node) = existing["spec"]["nodeName"].as_str() {
                let why = format!("pod {} is already assigned to node {node:?}", call.name);
                return Err(Refusal::conflict(About { group: "", plural: "pods/binding" }, &call.name, &why));
            }
            let node = body["target"]["name"].as_str().unwrap_or_default().to_owned();
            if !call.dry_run {
                kube.with(|store| super::controllers::bind(store, &key(&call.resource, Some(&namespace), &call.name), &node));
            }
            Ok(Reply { code: 201, body: done() })
        }
        _ => {
            let mut asked = request.clone();
            asked.body = body["deleteOptions"].to_string().into();
            let options = delete::DeleteOptions::read(&asked)?;
            let pod = Call { sub: String::new(), ..call.clone() };
            kube.with(|store| delete::delete(store, &pod, &options))?;
            Ok(Reply { code: 201, body: done() })
        }
    }
}

fn render(resource: &Resource, reply: Reply, request: &Request) -> Response {
    // a log is text, and empty if there is none yet
    if let Value::Null | Value::String(_) = &reply.body {
        let text = reply.body.as_str().unwrap_or_default().to_owned();
        return Response { body: Body::Full(text.into()), ..Response::new(200) }.with("content-type", "text/plain");
    }
    let body = shape(resource, reply.body, view(request), &request.query("includeObject").unwrap_or_default());
    Response::json(reply.code, "application/json", &body)
}
