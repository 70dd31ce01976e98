//! The types of objects: their fields, which lists are keyed, what is atomic. Built-in types come from `types.txt` (the published OpenAPI
//! documents of Kubernetes 1.34, one line a type), custom ones from their CRD.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Text,
    Bytes,
    Time,
    MicroTime,
    Int32,
    Int64,
    Number,
    Bool,
    IntOrText,
    Quantity,
}

#[derive(Clone, Debug)]
pub enum Type {
    Scalar(Scalar),
    /// Anything: merged field by field (`x-kubernetes-preserve-unknown-fields`), or as a whole (RawExtension).
    Any {
        atomic: bool,
    },
    /// A built-in type by name.
    Named(String),
    Struct(Arc<Struct>),
    Map {
        of: Arc<Type>,
        atomic: bool,
    },
    List(Arc<List>),
    /// A struct that is owned as a whole in this one place.
    Whole(Arc<Type>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Owned as a whole.
    Atomic,
    Set,
    Map(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct List {
    pub of: Type,
    pub list_type: ListType,
    /// The key by which a strategic merge patch merges the list, empty for scalars; `None` if it replaces the list.
    pub patch_key: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub of: Type,
    pub required: bool,
    pub default: Option<Value>,
}

#[derive(Clone, Debug, Default)]
pub struct Struct {
    /// Go's name of a built-in type; empty for custom types.
    pub name: String,
    pub fields: BTreeMap<String, Field>,
    pub atomic: bool,
    /// Whether unknown fields are kept.
    pub open: bool,
}

/// The structure behind a type.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    Scalar(Scalar),
    Any { atomic: bool },
    Struct { of: &'a Struct, atomic: bool },
    Map { of: &'a Type, atomic: bool },
    List(&'a List),
}

static BUILT_IN: LazyLock<BTreeMap<String, Struct>> = LazyLock::new(|| read(include_str!("types.txt")));
static OPEN: LazyLock<Struct> = LazyLock::new(|| Struct { open: true, ..Struct::default() });

pub fn built_in(name: &str) -> Option<&'static Struct> {
    BUILT_IN.get(name)
}

#[cfg(test)]
fn built_in_types() -> impl Iterator<Item = (&'static String, &'static Struct)> {
    BUILT_IN.iter()
}

impl Type {
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
    pub fn shape(&self) -> Shape<'_> {
        match self {
            Self::Scalar(scalar) => Shape::Scalar(*scalar),
            Self::Any { atomic } => Shape::Any { atomic: *atomic },
            Self::Named(name) => {
                let of = built_in(name).unwrap_or(&OPEN);
                Shape::Struct { of, atomic: of.atomic }
            }
            Self::Struct(of) => Shape::Struct { of, atomic: of.atomic },
            Self::Map { of, atomic } => Shape::Map { of, atomic: *atomic },
            Self::List(list) => Shape::List(list),
            Self::Whole(inner) => match inner.shape() {
                Shape::Struct { of, .. } => Shape::Struct { of, atomic: true },
                other => other,
            },
        }
    }
}

fn read(text: &str) -> BTreeMap<String, Struct> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split(' ');
            let head = words.next().unwrap_or_default();
            let name = head.trim_end_matches('~').to_owned();
            let fields = words.filter_map(read_field).collect();
            (name.clone(), Struct { name, fields, atomic: head.ends_with('~'), open: false })
        })
        .collect()
}

/// Reads a field of the table: `name:type!=default`, with optional flags.
fn read_field(word: &str) -> Option<(String, Field)> {
    let (name, rest) = word.split_once(':')?;
    let (rest, default) = match rest.split_once('=') {
        Some((rest, default)) => (rest, serde_json::from_str(default).ok()),
        None => (rest, None),
    };
    let rest = rest.trim_end_matches('&');
    let (rest, required) = match rest.strip_suffix('!') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    Some((name.to_owned(), Field { of: read_type(rest), required, default }))
}

fn read_type(text: &str) -> Type {
    let text = text.trim_end_matches('&');
    if let Some(rest) = text.strip_prefix('[') {
        let (of, flags) = rest.rsplit_once(']').unwrap_or((rest, ""));
        let (keys, patch) = match flags.split_once('%') {
            Some((keys, patch)) => (keys, Some(patch.trim_end_matches('&').to_owned())),
            None => (flags, None),
        };
        let list_type = match keys {
            "" => ListType::Atomic,
            "@@" => ListType::Set,
            keys => ListType::Map(keys.trim_start_matches('@').split(',').map(str::to_owned).collect()),
        };
        return Type::List(Arc::new(List { of: read_type(of), list_type, patch_key: patch }));
    }
    if let Some(rest) = text.strip_prefix('{') {
        let (of, flags) = rest.rsplit_once('}').unwrap_or((rest, ""));
        return Type::Map { of: Arc::new(read_type(of)), atomic: flags == "~" };
    }
    if let Some(of) = text.strip_suffix('~') {
        return Type::Whole(Arc::new(read_type(of)));
    }
    match text {
        "str" => Type::Scalar(Scalar::Text),
        "bytes" => Type::Scalar(Scalar::Bytes),
        "time" => Type::Scalar(Scalar::Time),
        "micro" => Type::Scalar(Scalar::MicroTime),
        "int32" => Type::Scalar(Scalar::Int32),
        "int64" => Type::Scalar(Scalar::Int64),
        "num" => Type::Scalar(Scalar::Number),
        "bool" => Type::Scalar(Scalar::Bool),
        "intstr" => Type::Scalar(Scalar::IntOrText),
        "qty" => Type::Scalar(Scalar::Quantity),
        "any" => Type::Any { atomic: true },
        name => Type::Named(name.to_owned()),
    }
}

/// Turns a CRD's `openAPIV3Schema` into a type. At the root (and in an embedded resource) apiVersion, kind and metadata are implied.
pub fn of_crd(schema: &Value, root: bool) -> Type {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == Value::Bool(true);
    if schema["x-kubernetes-int-or-string"] == Value::Bool(true) {
        return Type::Scalar(Scalar::IntOrText);
    }
    let atomic = schema["x-kubernetes-map-type"] == "atomic";
    match schema["type"].as_str() {
        Some("string") => Type::Scalar(Scalar::Text),
        Some("boolean") => Type::Scalar(Scalar::Bool),
        Some("number") => Type::Scalar(Scalar::Number),
        Some("integer") => Type::Scalar(Scalar::Int64),
        Some("array") => {
            let list_type = match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(
                    schema["x-kubernetes-list-map-keys"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|k| Some(k.as_str()?.to_owned()))
                        .collect(),
                ),
                _ => ListType::Atomic,
            };
            Type::List(Arc::new(List { of: of_crd(&schema["items"], false), list_type, patch_key: None }))
        }
        Some("object") => {
            let embedded = root || schema["x-kubernetes-embedded-resource"] == Value::Bool(true);
            if schema["additionalProperties"].is_object() && !embedded {
                return Type::Map { of: Arc::new(of_crd(&schema["additionalProperties"], false)), atomic };
            }
            let properties = schema["properties"].as_object();
            if open && properties.is_none_or(serde_json::Map::is_empty) && !embedded {
                return Type::Any { atomic };
            }
            let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut fields: BTreeMap<String, Field> = properties
                .into_iter()
                .flatten()
                .map(|(name, of)| {
                    let default = of.get("default").cloned();
                    (name.clone(), Field { of: of_crd(of, false), required: required.contains(&name.as_str()), default })
                })
                .collect();
            if embedded {
                let implied = [("apiVersion", Type::Scalar(Scalar::Text)), ("kind", Type::Scalar(Scalar::Text))];
                for (name, of) in implied.into_iter().chain([("metadata", Type::named("ObjectMeta"))]) {
                    fields.insert(name.to_owned(), Field { of, required: false, default: None });
                }
            }
            Type::Struct(Arc::new(Struct { name: String::new(), fields, atomic, open }))
        }
        _ => Type::Any { atomic },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_are_a_list_keyed_by_name() {
        let pod = built_in("PodSpec").unwrap();
        let Shape::List(list) = pod.fields["containers"].of.shape() else { panic!("no list") };
        assert_eq!(list.list_type, ListType::Map(vec!["name".into()]));
        assert_eq!(list.patch_key.as_deref(), Some("name"));
        assert!(pod.fields["containers"].required);
    }

    #[test]
    fn every_named_type_of_the_table_is_in_it() {
        fn visit(of: &Type) {
            match of {
                Type::Named(name) => assert!(built_in(name).is_some(), "{name} is missing"),
                Type::Map { of, .. } | Type::Whole(of) => visit(of),
                Type::List(list) => visit(&list.of),
                _ => {}
            }
        }
        for (_, of) in built_in_types() {
            of.fields.values().for_each(|f| visit(&f.of));
        }
    }

    #[test]
    fn an_object_schema_without_properties_has_no_fields() {
        let of = of_crd(&json!({"type": "object"}), false);
        assert!(matches!(of.shape(), Shape::Struct { of, .. } if of.fields.is_empty() && !of.open));
    }
}
