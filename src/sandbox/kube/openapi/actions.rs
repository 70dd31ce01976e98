//! The paths of a kind, and the actions on each: the same in both versions of the document.

use super::super::resource::Resource;

/// Returns the path of a kind's list; one object is at `/{name}` below it.
pub fn path(r: &Resource) -> String {
    let base = if r.group.is_empty() { format!("/api/{}", r.version) } else { format!("/apis/{}/{}", r.group, r.version) };
    let scope = if r.namespaced { "/namespaces/{namespace}" } else { "" };
    format!("{base}{scope}/{}", r.plural)
}

/// Pairs of method and `x-kubernetes-action`.
pub const MANY: [(&str, &str); 2] = [("get", "list"), ("post", "post")];
pub const ONE: [(&str, &str); 4] = [("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete")];

/// Returns whether a kind has an action.
pub fn acts(r: &Resource, action: &str) -> bool {
    let verb = match action {
        "post" => "create",
        "put" => "update",
        other => other,
    };
    r.verbs.contains(&verb)
}
