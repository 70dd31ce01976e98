//! The app of a workload as a spec says it.

use crate::apps::{manifests::Expose, pods::PodSettings};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSpec {
    pub image: String,
    /// Default: 1.
    pub replicas: Option<u32>,
    /// Port of the container; with one, podid makes a Service and probes.
    pub port: Option<u16>,
    #[serde(default)]
    pub expose: Expose,
    /// Host name of the Gateway; default: any.
    pub host: Option<String>,
    /// Path that answers with success if the app is healthy; default: only the port is probed.
    pub path: Option<String>,
    /// Default: that of AKS's application routing.
    pub gateway_class: Option<String>,
    /// Name of an existing Secret with the credentials of the registry.
    pub pull_secret: Option<String>,
    #[serde(default)]
    pub env: BTreeMap<String, EnvSpec>,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub args: Vec<String>,
    /// Of the pods.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Of the pods.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub resources: ResourcesSpec,
}

/// What the container asks for, and what it may use at most; by `cpu`, `memory`, `ephemeral-storage`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourcesSpec {
    pub requests: BTreeMap<String, Quantity>,
    pub limits: BTreeMap<String, Quantity>,
}

/// `250m`, `256Mi`, or a plain number.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity(pub String);

impl AppSpec {
    pub fn pods(&self) -> PodSettings {
        let amounts = |all: &BTreeMap<String, Quantity>| all.iter().map(|(name, of)| (name.clone(), of.0.clone())).collect();
        PodSettings {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            requests: amounts(&self.resources.requests),
            limits: amounts(&self.resources.limits),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity such as `250m` or `256Mi`")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
        Ok(Quantity(text.to_owned()))
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Quantity, E> {
        Ok(Quantity(value.to_string()))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Quantity, E> {
        Ok(Quantity(value.to_string()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Quantity, E> {
        Ok(Quantity(value.to_string()))
    }
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum EnvSpec {
    Plain(String),
    /// A secret of the workload that is synced, by its name.
    Secret(String),
}

impl<'de> Deserialize<'de> for EnvSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnvVisitor)
    }
}

struct EnvVisitor;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum EnvField {
    Secret,
}

impl<'de> Visitor<'de> for EnvVisitor {
    type Value = EnvSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or `{secret: NAME}`")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EnvSpec, E> {
        Ok(EnvSpec::Plain(text.to_owned()))
    }
    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<EnvSpec, E> {
        Ok(EnvSpec::Plain(value.to_string()))
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<EnvSpec, E> {
        Ok(EnvSpec::Plain(value.to_string()))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<EnvSpec, E> {
        Ok(EnvSpec::Plain(value.to_string()))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EnvSpec, A::Error> {
        let mut secret = None;
        while let Some(EnvField::Secret) = map.next_key()? {
            secret = Some(map.next_value()?);
        }
        secret.map(EnvSpec::Secret).ok_or_else(|| serde::de::Error::missing_field("secret"))
    }
}
