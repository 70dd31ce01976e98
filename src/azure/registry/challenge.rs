//! The challenge with which a registry says where to get a token (RFC 6750; distribution, "Token Authentication Specification").

use http::{HeaderMap, header::WWW_AUTHENTICATE};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Challenge {
    pub realm: String,
    pub service: Option<String>,
    pub scope: Option<String>,
}

impl Challenge {
    /// The challenge for a bearer token; a registry may offer others beside it.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).find_map(parse)
    }
}

fn parse(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut challenge = Challenge::default();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        match name.trim_matches([' ', ',']).to_ascii_lowercase().as_str() {
            "realm" => challenge.realm = value.to_owned(),
            "service" => challenge.service = Some(value.to_owned()),
            "scope" => challenge.scope = Some(value.to_owned()),
            _ => {}
        }
        rest = next;
    }
    (!challenge.realm.is_empty()).then_some(challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_whatever_stands_beside_it() {
        let read = parse(
            r#"Bearer realm="https://r.example/token?a=b", service="r.example",scope="repository:a/b:pull,push" ,error=invalid_token"#,
        );
        let wanted = Challenge {
            realm: "https://r.example/token?a=b".into(),
            service: Some("r.example".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(read, Some(wanted));
        assert_eq!(parse(r#"Basic realm="x""#), None);
        assert_eq!(parse(r#"Bearer service="x""#), None);
        assert_eq!(parse(r#"Bearer realm="x"#), None, "a quote that does not end");
    }
}
