//! Finds variables of containers that probably hold a secret as plain text. Pure.

use serde_json::Value;

/// Words in the names of variables that hold secrets.
const WORDS: &[&str] =
    &["PASSWORD", "PASSWD", "PWD", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS", "CONNECTIONSTRING", "CONNSTR"];
const PAIRS: &[&str] = &["API_KEY", "ACCESS_KEY", "ACCOUNT_KEY", "PRIVATE_KEY", "CONNECTION_STRING"];

/// A warning about the variables of a pod template whose names are those of secrets and whose values are in the manifest. None: there are none.
pub(super) fn note(manifest: &Value) -> Option<String> {
    let containers = manifest.pointer("/spec/template/spec/containers")?.as_array()?;
    let literal = |env: &Value| Some(env["name"].as_str()?.to_owned()).filter(|name| env["value"].is_string() && is_secret_name(name));
    let found: Vec<String> = containers.iter().filter_map(|c| c["env"].as_array()).flatten().filter_map(literal).collect();
    let (verb, names) = (if found.len() == 1 { "has" } else { "have" }, found.join(", "));
    (!found.is_empty()).then(|| {
        format!("warning: {names} {verb} a plain value, which the cluster and the state keep as it is; secrets belong into the vault")
    })
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.split('_').any(|part| WORDS.contains(&part)) || PAIRS.iter().any(|pair| name.contains(pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_plain_values_under_names_of_secrets_are_noted() {
        let env = json!([
            { "name": "DB_PASSWORD", "value": "x" }, { "name": "PORT", "value": "80" },
            { "name": "API_KEY", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
        ]);
        let manifest = |env: Value| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "env": env }] } } } });
        let text = note(&manifest(env.clone())).unwrap();
        assert!(text.starts_with("warning: DB_PASSWORD has a plain value"), "{text}");
        assert_eq!(note(&manifest(json!([env[1], env[2]]))), None);
        assert_eq!(note(&json!({ "kind": "Service" })), None);
    }

    #[test]
    fn words_count_only_as_a_whole() {
        assert!(["db_password", "GITHUB_TOKEN", "SQL_CONNECTION_STRING", "PWD"].into_iter().all(is_secret_name));
        assert!(!["TOKENIZER", "KEY_VAULT_NAME", "PASSWORDLESS", "KEY"].into_iter().any(is_secret_name));
    }
}
