//! What helm stores of a release: one Secret for each revision, `sh.helm.release.v1.NAME.vN`, whose labels have the status and whose payload
//! is base64 of gzip of JSON (helm.sh/docs/topics/advanced, "Storage backends"; helm pkg/storage/driver/util.go).

use super::error::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::{collections::BTreeMap, io::Read};

/// The type of the Secrets.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";
/// A Secret holds at most 1 MiB; its text is a few times as large.
const LARGEST: u64 = 64 * 1024 * 1024;
const CRD: &str = "CustomResourceDefinition";

/// Selects the Secrets of a release.
pub fn selector(name: &str) -> String {
    format!("owner=helm,name={name}")
}

/// The latest revision of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    pub revision: u64,
    /// `deployed`, `failed`, `pending-upgrade`, …: helm pkg/release/status.go.
    pub status: String,
    /// The labels of its Secret, which include those that were given with `--labels`.
    pub labels: BTreeMap<String, String>,
    pub chart: String,
    pub version: String,
    /// The values that the user gave, without the chart's defaults.
    pub config: Value,
    /// The definitions of custom resources that `helm uninstall` deletes.
    pub definitions: Vec<String>,
}

/// A release with its revisions.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub latest: Release,
    /// The name of the latest Secret.
    pub secret: String,
    /// The latest revision that was deployed.
    pub deployed: Option<u64>,
}

impl History {
    /// Reads the Secrets of one release. None if there is no release, or only the history of one that was uninstalled.
    pub fn read(secrets: &[Value]) -> Result<Option<Self>, Error> {
        let mut found: Vec<(u64, &Value)> =
            secrets.iter().filter(|secret| secret["type"] == SECRET_TYPE).filter_map(|secret| Some((revision(secret)?, secret))).collect();
        found.sort_by_key(|(revision, _)| *revision);
        let Some((revision, latest)) = found.last() else { return Ok(None) };
        let deployed = found.iter().rev().find(|(_, secret)| label(secret, "status") == "deployed").map(|(revision, _)| *revision);
        let secret = text(latest, "/metadata/name").to_owned();
        let latest = decode(latest, *revision).map_err(|cause| Error::Release { secret: secret.clone(), cause })?;
        Ok((latest.status != "uninstalled").then_some(Self { latest, secret, deployed }))
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn label<'a>(secret: &'a Value, name: &str) -> &'a str {
    secret["metadata"]["labels"][name].as_str().unwrap_or_default()
}

/// `3` of `sh.helm.release.v1.web.v3`.
fn revision(secret: &Value) -> Option<u64> {
    text(secret, "/metadata/name").rsplit_once(".v")?.1.parse().ok()
}

fn decode(secret: &Value, revision: u64) -> Result<Release, String> {
    let stored = secret["data"]["release"].as_str().ok_or("it has no key `release`")?;
    // the API's base64 of the Secret's data, and helm's own
    let encoded = STANDARD.decode(stored).map_err(|e| e.to_string())?;
    let bytes = STANDARD.decode(encoded).map_err(|e| e.to_string())?;
    let release: Value = serde_json::from_slice(&unzipped(bytes)?).map_err(|e| format!("not JSON ({:?})", e.classify()))?;
    let labels = secret["metadata"]["labels"].as_object().into_iter().flatten();
    let status = Some(label(secret, "status")).filter(|status| !status.is_empty()).unwrap_or_else(|| text(&release, "/info/status"));
    Ok(Release {
        revision,
        status: status.to_owned(),
        labels: labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        chart: text(&release, "/chart/metadata/name").to_owned(),
        version: text(&release, "/chart/metadata/version").to_owned(),
        config: release.get("config").filter(|config| config.is_object()).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        definitions: definitions(text(&release, "/manifest")),
    })
}

fn unzipped(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    // releases of the first helm 3 are not compressed
    if !bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(bytes);
    }
    let mut all = Vec::new();
    GzDecoder::new(bytes.as_slice()).take(LARGEST + 1).read_to_end(&mut all).map_err(|e| e.to_string())?;
    if all.len() as u64 > LARGEST { Err(format!("it is larger than {} MiB", LARGEST / 1024 / 1024)) } else { Ok(all) }
}

/// The definitions in a rendered chart, without those that helm is told to keep.
fn definitions(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let documents = manifest.split("\n---").filter(|document| document.lines().any(|line| line.starts_with("kind:") && line.contains(CRD)));
    for document in documents {
        // the rest of the separator's line
        let document = document.strip_prefix("---").unwrap_or(document);
        let Ok(object) = serde_saphyr::from_str::<Value>(document) else { continue };
        let kept = object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep";
        if object["kind"] == CRD && !kept {
            names.extend(object["metadata"]["name"].as_str().map(str::to_owned));
        }
    }
    names
}
