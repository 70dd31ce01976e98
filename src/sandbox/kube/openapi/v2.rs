//! `/openapi/v2`: all kinds in one document (Swagger 2.0), as JSON or, for kubectl before 1.29, as protobuf (gnostic, `OpenAPIv2.proto`).

use super::super::discovery::GIT_VERSION;
use super::super::resource::{Catalog, Resource};
use super::actions::{MANY, ONE, acts, path};
use super::schemas::{component, of_kinds};
use super::wire::Message;
use crate::http::{Body, Request, Response};
use serde_json::{Map, Value, json};

/// The type that clients ask for. `@` is not valid in a media type, so the answer has a point instead.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

pub fn answer(catalog: &Catalog, request: &Request) -> Response {
    let document = document(catalog);
    if request.header("accept").is_none_or(|accepted| !accepted.contains(PROTOBUF)) {
        return Response::json(200, "application/json", &document);
    }
    let mut response = Response::new(200).with("content-type", PROTOBUF.replace('@', "."));
    response.body = Body::Full(encoded(&document).into());
    response
}

fn document(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for r in catalog.resources.iter().map(AsRef::as_ref) {
        paths.insert(path(r), operations(r, &MANY));
        if r.verbs.contains(&"get") {
            paths.insert(format!("{}/{{name}}", path(r)), operations(r, &ONE));
        }
    }
    let all = of_kinds(catalog.resources.iter().map(AsRef::as_ref));
    let definitions: Map<String, Value> = all.into_iter().map(|(name, schema)| (name, plain(&schema))).collect();
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": GIT_VERSION}, "paths": paths, "definitions": definitions})
}

fn operations(r: &Resource, wanted: &[(&str, &str)]) -> Value {
    let mut out = Map::new();
    for (method, action) in wanted.iter().filter(|(_, action)| acts(r, action)) {
        let mut parameters = Vec::new();
        if matches!(*action, "post" | "put" | "patch") {
            let mut names = vec![("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
            if *action == "patch" {
                names.push(("force", "boolean"));
            }
            parameters.extend(names.iter().map(|(name, kind)| json!({"name": name, "in": "query", "type": kind, "uniqueItems": true})));
        }
        let own = json!({"$ref": format!("#/definitions/{}", component(r))});
        let operation = json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": {"group": r.group, "version": r.version, "kind": r.kind},
            "parameters": parameters, "responses": {"200": {"description": "OK", "schema": own}},
        });
        out.insert((*method).to_owned(), operation);
    }
    Value::Object(out)
}

/// Removes from a schema what version 2 does not have.
fn plain(schema: &Value) -> Value {
    let referred = schema["allOf"][0]["$ref"].as_str().or_else(|| schema["$ref"].as_str());
    if let Some(target) = referred {
        let mut out = json!({"$ref": target.replace("#/components/schemas/", "#/definitions/")});
        if schema["description"].is_string() {
            out["description"] = schema["description"].clone();
        }
        return out;
    }
    let mut out = Map::new();
    for (name, value) in schema.as_object().into_iter().flatten() {
        let value = match name.as_str() {
            "properties" => {
                let all = value.as_object().into_iter().flatten();
                Value::Object(all.map(|(name, inner)| (name.clone(), plain(inner))).collect())
            }
            "items" | "additionalProperties" if value.is_object() => plain(value),
            // A value of several types gets the first of them.
            "oneOf" => {
                out.insert("type".to_owned(), value[0]["type"].clone());
                continue;
            }
            "nullable" | "anyOf" | "not" | "allOf" => continue,
            _ => value.clone(),
        };
        out.insert(name.clone(), value);
    }
    // A value that is text or number has no type.
    if schema["x-kubernetes-int-or-string"] == true {
        out.shift_remove("type");
    }
    Value::Object(out)
}

fn encoded(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, "2.0");
    out.message(2, |info| {
        info.text(1, text(&document["info"]["title"]));
        info.text(2, text(&document["info"]["version"]));
    });
    out.message(8, |paths| {
        for (name, operations) in fields(&document["paths"]) {
            named(paths, 2, name, |path| {
                for (field, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
                    if operations[method].is_object() {
                        path.message(field, |out| operation(out, &operations[method]));
                    }
                }
            });
        }
    });
    out.message(9, |definitions| {
        for (name, inner) in fields(&document["definitions"]) {
            named(definitions, 1, name, |out| schema(out, inner));
        }
    });
    out.0
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Writes a pair: NamedSchema, NamedPathItem, …
fn named(out: &mut Message, field: u64, name: &str, value: impl FnOnce(&mut Message)) {
    out.message(field, |pair| {
        pair.text(1, name);
        pair.message(2, value);
    });
}

/// Writes extensions. An Any holds YAML, and JSON is YAML.
fn extensions(out: &mut Message, field: u64, value: &Value) {
    for (name, inner) in fields(value).filter(|(name, _)| name.starts_with("x-")) {
        named(out, field, name, |any| any.text(2, &inner.to_string()));
    }
}

fn operation(out: &mut Message, operation: &Value) {
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        // ParametersItem, Parameter, NonBodyParameter, QueryParameterSubSchema
        out.message(8, |item| {
            item.message(1, |any| {
                any.message(2, |other| {
                    other.message(3, |query| {
                        query.text(2, "query");
                        query.text(4, text(&parameter["name"]));
                        query.text(6, text(&parameter["type"]));
                        query.flag(20, true);
                    });
                });
            });
        });
    }
    out.message(9, |responses| {
        for (code, response) in fields(&operation["responses"]) {
            named(responses, 1, code, |value| {
                value.message(1, |out| {
                    out.text(1, text(&response["description"]));
                    out.message(2, |item| item.message(1, |of| schema(of, &response["schema"])));
                });
            });
        }
    });
    extensions(out, 13, operation);
}

fn schema(out: &mut Message, value: &Value) {
    out.text(1, text(&value["$ref"]));
    out.text(2, text(&value["format"]));
    out.text(4, text(&value["description"]));
    for name in value["required"].as_array().into_iter().flatten() {
        out.text(19, text(name));
    }
    if value["additionalProperties"].is_object() {
        out.message(21, |item| item.message(1, |inner| schema(inner, &value["additionalProperties"])));
    }
    if value["type"].is_string() {
        out.message(22, |kind| kind.text(1, text(&value["type"])));
    }
    if value["items"].is_object() {
        out.message(23, |items| items.message(1, |inner| schema(inner, &value["items"])));
    }
    if value["properties"].is_object() {
        out.message(25, |properties| {
            for (name, inner) in fields(&value["properties"]) {
                named(properties, 1, name, |out| schema(out, inner));
            }
        });
    }
    extensions(out, 31, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_resolves_and_no_schema_uses_keywords_that_version_2_does_not_have() {
        let document = document(&Catalog::new(std::iter::empty()));
        let shown = document.to_string();
        for part in shown.split("#/definitions/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["definitions"].get(name).is_some(), "{name} is missing");
        }
        fn check(schema: &Value) {
            for word in ["oneOf", "allOf", "nullable"] {
                assert!(schema.get(word).is_none(), "{word} in {schema}");
            }
            fields(&schema["properties"]).for_each(|(_, inner)| check(inner));
            ["items", "additionalProperties"].iter().filter(|name| schema[**name].is_object()).for_each(|name| check(&schema[*name]));
        }
        fields(&document["definitions"]).for_each(|(_, schema)| check(schema));
        assert!(!shown.contains("#/components"));
        assert!(encoded(&document).len() > 10_000);
    }

    #[test]
    fn a_value_that_is_text_or_number_has_no_type() {
        let crd = json!({"type": "object", "properties": {"port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}}});
        assert_eq!(plain(&crd)["properties"]["port"], json!({"x-kubernetes-int-or-string": true}));
    }
}
