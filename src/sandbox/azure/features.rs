//! Preview features of resource providers and their registration, in both of Azure's forms: `register` and `unregister` of a feature, and
//! registrations as resources. Azure's feature names follow no rule, so any valid name of a known provider is accepted.

use super::{
    access,
    call::{Answer, Call},
    error::{self, gateway},
    ids, providers,
    state::Feature,
    times,
};
use crate::{http::Response, lateness::Lateness};
use serde_json::{Value, json};

const NAMESPACE: &str = "Microsoft.Features";

/// Features that a list contains even if nobody registered them: those of the labs and of recorded traffic.
const LISTED: &[(&str, &str)] = &[
    ("Microsoft.Compute", "EncryptionAtHost"),
    ("Microsoft.ContainerService", "AKS-KedaPreview"),
    ("Microsoft.ContainerService", "AzureOverlayPreview"),
    ("Microsoft.ContainerService", "EnableImageCleanerPreview"),
    ("Microsoft.ContainerService", "EnablePodIdentityPreview"),
    ("Microsoft.ContainerService", "EnableWorkloadIdentityPreview"),
    ("Microsoft.ContainerService", "IdentityBindingPreview"),
    ("Microsoft.Network", "AllowLBPreview"),
    ("Microsoft.Storage", "AllowNFSV3"),
];

/// The `releaseDate` of features whose release date is unknown.
const RELEASED: &str = "2016-08-17T21:39:18.0538346Z";

/// Returns the document of the first form.
pub fn document(subscription: &str, feature: &Feature) -> Value {
    let (namespace, name) = (&feature.namespace, &feature.name);
    json!({"properties": {"state": feature.state},
        "id": format!("/subscriptions/{subscription}/providers/{NAMESPACE}/providers/{namespace}/features/{name}"),
        "type": "Microsoft.Features/providers/features", "name": format!("{namespace}/{name}")})
}

fn registration(subscription: &str, feature: &Feature) -> Value {
    let (namespace, name) = (&feature.namespace, &feature.name);
    let mut properties = json!({"subscriptionId": subscription, "featureName": name, "providerNamespace": namespace, "state": feature.state,
        "releaseDate": RELEASED, "approvalType": "AutoApproval"});
    if let Some(at) = feature.registered {
        properties["registrationDate"] = json!(times::ticks(at));
    }
    properties["shouldFeatureDisplayInPortal"] = json!(false);
    json!({"id": format!("/subscriptions/{subscription}/providers/{NAMESPACE}/featureProviders/{namespace}/subscriptionFeatureRegistrations/{name}"),
        "name": name, "type": "microsoft.features/featureproviders/subscriptionfeatureregistrations", "properties": properties})
}

/// `rest` are the segments after `providers/Microsoft.Features`.
pub fn answer(call: &mut Call<'_>, rest: &[String]) -> Answer {
    let low: Vec<String> = rest.iter().map(|part| ids::fold(part)).collect();
    let low: Vec<&str> = low.iter().map(String::as_str).collect();
    let part = |at: usize| rest.get(at).map_or("", String::as_str);
    match (call.request.method.as_str(), low.as_slice()) {
        ("GET", ["features"]) => list(call, None),
        ("GET", ["providers", _, "features"]) => list(call, Some(part(1))),
        ("GET", ["providers", _, "features", _]) => {
            permit(call, "features/read")?;
            let feature = advance(call, part(1), part(3))?;
            Ok(error::ok(&document(&call.state.subscription, &feature)))
        }
        ("POST", ["providers", _, "features", _, verb @ ("register" | "unregister")]) => {
            permit(call, &format!("providers/features/{verb}/action"))?;
            let feature = set_registration(call, part(1), part(3), *verb == "register")?;
            Ok(error::ok(&document(&call.state.subscription, &feature)))
        }
        ("GET", ["subscriptionfeatureregistrations"]) => registrations(call, None),
        ("GET", ["featureproviders", _, "subscriptionfeatureregistrations"]) => registrations(call, Some(part(1))),
        (method, ["featureproviders", _, "subscriptionfeatureregistrations", _]) => {
            let method = method.to_owned();
            one_registration(call, &method, part(1), part(3))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

fn permit(call: &Call<'_>, action: &str) -> Result<(), Response> {
    access::require(call, &format!("{NAMESPACE}/{action}"), &format!("/subscriptions/{}", call.state.subscription))
}

fn key(namespace: &str, name: &str) -> String {
    ids::fold(&format!("{namespace}/{name}"))
}

/// Returns the stored feature, or an unregistered one. Its namespace has the provider's own casing.
fn known(call: &Call<'_>, namespace: &str, name: &str) -> Result<Feature, Response> {
    let provider = call.state.providers.get(&ids::fold(namespace)).ok_or_else(|| providers::unknown(namespace))?;
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !valid {
        return Err(gateway(404, "FeatureNotFound", format!("The feature '{name}' could not be found.")));
    }
    let existing = call.state.features.get(&key(namespace, name)).cloned();
    Ok(existing.unwrap_or_else(|| Feature {
        namespace: provider.namespace.clone(),
        name: name.to_owned(),
        state: "NotRegistered".to_owned(),
        registered: None,
    }))
}

/// Returns the feature. A registration in progress is shown once, then it is finished.
fn advance(call: &mut Call<'_>, namespace: &str, name: &str) -> Result<Feature, Response> {
    let feature = known(call, namespace, name)?;
    let done = match feature.state.as_str() {
        "Registering" => "Registered",
        "Unregistering" => "Unregistered",
        _ => return Ok(feature),
    };
    let now = Feature { state: done.to_owned(), ..feature.clone() };
    call.state.features.insert(key(namespace, name), now.clone());
    call.counted();
    Ok(if call.rules.lateness == Lateness::None { now } else { feature })
}

fn set_registration(call: &mut Call<'_>, namespace: &str, name: &str, on: bool) -> Result<Feature, Response> {
    let mut feature = known(call, namespace, name)?;
    match (on, feature.state.as_str()) {
        (true, "Registered") | (false, "NotRegistered" | "Unregistered") => return Ok(feature),
        (true, _) => {
            "Registering".clone_into(&mut feature.state);
            feature.registered = Some(call.now);
        }
        (false, _) => {
            "Unregistering".clone_into(&mut feature.state);
            feature.registered = None;
        }
    }
    call.state.features.insert(key(namespace, name), feature.clone());
    call.changed();
    Ok(feature)
}

/// Lists the stored features and the known ones that are not registered.
fn list(call: &Call<'_>, of: Option<&str>) -> Answer {
    permit(call, "features/read")?;
    if let Some(namespace) = of {
        known(call, namespace, "any")?;
    }
    let mut all = call.state.features.clone();
    for (namespace, name) in LISTED {
        if let Ok(feature) = known(call, namespace, name) {
            all.insert(key(namespace, name), feature);
        }
    }
    let fits = |feature: &&Feature| of.is_none_or(|namespace| feature.namespace.eq_ignore_ascii_case(namespace));
    Ok(error::list(all.values().filter(fits).map(|f| document(&call.state.subscription, f)).collect()))
}

fn registrations(call: &Call<'_>, of: Option<&str>) -> Answer {
    permit(call, "featureProviders/subscriptionFeatureRegistrations/read")?;
    let fits = |f: &&Feature| f.registered.is_some() && of.is_none_or(|namespace| f.namespace.eq_ignore_ascii_case(namespace));
    Ok(error::list(call.state.features.values().filter(fits).map(|f| registration(&call.state.subscription, f)).collect()))
}

/// Writes through the provider hub have this header.
fn by_hub(response: Response) -> Response {
    response.with("x-ms-providerhub-traffic", "True")
}

/// A registration that is created as a resource is finished at once.
fn one_registration(call: &mut Call<'_>, method: &str, namespace: &str, name: &str) -> Answer {
    let action = |verb: &str| format!("featureProviders/subscriptionFeatureRegistrations/{verb}");
    match method {
        "GET" => {
            permit(call, &action("read"))?;
            let feature = known(call, namespace, name)?;
            Ok(error::ok(&registration(&call.state.subscription, &feature)))
        }
        "PUT" => {
            permit(call, &action("write"))?;
            let mut feature = known(call, namespace, name)?;
            "Registered".clone_into(&mut feature.state);
            feature.registered.get_or_insert(call.now);
            call.state.features.insert(key(namespace, name), feature.clone());
            call.changed();
            Ok(by_hub(error::ok(&registration(&call.state.subscription, &feature))))
        }
        "DELETE" => {
            permit(call, &action("delete"))?;
            let feature = known(call, namespace, name)?;
            if feature.registered.is_none() {
                return Ok(Response::new(204));
            }
            set_registration(call, namespace, name, false)?;
            Ok(by_hub(Response::new(200)))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}
