//! Reads YAML from requests with narrow limits, because aliases can make a short text a large value.

use serde::de::DeserializeOwned;

/// Longer texts may not use aliases; in shorter ones, aliases may repeat at most this many parts.
const LONGEST_WITH_ALIASES: usize = 64 << 10;
const REPEATED: usize = 1000;

pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let most = if text.len() > LONGEST_WITH_ALIASES { 0 } else { REPEATED };
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_aliases: most },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: most },
    };
    serde_saphyr::from_str_with_options(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn aliases_do_not_make_a_short_text_large() {
        assert_eq!(read::<Value>("a: &x [1]\nb: *x").unwrap(), json!({"a": [1], "b": [1]}));
        let long = format!("a: &x \"{}\"\nb: *x", "x".repeat(LONGEST_WITH_ALIASES));
        assert!(read::<Value>(&long).is_err());
        let many = format!("a: &x [1, 2]\nb: [{}]", vec!["*x"; 600].join(", "));
        assert!(read::<Value>(&many).is_err());
        let bomb = (1..9)
            .fold("a0: &a0 [x, x]\n".to_owned(), |all, n| format!("{all}a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
        assert!(read::<Value>(&bomb).is_err());
    }
}
