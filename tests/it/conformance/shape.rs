//! The shape of a value: its kind, the pattern of a date, the fixed words of an id and of a URL. Names, numbers and texts are ignored.

use serde_json::Value;

/// The recorder of Azure Service Operator replaces every date by this.
const ANY_DATE: &str = "2001-02-03T04:05:06Z";

pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Returns the pattern of a text, or `None`.
pub fn pattern(text: &str) -> Option<String> {
    date(text).or_else(|| id(text)).or_else(|| url(text)).or_else(|| guid(text).then(|| "a GUID".to_owned()))
}

pub fn guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The pattern of `2023-08-23T13:05:57.6621925Z`: the separator, the digits of the fraction, and the zone. One to three digits are one
/// pattern, also no digits: those services drop zeros at the end.
fn date(text: &str) -> Option<String> {
    if text == ANY_DATE {
        return Some("a date".to_owned());
    }
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let mark = |at: usize, what: &[u8]| bytes.get(at).is_some_and(|b| what.contains(b));
    let is_date = digits(0, 4) && mark(4, b"-") && digits(5, 7) && mark(7, b"-") && digits(8, 10) && mark(10, b"T ");
    if !is_date || !digits(11, 13) || !mark(13, b":") || !digits(14, 16) || !mark(16, b":") || !digits(17, 19) {
        return None;
    }
    let rest = &text[19..];
    let fraction = rest.strip_prefix('.').map_or(0, |after| after.bytes().take_while(u8::is_ascii_digit).count());
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let zone = if zone.len() > 1 { "an offset" } else { zone };
    let fraction = match fraction {
        0..=3 => "at most 3 digits".to_owned(),
        n => format!("{n} digits"),
    };
    Some(format!("a date with '{}', {fraction}, '{zone}'", &text[10..11]))
}

/// Returns the shape of an ARM id: its fixed words with their casing, and each name as a star.
pub fn id(text: &str) -> Option<String> {
    let rest = text.strip_prefix('/')?;
    let mut out = String::new();
    let mut words = rest.split('/');
    let first = words.clone().next()?;
    if !matches!(first.to_ascii_lowercase().as_str(), "subscriptions" | "providers") {
        return None;
    }
    while let Some(word) = words.next() {
        out.push('/');
        out.push_str(word);
        match word.to_ascii_lowercase().as_str() {
            "" => {}
            // A namespace is a fixed word, but there are as many as kinds that a scope may have.
            "providers" => {
                if let Some(namespace) = words.next() {
                    out.push('/');
                    out.push_str(namespace);
                }
            }
            _ => {
                if words.next().is_some_and(|name| !name.is_empty()) {
                    out.push_str("/*");
                }
            }
        }
    }
    Some(out)
}

/// Returns the shape of a URL: scheme, port, number of path segments, a slash at the end, and the parameters by name.
fn url(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    if url.host_str() == Some("identity.azure.net") {
        // This is base64, in which a slash is a letter.
        return Some("the name of a managed identity".to_owned());
    }
    let port = text.split('/').nth(2).is_some_and(|host| host.contains(':'));
    let place = id(url.path()).unwrap_or_else(|| {
        let mut words: Vec<&str> = url.path().split('/').collect();
        for (at, word) in words.iter_mut().enumerate() {
            let name = at > 1 || guid(word) || word.len() > 20 || word.contains(|c: char| c.is_ascii_uppercase());
            if name && !word.is_empty() {
                *word = "*";
            }
        }
        words.join("/")
    });
    // The parser gives a URL without a path the same path as one with a slash.
    let place = if text.trim_end_matches('/') == text && url.path() == "/" { "" } else { place.as_str() };
    Some(format!("{}://host{}{place}", url.scheme(), if port { ":port" } else { "" }))
}
