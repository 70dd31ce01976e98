//! How a webhook of Azure Workload ID is configured: by its image, its arguments, and its environment, which comes from a ConfigMap.

use serde_json::Value;
use std::collections::BTreeMap;

const REPOSITORY: &str = "/webhook";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const LOGIN: &str = "https://login.microsoftonline.com/";
/// What AKS configures for identity bindings.
const BINDING: (&str, &str) = ("identity-binding", "api://AKSIdentityBinding");

/// The settings of a webhook.
pub struct Settings {
    env: BTreeMap<String, String>,
    args: Vec<String>,
    /// The repository without its last segment, and the tag.
    image: (String, String),
}

impl Settings {
    /// Reads the settings of a pod. `config_map` finds a ConfigMap of its namespace.
    pub fn of(pod: &Value, config_map: impl Fn(&str) -> Option<Value>) -> Self {
        let container = manager(pod);
        let mut env = BTreeMap::new();
        for name in Self::config_maps(pod) {
            let map = config_map(&name).unwrap_or_default();
            let data = map["data"].as_object().into_iter().flatten();
            env.extend(data.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
        }
        let own = container["env"].as_array().into_iter().flatten();
        env.extend(own.filter_map(|e| Some((e["name"].as_str()?.to_owned(), e["value"].as_str()?.to_owned()))));
        let lists = ["command", "args"].into_iter().flat_map(|list| container[list].as_array().into_iter().flatten());
        let args = lists.filter_map(|arg| Some(arg.as_str()?.to_owned())).collect();
        let (repository, tag) = split(image(container));
        Self { env, args, image: (repository.strip_suffix(REPOSITORY).unwrap_or(&repository).to_owned(), tag) }
    }

    /// Returns the names of the ConfigMaps that a pod's environment comes from.
    pub fn config_maps(pod: &Value) -> Vec<String> {
        let sources = manager(pod)["envFrom"].as_array().into_iter().flatten();
        sources.filter_map(|from| Some(from["configMapRef"]["name"].as_str()?.to_owned())).collect()
    }

    pub(super) fn env(&self, name: &str) -> &str {
        self.env.get(name).map_or("", String::as_str)
    }

    fn flag(&self, name: &str) -> Option<&str> {
        self.args.iter().find_map(|arg| arg.trim_start_matches('-').strip_prefix(name)?.strip_prefix('=')).filter(|value| !value.is_empty())
    }

    pub(super) fn audience(&self) -> &str {
        self.flag("audience").unwrap_or(AUDIENCE)
    }

    pub(super) fn authority(&self) -> &'static str {
        match self.env("AZURE_ENVIRONMENT").to_ascii_uppercase().as_str() {
            "AZURECHINACLOUD" => "https://login.chinacloudapi.cn/",
            "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => "https://login.microsoftonline.us/",
            _ => LOGIN,
        }
    }

    /// Returns the annotation and the audience of pods that use an identity binding, if the cluster has a token proxy for them.
    pub(super) fn binding(&self) -> Option<(String, &str)> {
        let (suffix, audience) = (self.flag("custom-token-endpoint-annotation-suffix"), self.flag("custom-token-endpoint-audience"));
        if suffix.is_none() && self.env("AZURE_KUBERNETES_TOKEN_PROXY").is_empty() {
            return None;
        }
        Some((format!("azure.workload.identity/use-{}", suffix.unwrap_or(BINDING.0)), audience.unwrap_or(BINDING.1)))
    }

    /// Returns the image of the proxy or of its init container.
    pub(super) fn proxy_image(&self, variable: &str, name: &str) -> String {
        match self.env(variable) {
            "" => format!("{}/{name}:{}", self.image.0, self.image.1),
            image => image.to_owned(),
        }
    }

    /// Returns whether this is version 1.6 or later, which mounts the token in another place. An image without a version counts as new.
    pub(super) fn is_new(&self) -> bool {
        let mut numbers = self.image.1.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => (major, minor) >= (1, 6),
            _ => true,
        }
    }
}

/// Returns the container that serves the webhook.
fn manager(pod: &Value) -> &Value {
    let containers = pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    containers.iter().find(|c| split(image(c)).0.ends_with(REPOSITORY)).or(containers.first()).unwrap_or(&Value::Null)
}

fn image(container: &Value) -> &str {
    container["image"].as_str().unwrap_or_default()
}

/// Splits an image into repository and tag; a digest is dropped.
fn split(image: &str) -> (String, String) {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository.to_owned(), tag.to_owned()),
        _ => (image.to_owned(), "latest".to_owned()),
    }
}
