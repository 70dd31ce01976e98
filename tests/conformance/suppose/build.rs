//! What makes state in the sandbox, by its own interfaces, from the documents that a record shows; and the names of both worlds.

use super::{
    super::{
        compare::Reply,
        record::Record,
        world::{GROUP, World},
    },
    Made,
    place::Place,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Known to the sandbox at all times: what stands for a role that it does not have.
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const LOCATION: &str = "westus2";

pub struct Build<'a> {
    pub world: &'a World,
    pub version: String,
    /// Record's principals, applications and roles, folded, and the sandbox's.
    ids: HashMap<String, String>,
    /// Parts of paths that have another name in the sandbox, as `/kind/name`.
    renamed: Vec<(String, String)>,
    /// The record is about a location that nobody offers.
    nowhere: bool,
}

impl<'a> Build<'a> {
    pub fn new(world: &'a World, record: &Record) -> Self {
        let version = if record.api_version.is_empty() { "2022-04-01".to_owned() } else { record.api_version.clone() };
        let nowhere = record.codes.iter().any(|code| code.contains("LocationNotAvailable"));
        Self { world, version, ids: HashMap::new(), renamed: Vec::new(), nowhere }
    }

    /// From now on what the record calls so has this name.
    pub fn rename(&mut self, was: &str, is: &str) {
        self.renamed.push((was.to_owned(), is.to_owned()));
    }

    pub fn same(&mut self, was: &str, is: &str) {
        self.ids.insert(was.to_ascii_lowercase(), is.to_owned());
    }

    /// A path, or an id, of the record as one of the sandbox.
    pub fn path(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for (was, is) in &self.renamed {
            path = replace(&path, was, is);
        }
        let mut words: Vec<String> = path.split('/').map(str::to_owned).collect();
        for at in 1..words.len() {
            match words[at - 1].to_ascii_lowercase().as_str() {
                "subscriptions" => words[at].clone_from(&self.world.subscription),
                "locations" => words[at] = self.location(&words[at]),
                _ => {
                    if let Some(id) = self.ids.get(&words[at].to_ascii_lowercase()) {
                        words[at].clone_from(id);
                    }
                }
            }
        }
        words.join("/")
    }

    /// A location that the sandbox offers: a canary region is none.
    pub fn location(&self, location: &str) -> String {
        let plain = location.to_ascii_lowercase().replace(' ', "");
        if self.nowhere || self.world.locations.contains(&plain) { location.to_owned() } else { LOCATION.to_owned() }
    }

    /// A body of the record with the names of the sandbox.
    pub fn mapped(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => {
                object.iter().map(|(name, value)| (name.clone(), self.field(name, value))).collect::<Map<_, _>>().into()
            }
            Value::Array(list) => list.iter().map(|v| self.mapped(v)).collect::<Vec<_>>().into(),
            Value::String(text) if text.to_ascii_lowercase().starts_with("/subscriptions/") => json!(self.path(text)),
            Value::String(text) => json!(self.ids.get(&text.to_ascii_lowercase()).unwrap_or(text)),
            other => other.clone(),
        }
    }

    fn field(&self, name: &str, value: &Value) -> Value {
        match (name, value) {
            ("tenantId", Value::String(_)) => json!(self.world.tenant),
            ("location", Value::String(location)) => json!(self.location(location)),
            _ => self.mapped(value),
        }
    }

    pub fn must(&self, what: &str, reply: &Reply) -> Made<Value> {
        if reply.status < 300 && reply.status > 0 {
            Ok(reply.json())
        } else {
            Err(format!("{what} cannot be made: {} {}", reply.status, reply.text))
        }
    }

    /// `id` of the record; `body` of the sandbox.
    pub fn put(&self, id: &str, version: &str, body: &Value) -> Made<Value> {
        let path = self.path(id);
        self.must(&path, &self.world.arm("PUT", &format!("{path}?api-version={version}"), Some(body)))
    }

    pub fn delete(&self, id: &str, version: &str) -> Made<Reply> {
        let path = self.path(id);
        let reply = self.world.arm("DELETE", &format!("{path}?api-version={version}"), None);
        self.must(&path, &reply).map(|_| reply)
    }

    pub fn group(&self, name: &str) -> Made<()> {
        self.group_of(name, &json!({ "location": LOCATION }))
    }

    pub fn group_of(&self, name: &str, body: &Value) -> Made<()> {
        let id = format!("/subscriptions/-/resourceGroups/{name}");
        let there = self.world.arm("HEAD", &format!("{}?api-version=2022-09-01", self.path(&id)), None);
        if there.status == 204 && body.get("tags").is_none() {
            return Ok(());
        }
        self.put(&id, "2022-09-01", body).map(drop)
    }

    /// The group of a path, unless the record says that it is not there.
    pub fn group_for(&self, record: &Record) -> Made<()> {
        match Place::of(&record.path).group {
            Some(group) if !record.has("ResourceGroupNotFound") => self.group(&group),
            _ => Ok(()),
        }
    }

    /// Of a document or of an id: location and tags are those of the document.
    pub fn identity(&self, id: &str, document: &Value) -> Made<Value> {
        if let Some(group) = Place::of(id).group {
            self.group(&group)?;
        }
        let location = document["location"].as_str().map_or_else(|| LOCATION.to_owned(), |l| self.location(l));
        let mut body = json!({ "location": location });
        if let Some(tags) = document.get("tags").filter(|t| t.is_object()) {
            body["tags"] = tags.clone();
        }
        if let Some(scope) = document["properties"].get("isolationScope") {
            body["properties"] = json!({ "isolationScope": scope });
        }
        self.put(id, "2024-11-30", &body)
    }

    /// As a scope, whatever it is: a subscription, a group, a resource of any kind, or what is below one.
    pub fn scope(&mut self, scope: &str) -> Made<()> {
        let place = Place::of(scope);
        let Some(group) = place.group.clone() else { return Ok(()) };
        let kind = place.parts.first().map(|k| k.to_ascii_lowercase()).unwrap_or_default();
        let (Some(name), false) = (place.parts.get(1).cloned(), place.namespace.is_empty()) else { return self.group(&group) };
        let resource = format!("{}/providers/{}/{}/{name}", place.scope, place.namespace, place.parts[0]);
        match (place.namespace.to_ascii_lowercase().as_str(), kind.as_str()) {
            ("microsoft.containerservice", "managedclusters") => self.cluster(&group, &name, &Value::Null),
            ("microsoft.managedidentity", "userassignedidentities") => self.identity(&resource, &Value::Null).map(drop),
            ("microsoft.keyvault", "vaults") => self.vault(&resource, &Value::Null).map(drop),
            _ => {
                self.group(&group)?;
                let body = json!({ "location": LOCATION, "properties": {} });
                let version = self.version.clone();
                self.put(&resource, &version, &body)?;
                let mut below = resource;
                for pair in place.parts[2..].chunks(2).filter(|pair| pair.len() == 2) {
                    below = format!("{below}/{}/{}", pair[0], pair[1]);
                    self.put(&below, &version, &json!({ "properties": {} }))?;
                }
                Ok(())
            }
        }
    }

    /// The clusters of the sandbox are given: one with a managed identity, and one with a service principal.
    pub fn cluster(&mut self, group: &str, name: &str, document: &Value) -> Made<()> {
        let client = document["properties"]["servicePrincipalProfile"]["clientId"].as_str().unwrap_or("msi");
        let given = if client == "msi" { "aks-mi" } else { "aks-sp" };
        self.rename(&format!("/managedClusters/{name}"), &format!("/managedClusters/{given}"));
        self.rename(&format!("/resourceGroups/{group}"), &format!("/resourceGroups/{GROUP}"));
        Ok(())
    }

    /// Properties that a vault tells and nobody sets.
    fn settable(&self, document: &Value) -> Map<String, Value> {
        let mut properties = match self.mapped(&document["properties"]) {
            Value::Object(properties) => properties,
            _ => Map::new(),
        };
        for told in ["provisioningState", "vaultUri", "hsmPoolResourceId", "privateEndpointConnections"] {
            properties.remove(told);
        }
        // a principal of the recorder may be named by no GUID
        let empty = json!([]);
        properties.entry("accessPolicies").or_insert(empty);
        properties.entry("tenantId").or_insert(json!(self.world.tenant));
        properties.entry("sku").or_insert(json!({ "family": "A", "name": "standard" }));
        properties
    }

    /// Of a document or of an id.
    pub fn vault(&mut self, id: &str, document: &Value) -> Made<Value> {
        let place = Place::of(id);
        if let Some(group) = &place.group {
            self.group(group)?;
        }
        let location = document["location"].as_str().map_or_else(|| LOCATION.to_owned(), |l| self.location(l));
        let mut body = json!({ "location": location, "properties": self.settable(document) });
        if let Some(tags) = document.get("tags") {
            body["tags"] = tags.clone();
        }
        let version = if self.version.starts_with("20") { self.version.clone() } else { "2023-07-01".to_owned() };
        self.put(id, &version, &body)
    }

    /// The principal of the sandbox that plays this one, made if it is new.
    pub fn principal(&mut self, id: &str, kind: &str) -> Made<String> {
        if let Some(known) = self.ids.get(&id.to_ascii_lowercase()) {
            return Ok(known.clone());
        }
        let short: String = id.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        let made = match kind {
            "User" => {
                let body = json!({"accountEnabled": true, "displayName": short, "mailNickname": short,
                    "userPrincipalName": format!("{short}@podid.onmicrosoft.com"), "passwordProfile": {"password": "not-a-secret-1"}});
                self.must("a user", &self.world.graph("POST", "/users", Some(&body)))?["id"].clone()
            }
            "Group" => {
                let body = json!({"displayName": short, "mailEnabled": false, "mailNickname": short, "securityEnabled": true});
                self.must("a group of people", &self.world.graph("POST", "/groups", Some(&body)))?["id"].clone()
            }
            _ => {
                let id =
                    format!("/subscriptions/-/resourceGroups/{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/p{short}");
                self.identity(&id, &Value::Null)?["properties"]["principalId"].clone()
            }
        };
        let made = made.as_str().ok_or("a principal has no id")?.to_owned();
        self.same(id, &made);
        Ok(made)
    }

    /// The role of this GUID, or one that stands for it where the sandbox does not have it.
    pub fn role(&mut self, id: &str) -> String {
        let guid = id.rsplit('/').next().unwrap_or_default().to_owned();
        let path = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", self.world.subscription);
        let known = self.world.arm("GET", &format!("{path}?api-version=2022-04-01"), None).status == 200;
        let plays = if known { guid.clone() } else { READER.to_owned() };
        self.same(&guid, &plays);
        plays
    }

    /// As its document says; `name` other than its own makes an equal one.
    pub fn assignment(&mut self, document: &Value, name: Option<&str>) -> Made<Value> {
        let properties = &document["properties"];
        let id = document["id"].as_str().unwrap_or_default();
        let place = Place::of(id);
        self.scope(&place.scope)?;
        let principal = self.principal(
            properties["principalId"].as_str().unwrap_or_default(),
            properties["principalType"].as_str().unwrap_or("ServicePrincipal"),
        )?;
        let role = self.role(properties["roleDefinitionId"].as_str().unwrap_or_default());
        let mut wish = json!({"principalId": principal,
            "roleDefinitionId": format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", self.world.subscription)});
        for said in ["condition", "conditionVersion", "description", "delegatedManagedIdentityResourceId"] {
            if let Some(value) = properties.get(said).filter(|v| !v.is_null()) {
                wish[said] = self.mapped(value);
            }
        }
        let name = name.map_or_else(|| place.parts.get(1).cloned().unwrap_or_default(), str::to_owned);
        self.put(
            &format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", place.scope),
            "2022-04-01",
            &json!({ "properties": wish }),
        )
    }

    pub fn unregister(&self, path: &str) -> Made<()> {
        let namespace = Place::of(path).namespace;
        let at = format!("/subscriptions/{}/providers/{namespace}", self.world.subscription);
        self.must("an unregistered provider", &self.world.arm("POST", &format!("{at}/unregister?api-version=2021-04-01"), None))?;
        for _ in 0..5 {
            let state = self.world.arm("GET", &format!("{at}?api-version=2021-04-01"), None).json();
            if matches!(state["registrationState"].as_str(), Some("Unregistered" | "NotRegistered")) {
                return Ok(());
            }
        }
        Err(format!("{namespace} does not come unregistered"))
    }

    /// A limit that is used up, as a setting.
    pub fn throttled(&self, record: &Record) -> Made<Value> {
        let _ = record;
        Err("the sandbox has no limits".to_owned())
    }

    /// The host of a vault: recorders write others, and names longer than a vault's may be.
    pub fn host(&self, host: &str) -> String {
        let name = host.split('.').next().unwrap_or_default();
        let short: String = name.chars().take(24).collect();
        format!("{}.vault.azure.net", short.trim_end_matches('-'))
    }
}

/// Without regard to case, whole words only.
fn replace(path: &str, was: &str, is: &str) -> String {
    let folded = path.to_ascii_lowercase();
    match folded.find(&was.to_ascii_lowercase()) {
        Some(at) if folded[at + was.len()..].is_empty() || folded[at + was.len()..].starts_with('/') => {
            // the fixed word keeps the casing of the request
            let word = was.trim_start_matches('/').split('/').next().unwrap_or_default().len() + 1;
            let name = is.trim_start_matches('/').split_once('/').map_or("", |(_, name)| name);
            format!("{}/{name}{}", &path[..at + word], &path[at + was.len()..])
        }
        _ => path.to_owned(),
    }
}
