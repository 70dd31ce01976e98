//! The edges of the path from a workload to a secret, as they were found: `why`, `graph` and `doctor` walk along them.

use serde::Serialize;
use std::fmt;

/// An end of an edge: an object of the cluster, or a resource of Azure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EdgeNode {
    /// Such as `Pod`, `ServiceAccount`, `Identity`, `Vault` or `Secret`.
    pub kind: String,
    /// `NAMESPACE/NAME` of an object with a namespace, `VAULT/NAME` of a secret, and the name of anything else.
    pub name: String,
}

impl EdgeNode {
    pub fn new(kind: &str, name: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), name: name.into() }
    }

    pub fn object(kind: &str, namespace: &str, name: &str) -> Self {
        Self::new(kind, format!("{namespace}/{name}"))
    }
}

impl fmt::Display for EdgeNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Whether an edge is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum EdgeState {
    There,
    Missing {
        why: String,
        /// What makes it: a sentence with a command.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// What it depends on could not be read.
    Unknown {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    pub from: EdgeNode,
    pub to: EdgeNode,
    /// By what, such as `label aadpodidbinding=web`.
    pub by: String,
    #[serde(flatten)]
    pub state: EdgeState,
}

impl Edge {
    pub fn there(from: &EdgeNode, to: &EdgeNode, by: impl Into<String>) -> Self {
        Self { from: from.clone(), to: to.clone(), by: by.into(), state: EdgeState::There }
    }

    pub fn missing(from: &EdgeNode, to: &EdgeNode, by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { state: EdgeState::Missing { why: why.into(), hint: None }, ..Self::there(from, to, by) }
    }

    pub fn unknown(from: &EdgeNode, to: &EdgeNode, by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { state: EdgeState::Unknown { why: why.into() }, ..Self::there(from, to, by) }
    }

    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let EdgeState::Missing { hint, .. } = &mut self.state {
            *hint = Some(text.into());
        }
        self
    }

    pub fn is_missing(&self) -> bool {
        matches!(self.state, EdgeState::Missing { .. })
    }
}
