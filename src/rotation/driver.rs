//! Whether the Secrets Store CSI driver of a cluster mounts new versions by itself.

use super::lists::{list, text};
use crate::{
    cluster::{self, Api, Write},
    resources::{manifest, running::Installer},
    spec::names,
};
use serde_json::Value;
use std::time::Duration;

/// The end of the driver's image repository, whoever installed it.
const REPOSITORY: &str = "secrets-store/driver";
pub(super) const CSI_DRIVER: &str = "secrets-store.csi.k8s.io";
/// The driver's default of `--rotation-poll-interval`.
const INTERVAL: Duration = Duration::from_secs(120);
/// The first version that leaves the interval to kubelet, which calls again only with `requiresRepublish`.
const REPUBLISHES: (u32, u32) = (1, 6);

#[derive(Clone, Debug, PartialEq)]
pub enum Following {
    On {
        interval: Duration,
    },
    /// Why not, and what turns it on.
    Off {
        why: String,
        turn_on: String,
    },
    /// Nothing that this login may see shows it.
    Unknown,
}

/// Looks at the driver's DaemonSet.
pub async fn following(cluster: &Write, cluster_name: &str) -> Result<Following, cluster::Error> {
    let api = Api::new("apps", "v1", "DaemonSet", "daemonsets");
    let all = match cluster.list(&api, None, None, None).await {
        Err(cluster::Error::Forbidden { .. }) => match cluster.list(&api, Some("kube-system"), None, None).await {
            Err(cluster::Error::Forbidden { .. }) => return Ok(Following::Unknown),
            other => other?,
        },
        other => other?,
    };
    let driver = all.iter().find_map(|set| Some((set, container(set)?)));
    let Some((set, container)) = driver else { return Ok(Following::Unknown) };
    let found = judged(set, container, cluster_name);
    if matches!(found, Following::On { .. }) && version(text(container, "/image")).is_some_and(|version| version >= REPUBLISHES) {
        let api = Api::new("storage.k8s.io", "v1", "CSIDriver", "csidrivers");
        let object = match cluster.get(&manifest::at(&api, None, CSI_DRIVER)).await {
            Err(cluster::Error::Forbidden { .. }) => return Ok(found),
            other => other?,
        };
        if object.is_some_and(|object| object.pointer("/spec/requiresRepublish") != Some(&Value::Bool(true))) {
            let why = format!("the CSIDriver object {CSI_DRIVER} lacks requiresRepublish, so kubelet does not ask the driver again");
            return Ok(Following::Off { why, turn_on: turn_on(set, cluster_name) });
        }
    }
    Ok(found)
}

fn container(set: &Value) -> Option<&Value> {
    list(set, "/spec/template/spec/containers").find(|container| repository(text(container, "/image")).ends_with(REPOSITORY))
}

fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// Major and minor of the tag.
fn version(image: &str) -> Option<(u32, u32)> {
    let tag = image.split_once('@').map_or(image, |(image, _)| image).rsplit_once(':')?.1.trim_start_matches('v');
    let mut parts = tag.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn judged(set: &Value, container: &Value, cluster: &str) -> Following {
    // of a flag that is given twice, the last value counts
    let value = |name: &str| arguments(container).into_iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value);
    let is_on =
        value("enable-secret-rotation").is_some_and(|value| matches!(value.as_str(), "" | "1" | "t" | "T" | "true" | "TRUE" | "True"));
    if !is_on {
        let why = format!("rotation is off in the CSI driver of the cluster {cluster}");
        return Following::Off { why, turn_on: turn_on(set, cluster) };
    }
    let interval = value("rotation-poll-interval").and_then(|value| names::duration(&value).ok());
    Following::On { interval: interval.unwrap_or(INTERVAL) }
}

/// The flags of a container with their values: of its command and its arguments, `--name=value`, `-name=value` and `--name value`.
fn arguments(container: &Value) -> Vec<(String, String)> {
    let words: Vec<&str> = list(container, "/command").chain(list(container, "/args")).filter_map(Value::as_str).collect();
    let flag = |word: &str| word.strip_prefix("--").or_else(|| word.strip_prefix('-')).map(str::to_owned);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(flag) = flag(word) else { continue };
        found.push(match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = words.get(at + 1).filter(|next| !next.starts_with('-'));
                (flag, value.copied().unwrap_or_default().to_owned())
            }
        });
    }
    found
}

/// What turns rotation on, by who installed the driver.
fn turn_on(set: &Value, cluster: &str) -> String {
    const VALUE: &str = "secrets-store-csi-driver.enableSecretRotation=true";
    const OWN_CHART: &str = "in the driver's own chart: `enableSecretRotation=true`";
    match Installer::of(set) {
        Installer::Podid(app) => format!("`podid cluster install csi --via helm --rotation --cluster {cluster} --app {app}`"),
        Installer::Aks => {
            format!("`az aks update -g GROUP -n {cluster} --enable-secret-rotation`")
        }
        Installer::GitOps { controller, application } => {
            format!("the value `{VALUE}` of its chart, in what {controller} applies as {application} ({OWN_CHART})")
        }
        Installer::Helm { release, .. } => {
            let (namespace, name) = release.split_once('/').unwrap_or(("NAMESPACE", &release));
            format!("`helm upgrade {name} CHART -n {namespace} --reuse-values --set {VALUE}` ({OWN_CHART})")
        }
        Installer::Unknown { namespace } => {
            format!(
                "the argument `--enable-secret-rotation=true` of the driver, in the DaemonSet {namespace}/{}",
                text(set, "/metadata/name")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(labels: Value, args: Value) -> Value {
        json!({ "metadata": { "namespace": "kube-system", "labels": labels },
            "spec": { "template": { "spec": { "containers": [{ "image": "r/secrets-store/driver:v1.5.6", "args": args }] } } } })
    }

    #[test]
    fn rotation_is_read_off_the_drivers_arguments() {
        let of = |labels: Value, args: Value| {
            let set = set(labels, args);
            judged(&set, container(&set).unwrap(), "aks")
        };
        assert_eq!(
            of(json!({}), json!(["--enable-secret-rotation=true", "--rotation-poll-interval=30s"])),
            Following::On { interval: Duration::from_secs(30) }
        );
        assert_eq!(of(json!({}), json!(["--enable-secret-rotation"])), Following::On { interval: INTERVAL });
        let Following::Off { turn_on, .. } =
            of(json!({ "kubernetes.azure.com/managedby": "aks" }), json!(["--enable-secret-rotation=false"]))
        else {
            panic!("it is off")
        };
        assert!(turn_on.contains("`az aks update -g GROUP -n aks --enable-secret-rotation`"), "{turn_on}");
        let way = |labels: Value| match of(labels, json!(["--nodeid", "$(KUBE_NODE_NAME)"])) {
            Following::Off { turn_on, .. } => turn_on,
            other => panic!("it is off: {other:?}"),
        };
        let by_helm = way(json!({ "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "csi" }));
        assert!(by_helm.contains("helm upgrade csi CHART -n kube-system "), "{by_helm}");
        let by_argo = way(json!({ "argocd.argoproj.io/instance": "infra", "app.kubernetes.io/managed-by": "Helm" }));
        assert!(by_argo.contains("in what Argo CD applies as infra"), "{by_argo}");
        assert!(way(json!({})).contains("--enable-secret-rotation=true"));
        assert!(way(json!({ "managed-by": "podid", "podid-app": "shop" })).contains("--rotation --cluster aks --app shop"));
    }

    #[test]
    fn a_flag_may_stand_in_any_of_its_forms() {
        let of = |args: Value| {
            let set = set(json!({}), args);
            match judged(&set, container(&set).unwrap(), "aks") {
                Following::On { interval } => Some(interval.as_secs()),
                _ => None,
            }
        };
        assert_eq!(of(json!(["-enable-secret-rotation=True", "--rotation-poll-interval", "5m"])), Some(300));
        assert_eq!(of(json!(["--enable-secret-rotation", "--rotation-poll-interval=1m"])), Some(60));
        assert_eq!(of(json!(["--enable-secret-rotation=true", "--enable-secret-rotation=false"])), None, "the last one counts");
        assert_eq!(of(json!(["--enable-secret-rotation=0"])), None);
    }

    #[test]
    fn the_version_is_that_of_the_tag() {
        assert_eq!(version("r:5000/secrets-store/driver:v1.6.0@sha256:00"), Some((1, 6)));
        assert_eq!(version("r/secrets-store/driver@sha256:00"), None);
    }
}
