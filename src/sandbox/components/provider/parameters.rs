//! The parameters of a SecretProviderClass as the provider reads them: strings with case-sensitive names; unknown ones are ignored.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) struct Parameters {
    pub(super) tenant: String,
    vault: String,
    pub(super) pod_identity: bool,
    pub(super) vm_identity: bool,
    pub(super) token_proxy: bool,
    pub(super) user_assigned: String,
    pub(super) client_id: String,
}

pub(super) struct Object {
    pub(super) name: String,
    alias: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) encoding: String,
}

fn text<'a>(parameters: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    parameters.get(name).map_or("", |value| value.trim())
}

/// Does what Go's strconv.ParseBool does.
fn flag(parameters: &BTreeMap<String, String>, name: &str) -> Result<bool, String> {
    match text(parameters, name) {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        other => Err(format!("failed to parse {name} flag, error: strconv.ParseBool: parsing {other:?}: invalid syntax")),
    }
}

impl Parameters {
    pub(super) fn read(parameters: &BTreeMap<String, String>) -> Result<Self, String> {
        let text = |name| text(parameters, name);
        let (pod_identity, vm_identity) = (flag(parameters, "usePodIdentity")?, flag(parameters, "useVMManagedIdentity")?);
        let token_proxy = flag(parameters, "useAzureTokenProxy")?;
        let tenant = [text("tenantID"), text("tenantId")].into_iter().find(|t| !t.is_empty());
        if text("keyvaultName").is_empty() {
            return Err("keyvaultName is not provided".into());
        }
        let tenant = tenant.ok_or("tenantId is not provided")?.to_owned();
        let cloud = text("cloudName");
        let known = ["", "AZUREPUBLICCLOUD", "AZUREUSGOVERNMENTCLOUD", "AZUREUSGOVERNMENT", "AZURECHINACLOUD", "AZURESTACKCLOUD"];
        if !known.contains(&cloud.to_uppercase().as_str()) {
            let why = format!("autorest/azure: There is no cloud environment matching the name {:?}", cloud.to_uppercase());
            return Err(format!("cloudName {cloud} is not valid, error: {why}"));
        }
        Ok(Self {
            tenant,
            vault: text("keyvaultName").to_owned(),
            pod_identity,
            vm_identity,
            token_proxy,
            user_assigned: text("userAssignedIdentityID").to_owned(),
            client_id: text("clientID").to_owned(),
        })
    }

    pub(super) fn vault_host(&self) -> Result<String, String> {
        let name = &self.vault;
        if !(3..=24).contains(&name.len()) {
            return Err(format!("Invalid vault name: {name:?}, must be between 3 and 24 chars"));
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("Invalid vault name: {name:?}, must match [-a-zA-Z0-9]{{3,24}}"));
        }
        Ok(format!("{name}.vault.azure.net"))
    }
}

#[derive(Deserialize)]
struct Array {
    #[serde(default)]
    array: Option<Vec<Value>>,
}

/// Parses a YAML string with `array:`, whose items are YAML strings, too.
pub(super) fn objects(parameters: &BTreeMap<String, String>) -> Result<Vec<Object>, String> {
    let all = text(parameters, "objects");
    if all.is_empty() {
        return Err("objects is not set".into());
    }
    let failed = |why: String| format!("failed to yaml unmarshal objects, error: yaml: {why}");
    let array: Array = crate::yaml::read(all).map_err(|e| failed(place(&e)))?;
    let mut objects = Vec::new();
    for (index, item) in array.array.unwrap_or_default().iter().enumerate() {
        let item = match item {
            Value::String(item) => item,
            other => {
                let tag = if other.is_object() {
                    "!!map"
                } else if other.is_array() {
                    "!!seq"
                } else {
                    "!!null"
                };
                return Err(failed(format!("unmarshal errors: cannot unmarshal {tag} into string")));
            }
        };
        let why = |e: String| format!("unmarshal failed for keyVaultObjects at index {index}, error: yaml: {e}");
        let fields: Value = crate::yaml::read(item).map_err(|e| why(place(&e)))?;
        if !fields.is_object() {
            return Err(why("unmarshal errors: cannot unmarshal into types.KeyVaultObject".into()));
        }
        let object = Object::read(&fields);
        object.check(&fields).map_err(|e| object.wrap(&e))?;
        objects.push(object);
    }
    Ok(objects)
}

fn place(e: &serde_saphyr::Error) -> String {
    e.location().map_or_else(|| "did not find expected node".into(), |at| format!("line {}: did not find expected node content", at.line()))
}

fn field(fields: &Value, name: &str) -> String {
    match &fields[name] {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

impl Object {
    fn read(fields: &Value) -> Self {
        Self {
            name: field(fields, "objectName"),
            alias: field(fields, "objectAlias"),
            version: field(fields, "objectVersion"),
            kind: field(fields, "objectType"),
            encoding: field(fields, "objectEncoding"),
        }
    }

    fn check(&self, fields: &Value) -> Result<(), String> {
        let format = field(fields, "objectFormat");
        if !format.is_empty() {
            if !format.eq_ignore_ascii_case("pem") && !format.eq_ignore_ascii_case("pfx") {
                return Err(format!("invalid objectFormat: {format}, should be PEM or PFX"));
            }
            if format == "pfx" && self.kind != "secret" {
                return Err("PFX format only supported for objectType: secret".into());
            }
        }
        if !self.encoding.is_empty() {
            if self.kind != "secret" {
                return Err("objectEncoding only supported for objectType: secret".into());
            }
            if !["hex", "base64", "utf-8"].contains(&self.encoding.to_lowercase().as_str()) {
                return Err(format!("invalid objectEncoding: {}, should be hex, base64 or utf-8", self.encoding));
            }
        }
        let file = self.file();
        if file.is_empty() {
            return Err("file name must not be empty".into());
        }
        if file.starts_with('/') {
            return Err("file name must be a relative path".into());
        }
        if file.contains("..") {
            return Err("file name must not contain '..'".into());
        }
        Ok(())
    }

    pub(super) fn file(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    pub(super) fn uid(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    pub(super) fn wrap(&self, e: &str) -> String {
        format!("failed to get objectType:{}, objectName:{}, objectVersion:{}: {e}", self.kind, self.name, self.version)
    }
}
