//! Whether a component's webhook changes pods: a pod is created as a dry run (dryRun=All), which the API server does not keep.

use crate::{
    cluster::{self, Api, ObjectRef},
    engine::fault::Fault,
    resources::world::{ClusterTarget, Clusters},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A pod that the webhook changes, and what it adds. One of the two is enough: a webhook leaves a variable alone that a pod has already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    pub pod: Value,
    /// Name of a variable of a container.
    pub variable: String,
    /// Audience of a projected service account token.
    pub audience: String,
}

/// What the dry run shows.
#[derive(Debug, PartialEq)]
pub(super) enum Shown {
    Works,
    /// Why pods are not changed yet.
    Lacks(String),
    /// Why it could not be tried.
    Untried(String),
}

impl Webhook {
    pub(super) fn namespace(&self) -> &str {
        text(&self.pod, "/metadata/namespace")
    }

    pub(super) async fn ask(&self, clusters: &Clusters, target: &ClusterTarget) -> Result<Shown, Fault> {
        let cluster = clusters.for_dry_run().writer(target).await?;
        let name = text(&self.pod, "/metadata/name").to_owned();
        let at = ObjectRef { api: Api::new("", "v1", "Pod", "pods"), namespace: Some(self.namespace().to_owned()), name };
        self.judge(cluster.create(&at, &self.pod).await)
    }

    fn judge(&self, answer: Result<Value, cluster::Error>) -> Result<Shown, Fault> {
        Ok(match answer {
            Ok(pod) if self.is_added(&pod) => Shown::Works,
            Ok(_) => Shown::Lacks("its webhook does not change a new pod that asks for it yet".to_owned()),
            // RBAC, Pod Security or a policy
            Err(error @ cluster::Error::Forbidden { .. }) => Shown::Untried(format!(
                "a dry run of a pod in namespace {} is refused, so that it is unknown whether its webhook changes pods: {error}",
                self.namespace()
            )),
            Err(error @ cluster::Error::Unreachable { .. }) => return Err(Fault::cloud(error)),
            Err(error) => Shown::Lacks(format!("its webhook does not answer: {error}")),
        })
    }

    fn is_added(&self, pod: &Value) -> bool {
        let variables = list(pod, "/spec/containers").flat_map(|container| list(container, "/env"));
        let sources = list(pod, "/spec/volumes").flat_map(|volume| list(volume, "/projected/sources"));
        variables.into_iter().any(|variable| text(variable, "/name") == self.variable)
            || sources.into_iter().any(|source| text(source, "/serviceAccountToken/audience") == self.audience)
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook() -> Webhook {
        let pod = json!({ "metadata": { "namespace": "default", "name": "try" }, "spec": { "containers": [{ "name": "try" }] } });
        Webhook { pod, variable: "AZURE_FEDERATED_TOKEN_FILE".into(), audience: "api://AzureADTokenExchange".into() }
    }

    fn judged(answer: Result<Value, cluster::Error>) -> Shown {
        webhook().judge(answer).unwrap()
    }

    #[test]
    fn a_pod_with_the_variable_or_with_the_token_was_changed() {
        let env = json!([{ "name": "OTHER" }, { "name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/azure/tokens/token" }]);
        assert_eq!(judged(Ok(json!({ "spec": { "containers": [{ "name": "a" }, { "env": env }] } }))), Shown::Works);
        let token = |audience: &str| {
            let sources = json!([{ "configMap": { "name": "x" } }, { "serviceAccountToken": { "audience": audience, "path": "token" } }]);
            json!({ "spec": { "containers": [{}], "volumes": [{ "name": "a" }, { "name": "b", "projected": { "sources": sources } }] } })
        };
        assert_eq!(judged(Ok(token("api://AzureADTokenExchange"))), Shown::Works);
        assert!(matches!(judged(Ok(token("https://kubernetes.default.svc"))), Shown::Lacks(_)), "the token that every pod has");
        assert!(matches!(judged(Ok(webhook().pod)), Shown::Lacks(_)));
    }

    #[test]
    fn a_webhook_that_fails_is_waited_for_and_a_login_that_may_not_try_is_told() {
        let failing = cluster::Error::Changed { reason: "InternalError".into(), message: "failed calling webhook".into() };
        let Shown::Lacks(why) = judged(Err(failing)) else { panic!("it is waited for") };
        assert!(why.contains("does not answer") && why.contains("failed calling webhook"), "{why}");
        let message = "pods is forbidden: may not create".to_owned();
        let forbidden = cluster::Error::Forbidden { verb: "create".into(), resource: "pods".into(), namespace: None, message };
        let Shown::Untried(why) = judged(Err(forbidden)) else { panic!("waiting does not help") };
        assert!(why.contains("in namespace default") && why.contains("may not create"), "{why}");
    }
}
