//! Converts schemas to a CustomResourceDefinition.

use serde_json::{Value, json};

/// Group and version of the objects that podid writes.
pub const POD_IDENTITY: (&str, &str) = ("aadpodidentity.k8s.io", "v1");
pub const SECRETS_STORE: (&str, &str) = ("secrets-store.csi.x-k8s.io", "v1");

pub struct Definition {
    pub group: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    /// Whether the group belongs to Kubernetes itself, where a CRD needs an approval annotation (KEP-1111).
    pub unapproved: bool,
    /// Name, type and path of the columns that `kubectl get` prints.
    pub columns: &'static [(&'static str, &'static str, &'static str)],
    /// The versions; the first one is the stored one.
    pub versions: Vec<Version>,
}

pub struct Version {
    pub name: &'static str,
    pub schema: Value,
    pub deprecated: Deprecated,
}

pub enum Deprecated {
    No,
    /// The API server sends its standard warning.
    Yes,
    With(&'static str),
}

impl Definition {
    pub fn document(&self) -> Value {
        let versions: Vec<Value> = self.versions.iter().enumerate().map(|(at, version)| self.version(version, at == 0)).collect();
        let mut metadata = json!({ "name": format!("{}.{}", self.plural, self.group) });
        if self.unapproved {
            metadata["annotations"] = json!({ "api-approved.kubernetes.io": "unapproved" });
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": metadata,
            "spec": {
                "group": self.group,
                "names": {
                    "kind": self.kind,
                    "listKind": format!("{}List", self.kind),
                    "plural": self.plural,
                    "singular": self.kind.to_lowercase(),
                },
                "scope": "Namespaced",
                "versions": versions,
            },
        })
    }

    fn version(&self, of: &Version, stored: bool) -> Value {
        let mut version = json!({ "name": of.name, "served": true, "storage": stored, "schema": { "openAPIV3Schema": of.schema } });
        if !matches!(of.deprecated, Deprecated::No) {
            version["deprecated"] = true.into();
        }
        if let Deprecated::With(warning) = of.deprecated {
            version["deprecationWarning"] = warning.into();
        }
        if !self.columns.is_empty() {
            let column = |(name, kind, path): &(&str, &str, &str)| json!({ "name": name, "type": kind, "jsonPath": path });
            version["additionalPrinterColumns"] = self.columns.iter().map(column).collect();
            // the original CRDs have this where they have columns: without subresources, the status is written with the rest
            version["subresources"] = json!({});
        }
        version
    }
}
