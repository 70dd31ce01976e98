//! OpenAPI v3 documents: per group and version the operations that kubectl looks for (does a kind take `fieldValidation`?) and the schemas
//! that it merges and explains by. Knows the catalog and the types.

use super::resource::{Catalog, Resource};
use super::schema::{Keyed, Scalar, Shape, Type};
use crate::sandbox::http::Response;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// `rest`: of the path after `/openapi/v3`.
pub fn answer(catalog: &Catalog, rest: &[&str]) -> Option<Response> {
    let json = |body: &Value| Response::json(200, "application/json", body);
    match rest {
        [] => {
            let mut paths = Map::new();
            for (group, versions) in catalog.groups() {
                for version in versions {
                    let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                    let text = document(catalog, &group, &version).to_string();
                    let hash: String = Sha256::digest(text).iter().take(16).map(|b| format!("{b:02X}")).collect();
                    paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
                }
            }
            Some(json(&json!({"paths": paths})))
        }
        ["api", version] if catalog.serves("", version) => Some(json(&document(catalog, "", version))),
        ["apis", group, version] if catalog.serves(group, version) => Some(json(&document(catalog, group, version))),
        _ => None,
    }
}

fn document(catalog: &Catalog, group: &str, version: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut wanted = BTreeSet::new();
    for r in catalog.resources.iter().filter(|r| r.group == group && r.version == version) {
        let base = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let scope = if r.namespaced { format!("{base}/namespaces/{{namespace}}") } else { base };
        paths.insert(format!("{scope}/{}", r.plural), operations(r, &[("get", "list"), ("post", "post")]));
        if r.verbs.contains(&"get") {
            let single = [("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete")];
            paths.insert(format!("{scope}/{}/{{name}}", r.plural), operations(r, &single));
        }
        let mut own = match &r.crd_schema() {
            Some(crd) => {
                let mut own = Value::clone(crd);
                own["properties"]["apiVersion"] = json!({"type": "string"});
                own["properties"]["kind"] = json!({"type": "string"});
                own["properties"]["metadata"] = json!({"allOf": [{"$ref": reference("ObjectMeta")}]});
                wanted.insert("ObjectMeta".to_owned());
                own
            }
            None => of(&r.ty, &mut wanted, true),
        };
        own["x-kubernetes-group-version-kind"] = json!([{"group": group, "version": version, "kind": r.kind}]);
        schemas.insert(component(r), own);
    }
    let mut done = BTreeSet::new();
    while let Some(name) = wanted.pop_first() {
        if done.insert(name.clone()) {
            let inner = of(&Type::named(&name), &mut wanted, true);
            schemas.insert(full(&name), inner);
            wanted.retain(|name| !done.contains(name));
        }
    }
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": super::discovery::GIT_VERSION},
        "paths": paths, "components": {"schemas": schemas},
    })
}

fn component(r: &Resource) -> String {
    let mut group: Vec<&str> = r.group.split('.').filter(|p| !p.is_empty()).collect();
    group.reverse();
    let group = if group.is_empty() { "io.k8s.api.core".to_owned() } else { group.join(".") };
    format!("{group}.{}.{}", r.version, r.kind)
}

fn full(name: &str) -> String {
    format!("io.k8s.types.v1.{name}")
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{}", full(name))
}

fn operations(r: &Resource, wanted: &[(&str, &str)]) -> Value {
    let parameter = |name: &str, kind: &str| json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}});
    let gvk = json!({"group": r.group, "version": r.version, "kind": r.kind});
    let body = json!({"$ref": format!("#/components/schemas/{}", component(r))});
    let mut out = Map::new();
    for (method, action) in wanted {
        let verb = match *action {
            "post" => "create",
            "put" => "update",
            other => other,
        };
        if !r.verbs.contains(&verb) {
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

fn of(ty: &Type, wanted: &mut BTreeSet<String>, expand: bool) -> Value {
    if let Type::Named(name) = ty
        && !expand
    {
        wanted.insert(name.clone());
        return json!({"allOf": [{"$ref": reference(name)}]});
    }
    match ty.shape() {
        Shape::Scalar(scalar) => match scalar {
            Scalar::Text => json!({"type": "string"}),
            Scalar::Bytes => json!({"type": "string", "format": "byte"}),
            Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
            Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
            Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
            Scalar::Number => json!({"type": "number", "format": "double"}),
            Scalar::Bool => json!({"type": "boolean"}),
            Scalar::IntOrText => json!({"type": "string", "format": "int-or-string"}),
            Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        },
        Shape::Any { .. } => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        Shape::Map { of: inner, atomic } => {
            let mut out = json!({"type": "object", "additionalProperties": of(inner, wanted, false)});
            if atomic {
                out["x-kubernetes-map-type"] = json!("atomic");
            }
            out
        }
        Shape::List(list) => {
            let kind = match &list.keyed {
                Keyed::Atomic => "atomic",
                Keyed::Set => "set",
                Keyed::By(_) => "map",
            };
            let mut out = json!({"type": "array", "items": of(&list.of, wanted, false), "x-kubernetes-list-type": kind});
            if let Keyed::By(keys) = &list.keyed {
                out["x-kubernetes-list-map-keys"] = json!(keys);
            }
            if let Some(key) = &list.patch_key {
                out["x-kubernetes-patch-strategy"] = json!("merge");
                if !key.is_empty() {
                    out["x-kubernetes-patch-merge-key"] = json!(key);
                }
            }
            out
        }
        Shape::Struct { of: inner, atomic } => {
            let fields: Map<String, Value> = inner.fields.iter().map(|(name, f)| (name.clone(), of(&f.of, wanted, false))).collect();
            let required: Vec<&String> = inner.fields.iter().filter(|(_, f)| f.required).map(|(name, _)| name).collect();
            let mut out = json!({"type": "object", "properties": fields});
            if !required.is_empty() {
                out["required"] = json!(required);
            }
            if atomic {
                out["x-kubernetes-map-type"] = json!("atomic");
            }
            out
        }
    }
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
