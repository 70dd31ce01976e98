//! Converts a Rust type to its structural schema (apiextensions.k8s.io/v1). The API server drops fields that are not in the schema.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub trait Schema {
    fn schema() -> Value;
}

impl Schema for String {
    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl Schema for bool {
    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// The schema of Go's `int`, which has no format.
impl Schema for i64 {
    fn schema() -> Value {
        json!({ "type": "integer" })
    }
}

impl Schema for i32 {
    fn schema() -> Value {
        json!({ "type": "integer", "format": "int32" })
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

/// A field that may be present and null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nullable<T>(pub Option<T>);

impl<T: Schema> Schema for Nullable<T> {
    fn schema() -> Value {
        let mut schema = T::schema();
        schema["nullable"] = true.into();
        schema
    }
}

/// Metadata. The API server knows its fields at the top of an object, and drops all of them in any other place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub Map<String, Value>);

impl Schema for Metadata {
    fn schema() -> Value {
        json!({ "type": "object" })
    }
}

/// A whole object within another one. The API server then knows its metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Embedded<T>(pub T);

impl<T: Schema> Schema for Embedded<T> {
    fn schema() -> Value {
        let mut schema = T::schema();
        schema["x-kubernetes-embedded-resource"] = true.into();
        schema
    }
}

/// Returns the schema of an `object!`: its lines of documentation, and each field with its own.
pub fn fields(about: &[&str], fields: &[(&str, &[&str], Value)]) -> Value {
    let mut properties = Map::new();
    for (name, about, schema) in fields {
        let mut schema = schema.clone();
        describe(&mut schema, about);
        properties.insert((*name).to_owned(), schema);
    }
    let mut schema = json!({ "type": "object" });
    if !properties.is_empty() {
        schema["properties"] = properties.into();
    }
    describe(&mut schema, about);
    schema
}

/// Sets the description that `kubectl explain` shows. The description of a field precedes that of its type.
fn describe(schema: &mut Value, about: &[&str]) {
    let text: Vec<&str> = about.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if let (false, Value::Object(fields)) = (text.is_empty(), schema) {
        fields.shift_insert(0, "description".to_owned(), text.join(" ").into());
    }
}

/// Defines a struct whose fields are all optional (these kinds require nothing) and, from the same lines, its schema.
macro_rules! object {
    ($( $(#[doc = $about:literal])* $name:ident { $( $(#[doc = $doc:literal])* $field:ident: $type:ty = $wire:literal, )* } )+) => { $(
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $( $(#[doc = $doc])* #[serde(rename = $wire, default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>, )*
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> serde_json::Value {
                $crate::schema::fields(
                    &[$($about),*],
                    &[$( ($wire, &[$($doc),*], <$type as $crate::schema::Schema>::schema()) ),*],
                )
            }
        }
    )+ };
}
pub(super) use object;
