//! Who gets a role or a grant, and where a role holds, as parts of a graph.

use crate::{
    azure::{ArmId, PrincipalKind},
    engine::{input::Input, key::Key},
    resources::principal,
    spec::known::ClusterRef,
};

/// Who gets a role or a grant, as a part of the graph.
pub struct Grantee {
    pub key: Key,
    pub(super) id: Input<String>,
    pub(super) kind: Input<PrincipalKind>,
}

impl Grantee {
    pub(super) fn given(kind: PrincipalKind, object_id: &str) -> Self {
        Self { key: principal::key(object_id), id: Input::Known(object_id.to_owned()), kind: Input::Known(kind) }
    }
}

/// Where a role holds, as a part of the graph.
pub struct RoleScope {
    /// As a part of a key.
    pub word: String,
    pub(super) id: Input<String>,
    /// The resource of the graph at which it holds.
    pub(super) key: Option<Key>,
    /// The cluster whose nodes lie in it, where that was said.
    pub(super) nodes_of: Option<ClusterRef>,
}

impl RoleScope {
    pub(super) fn fixed(word: &str, id: &ArmId) -> Self {
        Self { word: word.to_owned(), id: Input::Known(id.to_string()), key: None, nodes_of: None }
    }
}
