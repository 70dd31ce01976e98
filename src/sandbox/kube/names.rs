//! Validates names and labels, with the messages of the API server (apimachinery, `util/validation`).

use super::status::Cause;
use serde_json::{Value, json};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// How the names of a kind are validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    Subdomain,
    Label,
    /// A label that begins with a letter (RFC 1035).
    Service,
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

fn service(text: &str) -> Vec<String> {
    const RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    let mut out: Vec<String> = longer(text, 63).into_iter().collect();
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        out.push(RULE.to_owned());
    }
    out
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
        Naming::Service => service(text),
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
