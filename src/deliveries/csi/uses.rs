//! The secrets that the CSI driver mounts into a pod, by the SecretProviderClasses that its volumes name.

use super::{found::synced_of, names::DRIVER};
use crate::{
    chain::{
        edge::{Edge, EdgeNode},
        texts::field,
        uses::{PodView, SecretUse},
    },
    resources::secret_provider_class::objects_of,
    survey::{Survey, kinds::CLASS},
};

pub(super) fn mounts(pod: &PodView<'_>, survey: &Survey, delivery: &'static str) -> Vec<SecretUse> {
    let names = pod.volumes().filter(|volume| field(volume, "/csi/driver") == DRIVER);
    names.filter_map(|volume| mount(pod, field(volume, "/csi/volumeAttributes/secretProviderClass"), survey, delivery)).collect()
}

/// None: a class of another provider than Azure's.
fn mount(pod: &PodView<'_>, name: &str, survey: &Survey, delivery: &'static str) -> Option<SecretUse> {
    let node = EdgeNode::object("SecretProviderClass", pod.namespace, name);
    let by = "volume";
    let Some(class) = survey.cluster.named(&CLASS, pod.namespace, name) else {
        let edge = match &survey.cluster.of_kind(&CLASS).gap {
            Some(gap) => Edge::unknown(pod.node, &node, by, format!("the {} could not be read: {}", gap.what, gap.why)),
            None => Edge::missing(
                pod.node,
                &node,
                by,
                format!("there is no SecretProviderClass {}/{name}: its pods do not start", pod.namespace),
            )
            .hint(format!("Write it: `podid mount apply --name {name} -n {} --vault VAULT --secret NAME`.", pod.namespace)),
        };
        let (objects, synced) = (Vec::new(), Vec::new());
        return Some(SecretUse { delivery, through: Some(node), vault: None, objects, synced, parameters: None, edges: vec![edge] });
    };
    if field(class, "/spec/provider") != "azure" {
        return None;
    }
    let parameters = class.pointer("/spec/parameters").cloned().unwrap_or_default();
    Some(SecretUse {
        delivery,
        vault: Some(field(&parameters, "/keyvaultName").to_owned()).filter(|name| !name.is_empty()),
        objects: objects_of(field(&parameters, "/objects")),
        synced: synced_of(class),
        edges: vec![Edge::there(pod.node, &node, by)],
        through: Some(node),
        parameters: Some(parameters),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::ClusterSurvey;
    use serde_json::{Value, json};

    fn view<'a>(object: &'a Value, node: &'a EdgeNode) -> PodView<'a> {
        PodView { namespace: "shop", object, node, template_of: None }
    }

    fn pod() -> Value {
        let volume = |name: &str| json!({ "name": name, "csi": { "driver": DRIVER, "volumeAttributes": { "secretProviderClass": name } } });
        json!({ "metadata": {}, "spec": { "volumes": [volume("web"), volume("other"), { "name": "tmp", "emptyDir": {} }] } })
    }

    #[test]
    fn a_volume_leads_to_its_class_with_vault_and_objects() {
        let objects = "array:\n  - |\n    objectName: conn\n    objectType: secret\n";
        let class = json!({ "kind": "SecretProviderClass", "metadata": { "namespace": "shop", "name": "web" },
            "spec": { "provider": "azure", "parameters": { "keyvaultName": "kv", "usePodIdentity": "true", "objects": objects } } });
        let survey = Survey { cluster: ClusterSurvey::of([class]), ..Survey::default() };
        let (pod, node) = (pod(), EdgeNode::object("Deployment", "shop", "web"));
        let found = mounts(&view(&pod, &node), &survey, "csi");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].vault.as_deref(), found[0].objects[0].name.as_str()), (Some("kv"), "conn"));
        assert!(found[1].edges[0].is_missing(), "there is no class `other`");
    }

    #[test]
    fn a_class_that_could_not_be_read_is_unknown_and_not_missing() {
        let mut survey = Survey::default();
        survey.cluster.hide(&CLASS, "forbidden");
        let (pod, node) = (pod(), EdgeNode::object("Deployment", "shop", "web"));
        assert!(!mounts(&view(&pod, &node), &survey, "csi")[0].edges[0].is_missing());
    }
}
