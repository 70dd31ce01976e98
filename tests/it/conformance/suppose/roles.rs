//! Role assignments and role definitions, at any scope.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};
use serde_json::{Value, json};

/// A name that no record has.
const OTHER: &str = "5d5f1d0e-0000-4000-8000-00000000c0de";

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let place = Place::of(&record.path);
    let missing = record.has("ResourceGroupNotFound") || record.has("ResourceNotFound") || record.has("ParentResourceNotFound");
    if missing {
        build.group_for(record)?
    } else {
        build.scope(&place.scope)?
    }
    if missing {
        return Ok(Ask::of(record, build));
    }
    let list = record.op.contains(".list.");
    match (record.op.starts_with("roleAssignment"), list) {
        (true, true) => assignments(record, build)?,
        (true, false) => assignment(record, build, &place.scope)?,
        (false, true) => definitions(record, build)?,
        (false, false) => definition(record, build)?,
    }
    let mut ask = Ask::of(record, build);
    if list {
        ask.query = filter(record, build);
    }
    Ok(ask)
}

/// Returns the query with the sandbox's principals and roles in its filter.
fn filter(record: &Record, build: &Build<'_>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(record.query.as_bytes()) {
        let words: Vec<Value> = value.split('\'').map(|word| build.mapped(&json!(word))).collect();
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        query.append_pair(&name, &words.join("'"));
    }
    query.finish()
}

fn assignments(record: &Record, build: &mut Build<'_>) -> Made<()> {
    for document in record.body["value"].as_array().into_iter().flatten() {
        // Inherited assignments are made above the subscription: in the one management group, or at the root.
        let mut document = document.clone();
        let id = document["id"].as_str().unwrap_or_default().to_owned();
        if !id.to_ascii_lowercase().starts_with("/subscriptions/") {
            build.elevate()?;
            let name = id.rsplit('/').next().unwrap_or_default();
            let above = if id.contains("/managementGroups/") {
                format!("/providers/Microsoft.Management/managementGroups/{}", build.world.tenant)
            } else {
                String::new()
            };
            document["id"] = json!(format!("{above}/providers/Microsoft.Authorization/roleAssignments/{name}"));
            if above.is_empty() && document["properties"]["createdBy"].is_null() {
                continue;
            }
        }
        let name = document["name"].as_str().unwrap_or_default().to_owned();
        match build.assignment(&document, Some(&name)) {
            // Two assignments that differ only in what a recorder overwrote belonged to two principals.
            Err(why) if why.contains("RoleAssignmentExists") => {
                document["properties"]["principalId"] = json!(format!("other-{name}"));
                build.assignment(&document, Some(&name))?;
            }
            other => drop(other?),
        }
    }
    // The filter names a principal without assignments, or a member of a group that has them.
    for (name, value) in url::form_urlencoded::parse(record.query.as_bytes()) {
        let who = value.split('\'').nth(1).unwrap_or_default().to_owned();
        if name.eq_ignore_ascii_case("$filter") && !who.is_empty() && record.status == 200 {
            let documents = record.body["value"].as_array().cloned().unwrap_or_default();
            let kind =
                documents.iter().find(|d| d["properties"]["principalId"] == json!(who)).map(|d| d["properties"]["principalType"].clone());
            let person = build.principal(&who, kind.as_ref().and_then(Value::as_str).unwrap_or("ServicePrincipal"))?;
            let groups = documents.iter().map(|d| &d["properties"]).filter(|p| p["principalType"] == json!("Group"));
            let names: std::collections::BTreeSet<&str> =
                groups.filter_map(|p| p["principalId"].as_str()).filter(|id| *id != who).collect();
            for group in names {
                build.member(group, &person)?;
            }
        }
    }
    Ok(())
}

/// Returns the assignment that a request asks for, as a document.
fn wanted(record: &Record, scope: &str) -> Value {
    let asked = record.asked();
    let properties = if asked["properties"].is_object() { asked["properties"].clone() } else { asked };
    let name = record.path.rsplit('/').next().unwrap_or_default();
    json!({ "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"), "properties": properties })
}

fn assignment(record: &Record, build: &mut Build<'_>, scope: &str) -> Made<()> {
    let mut wish = wanted(record, scope);
    let code = record.codes.first().map_or("", String::as_str);
    let message = record.body["error"]["message"].as_str().unwrap_or_default();
    let who = wish["properties"]["principalId"].as_str().unwrap_or_default().to_owned();
    let role = wish["properties"]["roleDefinitionId"].as_str().unwrap_or_default().to_owned();
    let kind = match &record.body["properties"]["principalType"] {
        Value::String(kind) => kind.clone(),
        _ => message.split("has type '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or("ServicePrincipal").to_owned(),
    };
    match (record.method.as_str(), record.status, code) {
        ("GET" | "DELETE", 200, _) => build.assignment(&record.body, None).map(drop),
        ("DELETE", 204, _) | ("GET" | "DELETE", 404, _) => Ok(()),
        ("PUT", 200 | 201, _) => {
            build.role(&role);
            build.principal(&who, &kind).map(drop)
        }
        ("PUT", 400, "PrincipalNotFound" | "InvalidPrincipalId") => {
            build.role(&role);
            Ok(())
        }
        ("PUT", 400, "UnmatchedPrincipalType") | ("PUT", 401 | 403 | 429, _) => {
            build.role(&role);
            build.principal(&who, &kind).map(drop)
        }
        ("PUT", 400, "RoleAssignmentUpdateNotPermitted") => {
            build.principal(&who, &kind)?;
            wish["properties"]["principalId"] = json!("another-principal");
            build.assignment(&wish, None).map(drop)
        }
        ("PUT", 409, "RoleAssignmentExists") => build.assignment(&wish, Some(OTHER)).map(drop),
        ("PUT", 404 | 400, "RoleDefinitionDoesNotExist") => build.principal(&who, &kind).map(drop),
        ("PUT", 400, _) => {
            build.role(&role);
            if super::super::shape::guid(&who) { build.principal(&who, &kind).map(drop) } else { Ok(()) }
        }
        (_, 401 | 403 | 429, _) => Ok(()),
        (method, status, code) => Err(format!("an assignment that answers {status} {code} to {method} is not understood")),
    }
}

fn custom(document: &Value) -> bool {
    document["properties"]["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("CustomRole"))
}

/// Creates a custom role as its document says, at the first of its scopes.
fn make(build: &mut Build<'_>, document: &Value) -> Made<()> {
    let scopes: Vec<String> =
        document["properties"]["assignableScopes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    for scope in scopes.iter().filter(|scope| scope.to_ascii_lowercase().starts_with("/subscriptions/")) {
        build.scope(scope)?;
    }
    // Above the subscription only Microsoft can create one.
    let above = |scope: &String| !scope.to_ascii_lowercase().starts_with("/subscriptions/");
    let scope = scopes.first().filter(|scope| !above(scope)).map_or("/subscriptions/-", String::as_str).to_owned();
    let name = document["name"].as_str().unwrap_or_default();
    let mut properties = build.mapped(&document["properties"]);
    if scopes.iter().any(above) {
        properties["assignableScopes"] = json!([format!("/subscriptions/{}", build.world.subscription)]);
    }
    for told in ["createdOn", "updatedOn", "createdBy", "updatedBy"] {
        if let Some(properties) = properties.as_object_mut() {
            properties.remove(told);
        }
    }
    build
        .put(
            &format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{name}"),
            "2022-04-01",
            &json!({ "properties": properties }),
        )
        .map(drop)
}

fn definitions(record: &Record, build: &mut Build<'_>) -> Made<()> {
    for document in record.body["value"].as_array().into_iter().flatten() {
        if custom(document) {
            make(build, document)?;
            continue;
        }
        let plays = build.role(document["name"].as_str().unwrap_or_default());
        // The filter uses the name, so a stand-in is requested by its own name.
        let path = format!(
            "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{plays}?api-version=2022-04-01",
            build.world.subscription
        );
        let name = build.world.arm("GET", &path, None).json()["properties"]["roleName"].as_str().unwrap_or_default().to_owned();
        build.same(document["properties"]["roleName"].as_str().unwrap_or_default(), &name);
    }
    Ok(())
}

fn definition(record: &Record, build: &mut Build<'_>) -> Made<()> {
    match (record.method.as_str(), record.status) {
        ("GET" | "DELETE", 200) if custom(&record.body) => make(build, &record.body),
        ("GET", 200) => {
            build.role(record.body["name"].as_str().unwrap_or_default());
            Ok(())
        }
        // An update is a 201, too, and shows who created it.
        ("PUT", 200 | 201) if record.body["properties"]["createdBy"].is_string() => make(build, &record.body),
        ("PUT", 200 | 201) | ("DELETE", 204) | (_, 400..500) => Ok(()),
        (method, status) => Err(format!("a role definition that answers {status} to {method} is not understood")),
    }
}
