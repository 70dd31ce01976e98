//! LabelSelector objects (`matchLabels` and `matchExpressions`), as workloads have them: matched against labels, and written in one line.

use serde_json::Value;

/// Returns whether labels match a selector.
pub fn matches(selector: &Value, labels: &Value) -> bool {
    let labels_match = selector["matchLabels"].as_object().into_iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().all(|rule| {
        let value = labels.get(rule["key"].as_str().unwrap_or_default());
        let among = value.is_some_and(|value| rule["values"].as_array().is_some_and(|all| all.contains(value)));
        match rule["operator"].as_str() {
            Some("In") => among,
            Some("NotIn") => !among,
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    });
    labels_match && expressions
}

/// Writes a selector in one line: `a=b,c in (d,e)`.
pub fn to_text(selector: &Value) -> String {
    let mut terms: Vec<(String, String)> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), format!("{name}={}", value.as_str().unwrap_or_default())))
        .collect();
    for rule in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = rule["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> = rule["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match rule["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort();
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_is_shown_in_one_line() {
        let selector = json!({
            "matchLabels": {"b": "1"},
            "matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}],
        });
        assert_eq!(to_text(&selector), "a notin (x,y),b=1,!c");
    }

    #[test]
    fn all_terms_of_a_selector_must_match() {
        let labels = json!({"app": "a", "tier": "web"});
        let fits = |selector: Value| matches(&selector, &labels);
        assert!(fits(json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]})));
        assert!(!fits(json!({"matchLabels": {"app": "b"}})));
        assert!(fits(
            json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}, {"key": "x", "operator": "DoesNotExist"}]})
        ));
        assert!(!fits(json!({"matchExpressions": [{"key": "x", "operator": "Exists"}]})));
    }
}
