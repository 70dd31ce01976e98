//! Decodes what a client sent: finds and drops unknown fields and rejects wrong types, with the messages of the API server's decoders.
//! Does not use the store.

use super::schema::{Scalar, Shape, Struct, Type};
use base64::Engine as _;
use serde_json::{Map, Value};

/// The result of decoding a value.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Fields that the type does not have, in the order in which the server lists them.
    pub unknown: Vec<String>,
    /// The message for the first field of a wrong type.
    pub error: Option<String>,
    pub mismatch: Option<Mismatch>,
}

/// A value of another type than expected, by Go's names of both types.
#[derive(Debug)]
pub struct Mismatch {
    is: &'static str,
    due: String,
}

impl Mismatch {
    /// Returns the message of apimachinery's converter of unstructured values (`runtime/converter.go`).
    pub fn conversion_error(&self) -> String {
        let is = match self.is {
            "number" => "int64",
            "object" => "map[string]interface {}",
            "array" => "[]interface {}",
            other => other,
        };
        match self.due.as_str() {
            // Go's converter has a message of its own for numbers.
            "string" if self.is == "number" => format!("cannot convert {is} to string"),
            due if due.starts_with("map[") => format!("cannot restore map from {}", go_type_name(self.is)),
            due if due.starts_with("[]") => format!("cannot restore slice from {}", go_type_name(self.is)),
            due if due.starts_with("v1.") => format!("cannot restore struct from: {}", go_type_name(self.is)),
            due => format!("unrecognized type: {due}"),
        }
    }
}

fn go_type_name(json: &str) -> &str {
    match json {
        "number" => "int64",
        "object" => "map",
        "array" => "slice",
        other => other,
    }
}

/// Decodes a built-in object: drops unknown fields and nulls, and turns quantities into strings.
pub fn built_in(ty: &Type, value: &mut Value) -> Decoded {
    let mut out = Decoded::default();
    let mut at = Position { path: String::new(), go: String::new(), owner: String::new() };
    strict(ty, value, &mut at, &mut out);
    out
}

/// Decodes a custom object: only its metadata has a type; the rest is pruned here and validated by its schema.
pub fn custom(ty: &Type, value: &mut Value) -> Decoded {
    let mut out = Decoded::default();
    if let Some(metadata) = value.get_mut("metadata") {
        let mut at = Position { path: "metadata".into(), go: String::new(), owner: "ObjectMeta".into() };
        strict(&Type::named("ObjectMeta"), metadata, &mut at, &mut out);
    }
    let mut pruned = Vec::new();
    prune(ty, value, "", &mut pruned, true);
    // The server reports the metadata of embedded objects after all other pruned fields.
    let (mut embedded, mut plain): (Vec<String>, Vec<String>) = pruned.into_iter().partition(|path| path.starts_with(EMBEDDED));
    plain.sort();
    embedded.sort();
    out.unknown.extend(plain);
    out.unknown.extend(embedded.iter().map(|path| path.trim_start_matches(EMBEDDED).to_owned()));
    out
}

/// A mark in the path of an unknown field in the metadata of an embedded object.
const EMBEDDED: &str = "\0";

struct Position {
    /// For example `spec.containers[0].name`.
    path: String,
    /// For example `spec.containers.name`: Go's decoder leaves out the indexes.
    go: String,
    /// Go's name of the enclosing struct.
    owner: String,
}

impl Position {
    fn down<T>(&mut self, name: &str, owner: &str, indexed: bool, then: impl FnOnce(&mut Self) -> T) -> T {
        let (path, go, before) = (self.path.len(), self.go.len(), std::mem::replace(&mut self.owner, owner.to_owned()));
        if indexed {
            self.path.push_str(name);
        } else {
            for text in [&mut self.path, &mut self.go] {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
        }
        let out = then(self);
        self.path.truncate(path);
        self.go.truncate(go);
        self.owner = before;
        out
    }
    fn mismatch(&self, value: &Value, expected: &str) -> String {
        format!("json: cannot unmarshal {} into Go struct field {}.{} of type {expected}", json_kind(value), self.owner, self.go)
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(ty: &Type) -> String {
    match ty.shape() {
        Shape::Scalar(Scalar::Bytes) => "[]uint8".into(),
        Shape::Scalar(Scalar::Int32) => "int32".into(),
        Shape::Scalar(Scalar::Int64) => "int64".into(),
        Shape::Scalar(Scalar::Number) => "float64".into(),
        Shape::Scalar(Scalar::Bool) => "bool".into(),
        Shape::Scalar(_) => "string".into(),
        Shape::Struct { of, .. } => format!("v1.{}", of.name),
        Shape::Map { of, .. } => format!("map[string]{}", go_type(of)),
        Shape::List(list) => format!("[]{}", go_type(&list.of)),
        Shape::Any { .. } => "interface {}".into(),
    }
}

/// Returns whether Go's type can hold the number.
fn fits(scalar: Scalar, value: &Value) -> bool {
    let number = value.as_i64();
    if scalar == Scalar::Int32 { number.is_some_and(|n| i32::try_from(n).is_ok()) } else { number.is_some() }
}

fn strict(ty: &Type, value: &mut Value, at: &mut Position, out: &mut Decoded) {
    let mut wrong = |at: &Position, value: &Value| {
        if out.error.is_none() {
            out.error = Some(at.mismatch(value, &go_type(ty)));
            out.mismatch = Some(Mismatch { is: json_kind(value), due: go_type(ty) });
        }
    };
    match ty.shape() {
        Shape::Any { .. } => {}
        Shape::Scalar(scalar) => match scalar {
            Scalar::Bytes => match value.as_str() {
                None => wrong(at, value),
                Some(text) => {
                    if let Err(error) = base64::engine::general_purpose::STANDARD.decode(text) {
                        let offset = match error {
                            base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
                            _ => text.len(),
                        };
                        out.error.get_or_insert(format!("illegal base64 data at input byte {offset}"));
                    }
                }
            },
            Scalar::Int32 | Scalar::Int64 if !fits(scalar, value) => {
                if let Value::Number(number) = &*value {
                    let text = format!(
                        "json: cannot unmarshal number {number} into Go struct field {}.{} of type {}",
                        at.owner,
                        at.go,
                        go_type(ty)
                    );
                    out.error.get_or_insert(text);
                } else {
                    wrong(at, value);
                }
            }
            Scalar::Number if !value.is_number() => wrong(at, value),
            Scalar::Bool if !value.is_boolean() => wrong(at, value),
            Scalar::Text | Scalar::Time | Scalar::MicroTime if !value.is_string() => wrong(at, value),
            Scalar::Quantity if value.is_number() => *value = Value::String(value.to_string()),
            _ => {}
        },
        Shape::Struct { of, .. } => {
            let Some(map) = value.as_object_mut() else { return wrong(at, value) };
            fields(of, map, at, out);
        }
        Shape::Map { of, .. } => {
            let Some(map) = value.as_object_mut() else { return wrong(at, value) };
            for (name, inner) in map.iter_mut() {
                if inner.is_null() && matches!(of.shape(), Shape::Scalar(Scalar::Text)) {
                    *inner = Value::String(String::new());
                }
                // Go names the map's own field instead of the key.
                let (path, owner) = (at.path.len(), at.owner.clone());
                at.path.push_str(&format!(".{name}"));
                strict(of, inner, at, out);
                at.path.truncate(path);
                at.owner = owner;
            }
        }
        Shape::List(list) => {
            let Some(items) = value.as_array_mut() else { return wrong(at, value) };
            for (i, item) in items.iter_mut().enumerate() {
                let owner = at.owner.clone();
                at.down(&format!("[{i}]"), &owner, true, |at| strict(&list.of, item, at, out));
            }
        }
    }
}

fn fields(of: &Struct, map: &mut Map<String, Value>, at: &mut Position, out: &mut Decoded) {
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        let Some(field) = of.fields.get(&name) else {
            if !of.open {
                let path = if at.path.is_empty() { name.clone() } else { format!("{}.{name}", at.path) };
                out.unknown.push(path);
                map.shift_remove(&name);
            }
            continue;
        };
        match map.get_mut(&name) {
            Some(Value::Null) | None => {
                map.shift_remove(&name);
            }
            Some(inner) => at.down(&name, &of.name, false, |at| strict(&field.of, inner, at, out)),
        }
    }
}

fn prune(ty: &Type, value: &mut Value, path: &str, unknown: &mut Vec<String>, root: bool) {
    match (ty.shape(), value) {
        (Shape::Struct { of, .. }, Value::Object(map)) => {
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                if root && name == "metadata" {
                    continue;
                }
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match of.fields.get(&name) {
                    Some(field) => {
                        if let Some(value) = map.get_mut(&name) {
                            prune(&field.of, value, &inner, unknown, false);
                        }
                    }
                    None if !of.open => {
                        unknown.push(if of.name == "ObjectMeta" { format!("{EMBEDDED}{inner}") } else { inner });
                        map.shift_remove(&name);
                    }
                    None => {}
                }
            }
        }
        (Shape::Map { of, .. }, Value::Object(map)) => {
            for (name, inner) in map.iter_mut() {
                prune(of, inner, &format!("{path}.{name}"), unknown, false);
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for (i, item) in items.iter_mut().enumerate() {
                prune(&list.of, item, &format!("{path}[{i}]"), unknown, false);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_of_a_pod_are_listed_in_order_and_dropped() {
        let mut pod = json!({"metadata": {"name": "p", "foo": 1}, "spec": {"containers": [{"name": "a", "bar": 1}], "zz": 1}});
        let out = built_in(&Type::named("Pod"), &mut pod);
        assert_eq!(out.unknown, ["metadata.foo", "spec.containers[0].bar", "spec.zz"]);
        assert_eq!(pod, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}));
    }

    #[test]
    fn the_message_for_a_wrong_type_is_that_of_go() {
        let error = |kind: &str, value: Value| built_in(&Type::named(kind), &mut value.clone()).error.unwrap();
        assert_eq!(
            error("Deployment", json!({"spec": {"replicas": "3"}})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert_eq!(
            error("Pod", json!({"spec": {"containers": [{"ports": [{"containerPort": "x"}]}]}})),
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
        );
        assert_eq!(
            error("ConfigMap", json!({"data": {"replicas": 3}})),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        );
        assert_eq!(
            error("ConfigMap", json!({"data": ["a"]})),
            "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"
        );
        assert_eq!(error("Secret", json!({"data": {"a": "###"}})), "illegal base64 data at input byte 0");
    }

    #[test]
    fn labels_of_a_custom_object_must_be_strings() {
        let out = custom(&super::super::schema::of_crd(&json!({"type": "object"}), true), &mut json!({"metadata": {"labels": {"a": 1}}}));
        assert_eq!(out.error.unwrap(), "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string");
    }
}
