//! A field of a spec: a value, or a typed reference to an output of another resource.
//!
//! As JSON, `{"$from": "identity/claims#client_id"}` stands for a value and makes an edge; `{"$in": "namespace/shop"}` only makes the edge.
//! Only `spec::expand` and the modes write references; users never do.

use super::{fault::Fault, key::Key};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _};
use serde_json::{Value, from_value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    sync::Arc,
};

/// The outputs of a resource, by field name.
pub type Outputs = BTreeMap<String, Value>;
/// The outputs that are known so far, by resource.
pub type KnownOutputs = BTreeMap<Key, Arc<Outputs>>;

/// The name and the type of an output: `Identity::CLIENT_ID`.
pub struct Field<T>(pub &'static str, PhantomData<fn() -> T>);

impl<T> Field<T> {
    pub const fn new(name: &'static str) -> Self {
        Self(name, PhantomData)
    }
    pub fn of(&self, key: &Key) -> Input<T> {
        Input::Reference(format!("{key}#{}", self.0))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Input<T> {
    Known(T),
    Reference(String),
}

impl<T> Input<T> {
    /// Returns the value. Fails with `Fault::Unresolved` if it is unknown, because `observe` only asks for values that locate the object.
    pub fn get(&self) -> Result<&T, Fault> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Reference(reference) => Err(Fault::Unresolved(reference.clone())),
        }
    }
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Reference(_) => None,
        }
    }
    /// Returns the key that a reference points to.
    pub fn source(&self) -> Option<Key> {
        match self {
            Self::Known(_) => None,
            Self::Reference(reference) => Some(split(reference).0),
        }
    }
}

impl<T> From<T> for Input<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Serialize> Serialize for Input<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Reference(reference) => json!({ "$from": reference }).serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Input<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.get("$from").and_then(Value::as_str) {
            Some(reference) => Ok(Self::Reference(reference.to_owned())),
            None => from_value(value).map(Self::Known).map_err(D::Error::custom),
        }
    }
}

/// An edge that carries no value, only an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DependsOn {
    #[serde(rename = "$in")]
    key: Key,
}

impl DependsOn {
    pub fn of(key: &Key) -> Self {
        Self { key: key.clone() }
    }
    pub fn key(&self) -> &Key {
        &self.key
    }
}

fn split(reference: &str) -> (Key, &str) {
    let (key, field) = reference.split_once('#').unwrap_or((reference, ""));
    (Key::from(key), field)
}

/// Visits every reference of a spec and replaces it by what `see` returns, if that is Some.
fn walk(spec: &mut Value, see: &mut dyn FnMut(Key, &str) -> Option<Value>) {
    let reference = spec.get("$from").or_else(|| spec.get("$in")).and_then(Value::as_str).map(str::to_owned);
    if let Some(reference) = reference {
        let (key, field) = split(&reference);
        if let Some(value) = see(key, field) {
            *spec = value;
        }
        return;
    }
    match spec {
        Value::Object(map) => map.values_mut().for_each(|v| walk(v, see)),
        Value::Array(list) => list.iter_mut().for_each(|v| walk(v, see)),
        _ => {}
    }
}

/// Returns the keys that a spec refers to.
pub fn needs(spec: &Value) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    collect(spec, &mut keys);
    keys
}

fn collect(spec: &Value, keys: &mut BTreeSet<Key>) {
    if let Some(reference) = spec.get("$from").or_else(|| spec.get("$in")).and_then(Value::as_str) {
        keys.insert(split(reference).0);
        return;
    }
    match spec {
        Value::Object(map) => map.values().for_each(|v| collect(v, keys)),
        Value::Array(list) => list.iter().for_each(|v| collect(v, keys)),
        _ => {}
    }
}

/// Returns the first reference whose value is not known.
pub fn unresolved(spec: &Value) -> Option<&str> {
    match spec {
        Value::Object(map) => match map.get("$from").and_then(Value::as_str) {
            Some(reference) => Some(reference),
            None => map.values().find_map(unresolved),
        },
        Value::Array(list) => list.iter().find_map(unresolved),
        _ => None,
    }
}

/// Replaces every known reference of a spec by its value; unknown ones are kept.
pub fn resolve(spec: &Value, known: &KnownOutputs) -> Value {
    resolve_by(spec, |key| known.get(key).map(Arc::as_ref))
}

/// Like `resolve`, with the known outputs from a function.
pub fn resolve_by<'a>(spec: &Value, known: impl Fn(&Key) -> Option<&'a Outputs>) -> Value {
    let mut resolved = spec.clone();
    walk(&mut resolved, &mut |key, field| known(&key)?.get(field).cloned());
    resolved
}

/// Replaces unknown values by `(after KEY)`. References that only order are kept, so that the kind can still read the spec.
pub fn filled(spec: &Value) -> Value {
    let mut filled = spec.clone();
    walk(&mut filled, &mut |key, field| (!field.is_empty()).then(|| Value::String(format!("(after {key})"))));
    filled
}

/// Shows unknown references to people as `(after identity/claims)`.
pub fn shown(value: &Value) -> Value {
    let mut shown = value.clone();
    walk(&mut shown, &mut |key, _| Some(Value::String(format!("(after {key})"))));
    shown
}
