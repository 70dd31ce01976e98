//! Merges kubeconfigs as JSON trees, so that fields that podid does not know stay. Comments and the order of fields do not count.

use crate::azure::LoginMode;
use serde_json::{Value, json};

/// What a merge found.
pub struct Merge {
    /// Entries of the same name that were other ones before: `user clusterUser_g_aks`.
    pub conflicts: Vec<String>,
}

/// The lists of a kubeconfig, and the word for an entry of each.
const LISTS: [(&str, &str); 3] = [("clusters", "cluster"), ("users", "user"), ("contexts", "context")];

/// Puts the entries of `new` into `config`, and makes its context the current one.
pub fn merge(config: &mut Value, new: &Value) -> Merge {
    let mut conflicts = Vec::new();
    if !config.is_object() {
        *config = json!({});
    }
    for (field, value) in [("apiVersion", json!("v1")), ("kind", json!("Config"))] {
        if config.get(field).is_none_or(Value::is_null) {
            config[field] = value;
        }
    }
    for (list, word) in LISTS {
        let entries = new.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        if !config.get(list).is_some_and(Value::is_array) {
            config[list] = json!([]);
        }
        let Some(known) = config.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for entry in entries {
            match known.iter_mut().find(|one| one["name"] == entry["name"]) {
                Some(one) if *one == entry => {}
                Some(one) => {
                    conflicts.push(format!("{word} {}", entry["name"].as_str().unwrap_or_default()));
                    *one = entry;
                }
                None => known.push(entry),
            }
        }
    }
    config["current-context"] = new.get("current-context").cloned().unwrap_or_default();
    Merge { conflicts }
}

/// Gives the only context of a credential this name.
pub fn rename_context(new: &mut Value, name: &str) {
    if let Some(context) = new.get_mut("contexts").and_then(|all| all.get_mut(0)) {
        context["name"] = json!(name);
    }
    new["current-context"] = json!(name);
}

/// Lets users that log in by kubelogin do so in the way that podid is logged in. Azure returns `devicecode`, which waits for a person.
/// The secret of a service principal is not written: kubelogin reads it from the environment.
pub fn convert_login(new: &mut Value, mode: LoginMode, env: &dyn Fn(&str) -> Option<String>) {
    for user in new.get_mut("users").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(exec) = user.pointer_mut("/user/exec").filter(|exec| exec["command"].as_str().is_some_and(|c| c.contains("kubelogin")))
        else {
            continue;
        };
        let old: Vec<String> = exec["args"].as_array().into_iter().flatten().filter_map(|arg| arg.as_str().map(str::to_owned)).collect();
        let value = |flag: &str| old.iter().position(|arg| arg == flag).and_then(|at| old.get(at + 1)).cloned();
        let word = match mode {
            LoginMode::Az => "azurecli",
            LoginMode::Azd => "azd",
            LoginMode::WorkloadIdentity => "workloadidentity",
            LoginMode::ManagedIdentity => "msi",
            LoginMode::AzurePipelines => "azurepipelines",
            LoginMode::Secret => "spn",
        };
        let mut args = vec!["get-token".to_owned(), "--login".to_owned(), word.to_owned()];
        let mut add = |flag: &str, value: Option<String>| args.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
        add("--server-id", value("--server-id"));
        add("--environment", value("--environment"));
        match mode {
            LoginMode::Secret | LoginMode::WorkloadIdentity => add("--tenant-id", value("--tenant-id")),
            // a user-assigned identity is told apart by its client id
            LoginMode::ManagedIdentity => add("--client-id", env("AZURE_CLIENT_ID").filter(|id| !id.is_empty())),
            LoginMode::AzurePipelines => {
                let of = |name: &str| env(name).filter(|value| !value.is_empty());
                add("--tenant-id", of("AZURESUBSCRIPTION_TENANT_ID").or_else(|| value("--tenant-id")));
                add("--client-id", of("AZURESUBSCRIPTION_CLIENT_ID"));
                add("--azure-pipelines-service-connection-id", of("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"));
            }
            LoginMode::Az | LoginMode::Azd => {}
        }
        exec["args"] = json!(args);
        let folder = env("AZURE_CONFIG_DIR").filter(|folder| mode == LoginMode::Az && !folder.is_empty());
        exec["env"] = folder.map_or(Value::Null, |folder| json!([{ "name": "AZURE_CONFIG_DIR", "value": folder }]));
    }
}

/// Returns the text of a kubeconfig: YAML, or JSON (which is YAML) where YAML would not be read back as it was.
pub fn written(config: &Value) -> Option<String> {
    let same = |text: &String| serde_saphyr::from_str::<Value>(text).is_ok_and(|read| read == *config);
    let yaml = serde_saphyr::to_string(config).ok().filter(same);
    yaml.or_else(|| serde_json::to_string_pretty(config).ok().filter(same))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(token: &str) -> Value {
        json!({ "apiVersion": "v1", "kind": "Config", "current-context": "aks",
            "clusters": [{ "name": "aks", "cluster": { "server": "https://aks.hcp:443" } }],
            "users": [{ "name": "clusterUser_g_aks", "user": { "token": token } }],
            "contexts": [{ "name": "aks", "context": { "cluster": "aks", "user": "clusterUser_g_aks" } }] })
    }

    #[test]
    fn entries_of_others_and_unknown_fields_stay() {
        let mut config = json!({ "current-context": "other", "extra": [1], "contexts": [{ "name": "other", "context": { "namespace": "n" } }],
            "clusters": null, "users": [] });
        let Merge { conflicts } = merge(&mut config, &credential("t"));
        assert_eq!(conflicts, Vec::<String>::new());
        assert_eq!(
            (&config["current-context"], &config["extra"], config["contexts"].as_array().unwrap().len()),
            (&json!("aks"), &json!([1]), 2)
        );
        assert_eq!(config["contexts"][0]["context"]["namespace"], "n");
        let Merge { conflicts } = merge(&mut config, &credential("t"));
        assert_eq!(conflicts, Vec::<String>::new(), "the same once more");
    }

    #[test]
    fn another_entry_of_the_same_name_is_a_conflict() {
        let mut config = json!({});
        merge(&mut config, &credential("old"));
        let Merge { conflicts } = merge(&mut config, &credential("new"));
        assert_eq!(conflicts, ["user clusterUser_g_aks"]);
        assert_eq!(config["users"][0]["user"]["token"], "new");
    }

    #[test]
    fn the_context_is_renamed_and_nothing_else() {
        let mut new = credential("t");
        rename_context(&mut new, "lab");
        assert_eq!(
            (&new["contexts"][0]["name"], &new["current-context"], &new["clusters"][0]["name"]),
            (&json!("lab"), &json!("lab"), &json!("aks"))
        );
    }

    fn entra() -> Value {
        json!({ "users": [{ "name": "u", "user": { "exec": { "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin",
            "args": ["get-token", "--environment", "AzurePublicCloud", "--server-id", "server", "--client-id", "80faf920", "--tenant-id", "t",
                "--login", "devicecode"], "env": null } } }] })
    }

    fn args(mode: LoginMode, env: &[(&str, &str)]) -> (String, Value) {
        let mut new = entra();
        let env = |name: &str| env.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        convert_login(&mut new, mode, &env);
        let exec = &new["users"][0]["user"]["exec"];
        let args: Vec<&str> = exec["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        (args.join(" "), exec["env"].clone())
    }

    #[test]
    fn kubelogin_logs_in_as_podid_does_and_never_by_device_code() {
        let rest = "--server-id server --environment AzurePublicCloud";
        let folder = [("AZURE_CONFIG_DIR", "/az"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "hunter2")];
        let with_folder = json!([{ "name": "AZURE_CONFIG_DIR", "value": "/az" }]);
        assert_eq!(args(LoginMode::Az, &[]), (format!("get-token --login azurecli {rest}"), Value::Null));
        assert_eq!(args(LoginMode::Az, &folder), (format!("get-token --login azurecli {rest}"), with_folder));
        assert_eq!(args(LoginMode::Secret, &folder), (format!("get-token --login spn {rest} --tenant-id t"), Value::Null));
        assert_eq!(args(LoginMode::WorkloadIdentity, &folder).0, format!("get-token --login workloadidentity {rest} --tenant-id t"));
        assert_eq!(args(LoginMode::ManagedIdentity, &folder).0, format!("get-token --login msi {rest} --client-id c"));
        let connection = [
            ("AZURESUBSCRIPTION_TENANT_ID", "of-connection"),
            ("AZURESUBSCRIPTION_CLIENT_ID", "c"),
            ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "s"),
        ];
        let flags = "--tenant-id of-connection --client-id c --azure-pipelines-service-connection-id s";
        assert_eq!(args(LoginMode::AzurePipelines, &connection).0, format!("get-token --login azurepipelines {rest} {flags}"));
        assert_eq!(args(LoginMode::ManagedIdentity, &[]).0, format!("get-token --login msi {rest}"));
    }

    #[test]
    fn another_login_command_stays_as_it_is() {
        let mut new = entra();
        new["users"][0]["user"]["exec"]["command"] = json!("aws");
        let before = new.clone();
        convert_login(&mut new, LoginMode::Az, &|_| None);
        assert_eq!(new, before);
    }

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        for value in ["yes", "1.10", "null", "a: b", "# x", "line\nline", "", "~", "0x1"] {
            let config = json!({ "users": [{ "name": value, "user": { "token": value } }] });
            assert_eq!(serde_saphyr::from_str::<Value>(&written(&config).unwrap()).unwrap(), config, "{value:?}");
        }
    }
}
