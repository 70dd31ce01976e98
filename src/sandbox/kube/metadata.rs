//! Validates an object's metadata, when it is created and when it changes (apimachinery, `api/validation/objectmeta.go`; more rules for
//! built-in kinds: kubernetes, `pkg/apis/core/validation`). Does not depend on kinds or the store.

use super::names::{Naming, labels, name, qualified};
use super::status::Cause;
use super::typed::equal;
use serde_json::{Value, json};

/// The most bytes that all annotations of an object may have together.
const MAX_ANNOTATIONS_SIZE: usize = 256 * 1024;
/// The metadata fields that only the server writes.
pub const SERVER_FIELDS: [&str; 7] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace", "selfLink"];

const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Validates the metadata of a whole object. With `core`, finalizers without a domain are refused, as built-in kinds do.
pub fn causes(metadata: &Value, naming: Naming, core: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |name: &str| metadata[name].as_str().unwrap_or_default();
    let generate = text("generateName");
    if !generate.is_empty() {
        // The server validates the prefix with one more letter in place of the suffix.
        let prefix = generate.strip_suffix('-').map_or_else(|| generate.to_owned(), |p| format!("{p}a"));
        causes.extend(name(&prefix, naming).iter().map(|w| Cause::invalid("metadata.generateName", &json!(generate), w)));
    }
    if text("name").is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        causes.extend(name(text("name"), naming).iter().map(|w| Cause::invalid("metadata.name", &metadata["name"], w)));
    }
    causes.extend(shared(metadata));
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        let text = finalizer.as_str().unwrap_or_default();
        causes.extend(qualified(text).iter().map(|w| Cause::invalid("metadata.finalizers", finalizer, w)));
    }
    if core {
        causes.extend(domainless(metadata));
    }
    causes
}

/// Validates a change.
pub fn changes(old: &Value, new: &Value, core: bool) -> Vec<Cause> {
    let mut causes = new_finalizers(old, new);
    for name in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if !equal(&old[name], &new[name]) {
            causes.push(Cause::invalid(&format!("metadata.{name}"), &new[name], "field is immutable"));
        }
    }
    causes.extend(shared(new));
    if core {
        causes.extend(domainless(new));
    }
    causes
}

/// The checks that are the same for new and changed objects.
fn shared(metadata: &Value) -> Vec<Cause> {
    let mut causes = labels(&metadata["labels"], "metadata.labels");
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        // Annotation keys may have capitals in the prefix.
        causes.extend(qualified(&key.to_lowercase()).iter().map(|w| Cause::invalid("metadata.annotations", &json!(key), w)));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > MAX_ANNOTATIONS_SIZE {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS_SIZE} bytes");
        causes.push(Cause { field: "metadata.annotations".into(), reason: "FieldValueTooLong", message });
    }
    causes.extend(owners(&metadata["ownerReferences"]));
    causes
}

fn owners(references: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut controller: Option<String> = None;
    for owner in references.as_array().into_iter().flatten() {
        for (name, what) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[name].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(&format!("metadata.ownerReferences.{name}"), &json!(""), what));
            }
        }
        if owner["controller"] != true {
            continue;
        }
        let text = |name: &str| owner[name].as_str().unwrap_or_default();
        let this = format!("{}/{}", text("kind"), text("name"));
        match &controller {
            Some(first) => {
                let why =
                    format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}");
                causes.push(Cause::invalid("metadata.ownerReferences", &in_order(references), &why));
            }
            None => controller = Some(this),
        }
    }
    causes
}

/// Orders the fields of owner references as the server's struct does.
fn in_order(references: &Value) -> Value {
    let fields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let one = |owner: &Value| -> Value {
        fields.iter().filter_map(|f| Some(((*f).to_owned(), owner.get(*f)?.clone()))).collect::<serde_json::Map<_, _>>().into()
    };
    references.as_array().into_iter().flatten().map(one).collect()
}

fn new_finalizers(old: &Value, new: &Value) -> Vec<Cause> {
    if old["deletionTimestamp"].is_null() {
        return Vec::new();
    }
    let list = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let before = list(old);
    let mut fresh: Vec<String> = list(new).iter().filter(|f| !before.contains(f)).map(Value::to_string).collect();
    if fresh.is_empty() {
        return Vec::new();
    }
    fresh.sort();
    let why =
        format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}", fresh.join(", "));
    vec![Cause::forbidden("metadata.finalizers", &why)]
}

fn domainless(metadata: &Value) -> Vec<Cause> {
    let all = metadata["finalizers"].as_array().into_iter().flatten().enumerate();
    let bare = all.filter(|(_, f)| f.as_str().is_some_and(|f| !f.contains('/') && !STANDARD.contains(&f)));
    bare.map(|(i, f)| {
        Cause::invalid(&format!("metadata.finalizers[{i}]"), f, "name is neither a standard finalizer name nor is it fully qualified")
    })
    .collect()
}

/// Returns warnings about finalizers that are not named after a domain.
pub fn finalizer_warnings(metadata: &Value) -> Vec<String> {
    let all = metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.filter(|f| !f.contains('/') && !STANDARD.contains(f))
        .map(|f| {
            let path = if f.contains('.') { " including a path (/)" } else { "" };
            format!(
                "metadata.finalizers: {}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers",
                json!(f)
            )
        })
        .collect()
}
