//! A GatewayClass or IngressClass that a cluster has and that its apps are to use, in the place of one that podid would install. podid only
//! reads it.

use super::{
    access::{Access, Named, Reach, Right},
    kind::Resource,
    manifest,
    read_only::{ReadOnly, read_only},
    world::{ClusterTarget, Reader},
};
use crate::{
    cluster::{self, Api},
    engine::{fault::Fault, input::Outputs, key::Key},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct AdoptedClass {
    pub target: ClusterTarget,
    pub name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Actual {
    /// `GatewayClass` or `IngressClass`.
    pub kind: String,
    pub controller: String,
    /// Why its controller does not serve a GatewayClass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

pub const GATEWAY: &str = "GatewayClass";
const INGRESS: &str = "IngressClass";
/// The output that tells which of the two it is.
pub const OF_KIND: &str = "kind";

pub fn key(cluster: &str) -> Key {
    Key::of("ingressclass", [cluster])
}

/// What is to be said of a Gateway that is to have an IngressClass, and the way out.
pub fn serves_no_gateway(name: &str) -> (String, String) {
    (
        format!("{name} is an IngressClass, which serves no Gateway"),
        "Name a GatewayClass with `gatewayClass:` (--gateway-class), or leave out `expose: gateway` and write an Ingress for the app's Service."
            .to_owned(),
    )
}

fn apis() -> [Api; 2] {
    [Api::new("gateway.networking.k8s.io", "v1", GATEWAY, "gatewayclasses"), Api::new("networking.k8s.io", "v1", INGRESS, "ingressclasses")]
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn judged(kind: &str, object: &Value) -> Actual {
    if kind == INGRESS {
        return Actual { kind: kind.to_owned(), controller: text(object, "/spec/controller").to_owned(), trouble: None };
    }
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let accepted = conditions.into_iter().flatten().find(|condition| condition["type"] == "Accepted");
    let trouble = match accepted {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(format!("its controller does not accept it: {}", text(condition, "/message"))),
        None => Some("no controller has accepted it".to_owned()),
    };
    Actual { kind: kind.to_owned(), controller: text(object, "/spec/controllerName").to_owned(), trouble }
}

impl ReadOnly for AdoptedClass {
    const KIND: &'static str = "ingressclass";
    type Actual = Actual;

    async fn read(&self, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let cluster = reader.cluster(&self.target).await?;
        for api in apis() {
            match cluster.get(&manifest::at(&api, None, &self.name)).await {
                Ok(Some(found)) => return Ok(Some(judged(&api.kind, &found))),
                Ok(None) | Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => {}
                Err(error) => return Err(Fault::cloud(error)),
            }
        }
        Ok(None)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [(OF_KIND.into(), json!(actual.kind)), ("controller".into(), json!(actual.controller))].into()
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the cluster {} has neither a GatewayClass nor an IngressClass {}", self.target.name, self.name),
            "See those that there are: `kubectl get gatewayclasses,ingressclasses`; or leave the class out, and podid turns application routing on.".to_owned(),
        )
    }
}
read_only!(AdoptedClass, Kubernetes);

impl Resource for AdoptedClass {
    fn own_access(&self, access: Access) -> Vec<Right> {
        let get = |api: Api| Right {
            group: api.group.into(),
            resource: api.plural.into(),
            ..Right::new("", "", &["get"], Reach::Everywhere).named(Named::These(vec![self.name.clone()]))
        };
        match access {
            Access::Read | Access::Write | Access::Delete => apis().map(get).into(),
            Access::List | Access::Content => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_class_counts_once_its_controller_accepts_it_and_an_ingress_class_at_once() {
        let class = |status: &str| {
            json!({ "spec": { "controllerName": "example.com/gateways" },
                "status": { "conditions": [{ "type": "Accepted", "status": status, "message": "no" }] } })
        };
        assert_eq!(judged(GATEWAY, &class("True")).trouble, None);
        assert_eq!(judged(GATEWAY, &class("False")).trouble.as_deref(), Some("its controller does not accept it: no"));
        assert_eq!(judged(GATEWAY, &json!({})).trouble.as_deref(), Some("no controller has accepted it"));
        let nginx = judged(INGRESS, &json!({ "spec": { "controller": "k8s.io/ingress-nginx" } }));
        assert_eq!((nginx.controller.as_str(), nginx.trouble), ("k8s.io/ingress-nginx", None));
    }
}
