//! Types as OpenAPI schemas; the two versions of the document differ only in how one schema refers to another.

use super::super::resource::{Catalog, Resource};
use super::super::schema::{ListType, Scalar, Shape, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The description of types whose text the sandbox does not have; `kubectl explain` prints it.
const UNDESCRIBED: &str = "The sandbox has the fields of this type as Kubernetes 1.34 has them, without the descriptions. These are at https://kubernetes.io/docs/reference/kubernetes-api/";
const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str =
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Returns the schemas of some kinds and of all types that they refer to, by name.
pub fn of_kinds<'a>(resources: impl Iterator<Item = &'a Resource>) -> Map<String, Value> {
    let mut schemas = Map::new();
    let mut wanted = BTreeSet::new();
    for r in resources {
        let mut own = match &r.crd_schema() {
            Some(crd) => {
                let mut own = Value::clone(crd);
                embedded(&mut own);
                ensure_properties(&mut own);
                own
            }
            None => of(&r.ty, &mut wanted, true),
        };
        own["properties"]["apiVersion"] = json!({"type": "string", "description": API_VERSION});
        own["properties"]["kind"] = json!({"type": "string", "description": KIND});
        if r.crd_schema().is_some() || !own["properties"]["metadata"].is_null() {
            own["properties"]["metadata"] = json!({"allOf": [{"$ref": reference("ObjectMeta")}], "description": METADATA});
            wanted.insert("ObjectMeta".to_owned());
        }
        own["x-kubernetes-group-version-kind"] = json!([{"group": r.group, "version": r.version, "kind": r.kind}]);
        schemas.insert(component(r), own);
    }
    let mut done = BTreeSet::new();
    while let Some(name) = wanted.pop_first() {
        if done.insert(name.clone()) {
            let inner = match name.as_str() {
                "Quantity" => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
                "IntOrString" => json!({"type": "string", "format": "int-or-string"}),
                "FieldsV1" => json!({"type": "object"}),
                _ => of(&Type::named(&name), &mut wanted, true),
            };
            schemas.insert(full(&name), inner);
            wanted.retain(|name| !done.contains(name));
        }
    }
    schemas
}

/// Ensures that a schema is an object with properties, whatever the CRD contains.
fn ensure_properties(schema: &mut Value) {
    if !schema.is_object() {
        *schema = json!({"type": "object"});
    }
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
}

/// Adds the fields of every object to an embedded object.
fn embedded(schema: &mut Value) {
    for inner in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        embedded(inner);
    }
    if let Some(items) = schema.get_mut("items") {
        embedded(items);
    }
    if schema["x-kubernetes-embedded-resource"] != true {
        return;
    }
    ensure_properties(schema);
    schema["properties"]["apiVersion"] = json!({"type": "string", "description": API_VERSION});
    schema["properties"]["kind"] = json!({"type": "string", "description": KIND});
    schema["properties"]["metadata"] = json!({"allOf": [{"$ref": reference("ObjectMeta")}], "description": METADATA});
    let mut required: BTreeSet<String> =
        schema["required"].as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    required.extend(["apiVersion", "kind"].map(str::to_owned));
    schema["required"] = json!(required);
}

pub fn served<'a>(catalog: &'a Catalog, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Resource> {
    catalog.resources.iter().map(AsRef::as_ref).filter(move |r| r.group == group && r.version == version)
}

pub fn component(r: &Resource) -> String {
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

fn of(ty: &Type, wanted: &mut BTreeSet<String>, expand: bool) -> Value {
    let named = |name: &str, wanted: &mut BTreeSet<String>| {
        wanted.insert(name.to_owned());
        json!({"allOf": [{"$ref": reference(name)}]})
    };
    if let Type::Named(name) = ty
        && !expand
    {
        return named(name, wanted);
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
            Scalar::IntOrText => named("IntOrString", wanted),
            Scalar::Quantity => named("Quantity", wanted),
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
            let kind = match &list.list_type {
                ListType::Atomic => "atomic",
                ListType::Set => "set",
                ListType::Map(_) => "map",
            };
            let mut out = json!({"type": "array", "items": of(&list.of, wanted, false), "x-kubernetes-list-type": kind});
            if let ListType::Map(keys) = &list.list_type {
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
            let mut out = json!({"type": "object", "description": UNDESCRIBED, "properties": fields});
            if out["properties"]["fieldsV1"].is_object() {
                out["properties"]["fieldsV1"] = named("FieldsV1", wanted);
            }
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
