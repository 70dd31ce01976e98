//! What a release takes along when it is uninstalled and somebody else would miss: the objects of the kinds that it defines. helm deletes a
//! definition that is among a chart's templates, and the API server then deletes all objects of that kind
//! (Azure/secrets-store-csi-driver-provider-azure#696).

use super::{
    super::{manifest, ownership},
    model::HelmRelease,
};
use crate::{
    cluster::{self, Api},
    engine::{fault::Fault, resource::Owner},
};
use serde_json::Value;

const OF_RELEASE: &str = "meta.helm.sh/release-name";

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The kind that a definition defines, in the version that is stored.
fn defined(definition: &Value) -> Option<Api> {
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions.iter().find(|version| version["storage"] == true)?;
    let names = &definition["spec"]["names"];
    Some(Api::new(text(definition, "/spec/group"), version["name"].as_str()?, names["kind"].as_str()?, names["plural"].as_str()?))
}

pub(super) async fn foreign(
    cluster: &cluster::Read,
    app: &str,
    release: &HelmRelease,
    definitions: &[String],
) -> Result<Vec<String>, Fault> {
    let definition = Api::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
    let mut foreign = Vec::new();
    for name in definitions {
        let found = match cluster.get(&manifest::at(&definition, None, name)).await {
            Err(cluster::Error::Forbidden { verb, resource, .. }) => {
                foreign.push(format!("objects of {name}, perhaps (this login may not {verb} {resource})"));
                continue;
            }
            other => other.map_err(Fault::cloud)?,
        };
        let Some(api) = found.as_ref().and_then(defined) else { continue };
        let listed = match cluster.list(&api, None, None).await {
            Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => continue,
            // what may not be seen may be there
            Err(cluster::Error::Forbidden { verb, resource, .. }) => {
                foreign.push(format!("{resource}, perhaps (this login may not {verb} {resource})"));
                continue;
            }
            other => other.map_err(Fault::cloud)?,
        };
        let theirs = listed.iter().filter(|object| {
            let of_this_release = object["metadata"]["annotations"][OF_RELEASE] == release.name.as_str();
            let owned = object.pointer("/metadata/ownerReferences").is_some();
            !of_this_release && !owned && ownership::owner(app, &manifest::labels(object)) != Owner::Ours
        });
        foreign.extend(theirs.map(|object| {
            let namespace = Some(text(object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
            let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
            format!("{}/{place}{}", api.kind.to_lowercase(), text(object, "/metadata/name"))
        }));
    }
    Ok(foreign)
}

/// Why a release is not uninstalled.
pub(super) fn blocker(foreign: &[String]) -> Option<String> {
    let first = foreign.first()?;
    let more = foreign.len() - 1;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("its chart defines kinds, and uninstalling it deletes their objects, which podid did not make: {first}{more}"))
}
