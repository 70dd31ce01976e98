//! The app of a workload as a spec says it.

use crate::apps::manifests::Expose;
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
