//! Splits a path into group, version, namespace, resource, name and subresource. Does not know which kinds exist.

/// Where a request goes.
#[derive(Debug, PartialEq)]
pub enum Route {
    /// A path that is no object: `/version`, `/openapi/v3/…`, `/healthz`, discovery.
    Path,
    Object(Target),
}

#[derive(Debug, PartialEq, Default, Clone)]
pub struct Target {
    pub group: String,
    pub version: String,
    pub namespace: Option<String>,
    pub plural: String,
    pub name: String,
    pub sub: String,
}

/// Splits a path into segments; doubled slashes count as one.
pub fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|s| !s.is_empty()).map(decode).collect()
}

pub fn route(path: &str) -> Route {
    let all = segments(path);
    let parts: Vec<&str> = all.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Route::Path,
    };
    let target = |namespace: Option<&str>, rest: &[&str]| {
        let at = |i: usize| rest.get(i).copied().unwrap_or_default().to_owned();
        Route::Object(Target {
            group: group.into(),
            version: version.into(),
            namespace: namespace.map(str::to_owned),
            plural: at(0),
            name: at(1),
            sub: rest.get(2..).unwrap_or_default().join("/"),
        })
    };
    match rest {
        // A namespace itself, and its subresources.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => target(None, rest),
        ["namespaces", namespace, rest @ ..] => target(Some(namespace), rest),
        rest => target(None, rest),
    }
}

/// Returns `/api/v1/watch/pods` without its `watch`.
pub fn without_watch(path: &str) -> Option<String> {
    let (head, rest) = path.split_once("/watch/")?;
    let depth = head.split('/').filter(|s| !s.is_empty()).count();
    let versioned = head.starts_with("/api/") && depth == 2 || head.starts_with("/apis/") && depth == 3;
    versioned.then(|| format!("{head}/{rest}"))
}

/// Decodes percent-encoding: `%41` is `A`; other text stays.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match route(path) {
            Route::Object(target) => target,
            Route::Path => panic!("{path} is no object"),
        }
    }

    #[test]
    fn a_namespace_is_an_object_and_contains_objects() {
        assert_eq!((target("/api/v1/namespaces/a").plural.as_str(), target("/api/v1/namespaces/a").name.as_str()), ("namespaces", "a"));
        assert_eq!(target("/api/v1/namespaces/a/status").sub, "status");
        let pods = target("/api/v1/namespaces/a/pods/b/log");
        assert_eq!(
            (pods.namespace.as_deref(), pods.plural.as_str(), pods.name.as_str(), pods.sub.as_str()),
            (Some("a"), "pods", "b", "log")
        );
    }

    #[test]
    fn group_and_version_alone_are_discovery() {
        assert_eq!(route("/apis/apps/v1"), Route::Path);
        assert_eq!(target("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Adiscovery").name, "system:discovery");
    }
}
