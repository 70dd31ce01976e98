//! Names, labels, annotations, finalizers: what is valid, and the sentences of the API server where something is not
//! (apimachinery, `util/validation`, `api/validation`). Knows no kinds.

use super::status::Cause;
use serde_json::{Value, json};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
/// All annotations of an object together, bytes.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// How the names of a kind are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    Subdomain,
    Label,
    /// Anything that can be one segment of a path.
    Segment,
}

fn is_label(text: &str) -> bool {
    let ok = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|c| ok(*c) || *c == b'-') && bytes.first().is_some_and(|c| ok(*c)) && bytes.last().is_some_and(|c| ok(*c))
}

fn is_loose(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn longer(text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("must be no more than {most} characters"))
}

pub fn label(text: &str) -> Vec<String> {
    let mut wrong: Vec<String> = longer(text, 63).into_iter().collect();
    if !is_label(text) {
        if text.contains('.') && text.split('.').all(is_label) {
            wrong.push("must not contain dots".into());
        } else {
            wrong.push(LABEL.into());
        }
    }
    wrong
}

pub fn subdomain(text: &str) -> Vec<String> {
    let mut wrong: Vec<String> = longer(text, 253).into_iter().collect();
    if !text.split('.').all(is_label) {
        wrong.push(SUBDOMAIN.into());
    }
    wrong
}

fn segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ["/", "%"].iter().filter(|part| text.contains(**part)).map(|part| format!("may not contain '{part}'")).collect(),
    }
}

pub fn name(text: &str, naming: Naming) -> Vec<String> {
    match naming {
        Naming::Subdomain => subdomain(text),
        Naming::Label => label(text),
        Naming::Segment => segment(text),
    }
}

pub fn qualified(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut parts = text.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let part = match (second, third) {
        (_, Some(_)) => return vec![QUALIFIED.into()],
        (Some(second), None) => {
            if first.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(subdomain(first).into_iter().map(|w| format!("prefix part {w}")));
            }
            second
        }
        (None, None) => first,
    };
    if part.is_empty() {
        wrong.push("name part must be non-empty".into());
    }
    wrong.extend(longer(part, 63).map(|w| format!("name part {w}")));
    if !is_loose(part) {
        wrong.push(NAME_PART.into());
    }
    wrong
}

pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong: Vec<String> = longer(text, 63).into_iter().collect();
    if !text.is_empty() && !is_loose(text) {
        wrong.push(LABEL_VALUE.into());
    }
    wrong
}

pub fn labels(labels: &Value, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        causes.extend(qualified(key).iter().map(|w| Cause::invalid(field, &json!(key), w)));
        let value_text = value.as_str().unwrap_or_default();
        causes.extend(label_value(value_text).iter().map(|w| Cause::invalid(field, value, w)));
    }
    causes
}

/// What is wrong with an object's metadata.
pub fn metadata(metadata: &Value, naming: Naming) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |name: &str| metadata[name].as_str().unwrap_or_default();
    let generate = text("generateName");
    if !generate.is_empty() {
        // The server looks at the prefix with a stand-in for what follows.
        let prefix = generate.strip_suffix('-').map_or_else(|| generate.to_owned(), |p| format!("{p}a"));
        causes.extend(name(&prefix, naming).iter().map(|w| Cause::invalid("metadata.generateName", &json!(generate), w)));
    }
    if text("name").is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        causes.extend(name(text("name"), naming).iter().map(|w| Cause::invalid("metadata.name", &metadata["name"], w)));
    }
    causes.extend(labels(&metadata["labels"], "metadata.labels"));
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        // Annotation keys may have capitals in the prefix.
        causes.extend(qualified(&key.to_lowercase()).iter().map(|w| Cause::invalid("metadata.annotations", &json!(key), w)));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > MOST_ANNOTATIONS {
        let message = format!("Too long: may not be more than {MOST_ANNOTATIONS} bytes");
        causes.push(Cause { field: "metadata.annotations".into(), reason: "FieldValueTooLong", message });
    }
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
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
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        let text = finalizer.as_str().unwrap_or_default();
        causes.extend(qualified(text).iter().map(|w| Cause::invalid("metadata.finalizers", finalizer, w)));
    }
    causes
}

/// Warnings on finalizers that are not named after a domain.
pub fn finalizer_warnings(metadata: &Value) -> Vec<String> {
    const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_capitals_or_underscores_are_refused() {
        assert_eq!(subdomain("A_b"), [SUBDOMAIN]);
        assert_eq!(label("n1.x"), ["must not contain dots"]);
        assert!(label("a-b").is_empty() && subdomain("a.b-c").is_empty());
        assert_eq!(name("a/b%", Naming::Segment), ["may not contain '/'", "may not contain '%'"]);
    }

    #[test]
    fn label_keys_have_one_slash_at_most() {
        assert_eq!(qualified("a/b/c"), [QUALIFIED]);
        assert!(qualified("kubernetes.io/metadata.name").is_empty());
        assert_eq!(label_value("b c"), [LABEL_VALUE]);
        assert!(label_value("").is_empty());
    }
}
