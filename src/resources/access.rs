//! The words in which a kind says what its requests need of a cluster's RBAC. `cluster rbac` prints them as Roles, and tests/it/rbac.rs holds
//! them to what is really sent: nothing more, nothing less.

use std::borrow::Cow;

/// Verbs on objects of one resource, as a Role names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Empty for the core group.
    pub group: Cow<'static, str>,
    /// The plural, as in a URL.
    pub resource: Cow<'static, str>,
    pub verbs: &'static [&'static str],
    pub reach: Reach,
    pub named: Named,
    /// What is lost without it, where podid goes on all the same. None: podid fails, and says which verb it lacks where.
    pub without: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On the object that is the namespace.
    Itself,
    /// On objects in the app's namespaces.
    Within,
    /// On objects in this namespace.
    Namespace(String),
    /// On cluster-scoped objects, or on objects of all namespaces at once.
    Everywhere,
}

/// To which names a right can be narrowed down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Any,
    These(Vec<String>),
    /// Secrets that the driver keeps in step: a spec says which.
    Synced,
}

/// What is done with objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looked at, and compared by a dry run of the apply.
    Read,
    /// That, and applied; also as a dry run of something that is not there yet.
    Write,
    Delete,
    /// Looked for by podid's marks (`state rebuild`).
    List,
    /// Looked for in a namespace that is to be deleted.
    Content,
}

pub const READ: &[&str] = &["get", "patch"];
pub const WRITE: &[&str] = &["get", "patch", "create"];
pub const DELETE: &[&str] = &["get", "delete"];

/// What is lost where podid may not see what is in a namespace. Most who only want their app to go should not have these rights: a list of
/// Secrets is all their values.
pub const NAMESPACE_STAYS: &str = "a namespace that podid made stays when the app goes";

impl Right {
    pub const fn new(group: &'static str, resource: &'static str, verbs: &'static [&'static str], reach: Reach) -> Self {
        Self { group: Cow::Borrowed(group), resource: Cow::Borrowed(resource), verbs, reach, named: Named::Any, without: None }
    }

    /// The same right, which podid can do without.
    #[must_use]
    pub fn optional(self, without: &'static str) -> Self {
        Self { without: Some(without), ..self }
    }

    /// The same right on these names only.
    #[must_use]
    pub fn named(self, named: Named) -> Self {
        Self { named, ..self }
    }
}
