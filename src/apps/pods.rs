//! What a user asks of the pods of an app beside identity and secrets: labels, annotations, and amounts of CPU and memory. Pure.

use super::quantity::{self, amount};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values that a user gives for the pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodSettings {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// By the names of `quantity::NAMES`.
    pub requests: BTreeMap<String, String>,
    pub limits: BTreeMap<String, String>,
}

impl PodSettings {
    /// Puts the amounts in the place of the defaults. A default gives way to what is given beside it: a limit is not below its request.
    pub fn set_resources(&self, resources: &mut Value) {
        for name in quantity::NAMES {
            for (field, given) in [("requests", self.requests.get(name)), ("limits", self.limits.get(name))] {
                if let Some(given) = given {
                    resources[field][name] = json!(given);
                }
            }
            let of = |field: &str| resources[field][name].as_str().and_then(amount);
            let is_above = matches!((of("requests"), of("limits")), (Some(request), Some(limit)) if request > limit);
            match (self.requests.get(name), self.limits.get(name)) {
                (Some(request), None) if is_above => resources["limits"][name] = json!(request),
                (None, Some(limit)) if is_above => resources["requests"][name] = json!(limit),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Value {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut resources = json!({ "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "cpu": "500m", "memory": "2Gi" } });
        PodSettings { requests: map(requests), limits: map(limits), ..PodSettings::default() }.set_resources(&mut resources);
        resources
    }

    #[test]
    fn what_is_not_given_stays_the_default() {
        let some = set(&[("cpu", "200m")], &[("memory", "256Mi"), ("ephemeral-storage", "1Gi")]);
        let wanted = json!({ "requests": { "cpu": "200m", "memory": "128Mi" }, "limits": { "cpu": "500m", "memory": "256Mi", "ephemeral-storage": "1Gi" } });
        assert_eq!(some, wanted);
    }

    #[test]
    fn a_default_gives_way_to_what_is_given_beside_it() {
        assert_eq!(set(&[("cpu", "2")], &[])["limits"]["cpu"], "2");
        assert_eq!(set(&[], &[("memory", "64Mi")])["requests"]["memory"], "64Mi");
    }
}
