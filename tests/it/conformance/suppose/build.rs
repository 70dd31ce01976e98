//! Creates state in the sandbox, through its own interfaces, from the documents of a record, and maps the names of both worlds.

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

/// Roles that the sandbox has: they stand for roles of the record that it does not have.
const STAND_INS: [&str; 8] = [
    "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
    "749f88d5-cbae-40b8-bcfc-e573ddc772fa",
    "73c42c96-874c-492b-b04d-ab87d138a893",
    "92aaf0da-9dab-42b6-94a3-d43ce8d16293",
    "4a9ae827-6dc8-4573-8ac7-8239d42aa03f",
    "cfd33db0-3dd1-45e3-aa9d-cdbdf3b6f24e",
    "39bc4728-0917-49c7-9d2c-d95423bc2eb4",
];
const LOCATION: &str = "westus2";
/// The last version that does not fill in soft delete.
const OLD_VAULTS: &str = "2018-02-14";

pub struct Build<'a> {
    pub world: &'a World,
    pub version: String,
    /// The record's principals, applications and roles in lower case, with those of the sandbox.
    ids: HashMap<String, String>,
    /// Parts of paths that have another name in the sandbox, as `/kind/name`.
    renamed: Vec<(String, String)>,
    /// The record is about a location that does not exist.
    unknown_location: bool,
    /// How many roles of the record have a stand-in.
    stand_ins: usize,
}

impl<'a> Build<'a> {
    pub fn new(world: &'a World, record: &Record) -> Self {
        let version = if record.api_version.is_empty() { "2022-04-01".to_owned() } else { record.api_version.clone() };
        let unknown_location = record.codes.iter().any(|code| code.contains("LocationNotAvailable"));
        Self { world, version, ids: HashMap::new(), renamed: Vec::new(), unknown_location, stand_ins: 0 }
    }

    /// Gives a name of the record another name in the sandbox.
    pub fn rename(&mut self, was: &str, is: &str) {
        self.renamed.push((was.to_owned(), is.to_owned()));
    }

    pub fn same(&mut self, was: &str, is: &str) {
        self.ids.insert(was.to_ascii_lowercase(), is.to_owned());
    }

    /// Returns a path, or an id, of the record with the names of the sandbox.
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

    /// Returns a location that the sandbox offers: it has no canary regions.
    pub fn location(&self, location: &str) -> String {
        let plain = location.to_ascii_lowercase().replace(' ', "");
        if self.unknown_location || self.world.locations.contains(&plain) { location.to_owned() } else { LOCATION.to_owned() }
    }

    /// Returns a body of the record with the names of the sandbox.
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

    /// Creates a resource. `id` is the record's; `body` has the names of the sandbox.
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

    /// Creates the group of a path, unless the record says that it does not exist.
    pub fn group_for(&self, record: &Record) -> Made<()> {
        match Place::of(&record.path).group {
            Some(group) if !record.has("ResourceGroupNotFound") => self.group(&group),
            _ => Ok(()),
        }
    }

    /// Creates an identity from a document or an id: location and tags come from the document.
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

    /// Creates what a scope names: a subscription, a group, a resource of any kind, or what is below one.
    pub fn scope(&mut self, scope: &str) -> Made<()> {
        let place = Place::of(scope);
        let Some(group) = place.group.clone() else { return Ok(()) };
        let kind = place.parts.first().map(|k| k.to_ascii_lowercase()).unwrap_or_default();
        let (Some(name), false) = (place.parts.get(1).cloned(), place.namespace.is_empty()) else { return self.group(&group) };
        let resource = format!("{}/providers/{}/{}/{name}", place.scope, place.namespace, place.parts[0]);
        match (place.namespace.to_ascii_lowercase().as_str(), kind.as_str()) {
            ("microsoft.containerservice", "managedclusters") => {
                self.group(&group)?;
                self.cluster(&resource)
            }
            ("microsoft.managedidentity", "userassignedidentities") => self.identity(&resource, &Value::Null).map(drop),
            ("microsoft.keyvault", "vaults") => self.vault(&resource, &Value::Null).map(drop),
            ("microsoft.compute", "virtualmachinescalesets") => self.scale_set(&group, &name),
            _ => {
                self.group(&group)?;
                self.register(&place.namespace)?;
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

    /// Creates a cluster as a scope, with the required properties.
    fn cluster(&self, id: &str) -> Made<()> {
        let body = json!({"location": LOCATION, "identity": {"type": "SystemAssigned"},
            "properties": {"dnsPrefix": "lab", "agentPoolProfiles": [{"name": "nodepool1", "mode": "System", "count": 1}]}});
        self.put(id, "2024-09-01", &body).map(drop)
    }

    /// Creates an application with its service principal, for a cluster that runs as one.
    pub fn login(&mut self, app_id: &str) -> Made<String> {
        let made = self.must("an application", &self.world.graph("POST", "/applications", Some(&json!({"displayName": "cluster"}))))?;
        let app = made["appId"].as_str().unwrap_or_default().to_owned();
        self.must("a principal", &self.world.graph("POST", "/servicePrincipals", Some(&json!({ "appId": app }))))?;
        self.same(app_id, &app);
        Ok(app)
    }

    /// Finds a scale set: the sandbox has only those of its nodes.
    fn scale_set(&mut self, group: &str, name: &str) -> Made<()> {
        let path = format!(
            "/subscriptions/{}/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2022-08-01",
            self.world.subscription
        );
        let id = self.world.arm("GET", &path, None).json()["value"][0]["id"].as_str().ok_or("there is no scale set")?.to_owned();
        let place = Place::of(&id);
        self.rename(
            &format!("/virtualMachineScaleSets/{name}"),
            &format!("/virtualMachineScaleSets/{}", place.name("virtualMachineScaleSets").unwrap_or_default()),
        );
        self.rename(&format!("/resourceGroups/{group}"), &format!("/resourceGroups/{}", place.group.unwrap_or_default()));
        Ok(())
    }

    /// Returns the properties that a client may set: a vault returns others too.
    fn settable(&self, document: &Value) -> Map<String, Value> {
        let mut properties = match self.mapped(&document["properties"]) {
            Value::Object(properties) => properties,
            _ => Map::new(),
        };
        for told in ["provisioningState", "vaultUri", "hsmPoolResourceId", "privateEndpointConnections"] {
            properties.remove(told);
        }
        // A recorder may replace a principal by a text that is not a GUID.
        let empty = json!([]);
        properties.entry("accessPolicies").or_insert(empty);
        properties.entry("tenantId").or_insert(json!(self.world.tenant));
        properties.entry("sku").or_insert(json!({ "family": "A", "name": "standard" }));
        properties
    }

    /// Creates a vault from a document or an id.
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
        // A document without soft delete is about a vault that an old client created.
        let told = &document["properties"];
        let silent = told["vaultUri"].is_string() && told.get("enableSoftDelete").is_none();
        let version = match self.version.as_str() {
            _ if silent => OLD_VAULTS,
            version if version.starts_with("20") => version,
            _ => "2023-07-01",
        };
        self.put(id, version, &body)
    }

    /// Returns the principal of the sandbox that stands for this one; creates it on first use.
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

    /// Adds a principal of the sandbox to a group of the record.
    pub fn member(&mut self, group: &str, member: &str) -> Made<()> {
        let group = self.principal(group, "Group")?;
        let body = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{member}") });
        let reply = self.world.graph("POST", &format!("/groups/{group}/members/$ref"), Some(&body));
        self.must("a member", &reply).map(drop)
    }

    /// Returns the role of this GUID, or one that stands for it if the sandbox does not have it.
    pub fn role(&mut self, id: &str) -> String {
        let guid = id.rsplit('/').next().unwrap_or_default().to_owned();
        let path = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", self.world.subscription);
        let known = self.world.arm("GET", &format!("{path}?api-version=2022-04-01"), None).status == 200;
        if let Some(plays) = self.ids.get(&guid.to_ascii_lowercase()) {
            return plays.clone();
        }
        let plays = if known { guid.clone() } else { STAND_INS[self.stand_ins.min(STAND_INS.len() - 1)].to_owned() };
        self.stand_ins += usize::from(!known);
        self.same(&guid, &plays);
        plays
    }

    /// Creates an assignment as its document says; another `name` creates an equal one.
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

    pub fn register(&self, namespace: &str) -> Made<()> {
        let path = format!("/subscriptions/{}/providers/{namespace}/register?api-version=2021-04-01", self.world.subscription);
        self.must("a registration", &self.world.arm("POST", &path, None)).map(drop)
    }

    /// Grants the owner access to everything, as directory administrators can.
    pub fn elevate(&self) -> Made<()> {
        let path = "/providers/Microsoft.Authorization/elevateAccess?api-version=2017-05-01";
        self.must("elevated access", &self.world.arm("POST", path, None)).map(drop)
    }

    /// Returns a setting that uses up a limit.
    pub fn throttled(&self, record: &Record) -> Value {
        if record.host.contains("vault") {
            json!({"limits": {"vault": 0}})
        } else if record.has("429") {
            json!({"limits": {"identity": 0}})
        } else {
            json!({"limits": {"reads": 0, "writes": 0, "deletes": 0}})
        }
    }

    /// Returns the host of a vault: recorders write other hosts, and names that are too long for a vault.
    pub fn host(&self, host: &str) -> String {
        let name = host.split('.').next().unwrap_or_default();
        let short: String = name.chars().take(24).collect();
        format!("{}.vault.azure.net", short.trim_end_matches('-'))
    }
}

/// Replaces whole words, ignoring case.
fn replace(path: &str, was: &str, is: &str) -> String {
    let folded = path.to_ascii_lowercase();
    match folded.find(&was.to_ascii_lowercase()) {
        Some(at) if folded[at + was.len()..].is_empty() || folded[at + was.len()..].starts_with('/') => {
            // The fixed word keeps the casing of the request.
            let word = was.trim_start_matches('/').split('/').next().unwrap_or_default().len() + 1;
            let name = is.trim_start_matches('/').split_once('/').map_or("", |(_, name)| name);
            format!("{}/{name}{}", &path[..at + word], &path[at + was.len()..])
        }
        _ => path.to_owned(),
    }
}
