//! The OpenAPI documents: one v3 document per group and version, and one v2 document. kubectl looks up operations in them (does a kind take
//! `fieldValidation`?), and the schemas for merging and explaining.

mod actions;
mod schemas;
mod v2;
mod wire;

use super::resource::{Catalog, Resource};
use crate::http::{Body, Request, Response};
use actions::{MANY, ONE, acts, path};
use schemas::{component, served};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Answers a request below `/openapi`. `rest` is the path after it.
pub fn answer(catalog: &Catalog, rest: &[&str], request: &Request) -> Option<Response> {
    if rest == ["v2"] {
        return Some(v2::answer(catalog, request));
    }
    // kubectl asks at each apply, so the documents are rendered once.
    let all = catalog.documents.get_or_init(|| documents(catalog));
    if rest == ["v3"] {
        let path = |(path, (hash, _)): (&String, &(String, String))| {
            (path.trim_start_matches("v3/").to_owned(), json!({"serverRelativeURL": format!("/openapi/{path}?hash={hash}")}))
        };
        let paths: Map<String, Value> = all.iter().map(path).collect();
        return Some(Response::json(200, "application/json", &json!({"paths": paths})));
    }
    let (_, text) = all.get(&rest.join("/"))?;
    let mut response = Response::new(200).with("content-type", "application/json");
    response.body = Body::Full(text.clone().into());
    Some(response)
}

/// Returns the documents with their hashes, by path: `v3/api/v1`, `v3/apis/GROUP/VERSION`.
fn documents(catalog: &Catalog) -> BTreeMap<String, (String, String)> {
    let mut out = BTreeMap::new();
    for (group, versions) in catalog.groups() {
        for version in versions {
            let path = if group.is_empty() { format!("v3/api/{version}") } else { format!("v3/apis/{group}/{version}") };
            let text = document(catalog, &group, &version).to_string();
            let hash: String = Sha256::digest(&text).iter().take(16).map(|b| format!("{b:02X}")).collect();
            out.insert(path, (hash, text));
        }
    }
    out
}

fn document(catalog: &Catalog, group: &str, version: &str) -> Value {
    let mut paths = Map::new();
    for r in served(catalog, group, version) {
        paths.insert(path(r), operations(r, &MANY));
        if r.verbs.contains(&"get") {
            paths.insert(format!("{}/{{name}}", path(r)), operations(r, &ONE));
        }
    }
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": super::discovery::GIT_VERSION},
        "paths": paths, "components": {"schemas": schemas::of_kinds(served(catalog, group, version))},
    })
}

fn operations(r: &Resource, wanted: &[(&str, &str)]) -> Value {
    let parameter = |name: &str, kind: &str| json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}});
    let gvk = json!({"group": r.group, "version": r.version, "kind": r.kind});
    let body = json!({"$ref": format!("#/components/schemas/{}", component(r))});
    let mut out = Map::new();
    for (method, action) in wanted {
        if !acts(r, action) {
            continue;
        }
        let mut operation = json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": body}}}},
        });
        if matches!(*action, "post" | "put" | "patch") {
            let mut parameters =
                vec![parameter("dryRun", "string"), parameter("fieldManager", "string"), parameter("fieldValidation", "string")];
            if *action == "patch" {
                parameters.push(parameter("force", "boolean"));
                let patch = json!({"schema": {"type": "object"}});
                let mut kinds = json!({"application/apply-patch+yaml": patch, "application/json-patch+json": patch, "application/merge-patch+json": patch});
                if r.custom.is_none() {
                    kinds["application/strategic-merge-patch+json"] = patch;
                }
                operation["requestBody"] = json!({"content": kinds, "required": true});
            } else {
                operation["requestBody"] = json!({"content": {"*/*": {"schema": body}}, "required": true});
            }
            operation["parameters"] = parameters.into();
        }
        out.insert((*method).to_owned(), operation);
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_the_field_validation_of_each_kind_and_resolves_its_references() {
        let catalog = Catalog::new(std::iter::empty());
        let text = document(&catalog, "", "v1").to_string();
        let document: Value = serde_json::from_str(&text).unwrap();
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is missing");
        }
    }
}
