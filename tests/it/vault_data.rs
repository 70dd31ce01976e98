//! Secrets and access policies that others change too: what a run can read only after its own grant, secrets that a colleague disabled, tagged
//! or let expire, values that are missing or not text, typed answers, and what a saved plan guarantees.

mod attributes;
mod migration;
mod policies;
mod promise;
mod typed;
mod unseen;
mod values;

use crate::common::World;
use serde_json::{Value, json};

const VAULT: &str = "kv-shop-x1";
const API: &str = "api-version=2026-02-01";
/// The flags that name the vault on the command line.
const OF_VAULT: &[&str] = &["--vault", VAULT, "-g", "podid-lab"];

const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault:
  name: kv-shop-x1
  model: access-policy
  secrets:
    - {name: conn, value: {file: conn.txt}}
workloads:
  - name: web
    namespace: shop
    identity: {name: shop-mid}
    secrets:
      - {name: conn}
";

/// Returns a served world with the spec above and the value of its secret.
fn world() -> World {
    let world = World::served();
    world.write("shop.yaml", SPEC);
    world.write("conn.txt", "mine");
    world
}

impl World {
    fn vault_path(&self) -> String {
        format!("{}?{API}", self.vault_id(VAULT))
    }

    fn tenant(&self) -> String {
        self.environment().into_iter().find(|(name, _)| name == "AZURE_TENANT_ID").unwrap().1
    }

    /// Returns the object id of podid's own login.
    fn login(&self) -> String {
        self.podid(&["state", "show", "caller", "--app", "shop", "-o", "json"]).ok().json()["outputs"]["object_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Writes the vault as a template or `az keyvault create` does: policies that are not listed are removed.
    fn write_vault(&self, policies: &Value) {
        let properties = json!({ "tenantId": self.tenant(), "sku": { "family": "A", "name": "standard" },
            "enableRbacAuthorization": false, "accessPolicies": policies });
        let tags = json!({ "managed-by": "podid", "podid-app": "shop" });
        self.arm("PUT", &self.vault_path(), Some(json!({ "location": "westeurope", "tags": tags, "properties": properties }))).ok();
    }

    /// Returns an entry of a vault's access policies.
    fn entry(&self, object_id: &str, permissions: &Value) -> Value {
        json!({ "tenantId": self.tenant(), "objectId": object_id, "permissions": permissions })
    }

    fn policies(&self) -> Vec<Value> {
        self.arm("GET", &self.vault_path(), None).ok()["properties"]["accessPolicies"].as_array().unwrap().clone()
    }

    /// Returns the secret as the vault has it.
    fn secret(&self) -> Value {
        self.vault("GET", VAULT, "/secrets/conn", None).ok()
    }

    fn origin_of(&self, key: &str) -> Option<String> {
        let listed = self.listed();
        let entry = listed["entries"].as_array().unwrap().iter().find(|entry| entry["key"] == key)?;
        Some(entry["origin"].as_str().unwrap().to_owned())
    }

    fn shop(&self, words: &[&str]) -> crate::common::Output {
        self.podid(&[words, &["-f", "shop.yaml"]].concat())
    }
}
