//! Resource providers and preview features, and the state of each.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    if record.op.starts_with("provider") {
        provider(record, build)?
    } else {
        feature(record, build)?
    }
    Ok(Ask::of(record, build))
}

fn provider(record: &Record, build: &Build<'_>) -> Made<()> {
    if record.status != 200 || record.op.contains(".list.") {
        return Ok(());
    }
    let before = match (record.method.as_str(), record.body["registrationState"].as_str()) {
        ("GET", Some("NotRegistered" | "Unregistered" | "Unregistering")) | ("POST", Some("Registering")) => "unregistered",
        _ => "registered",
    };
    if before == "unregistered" && !record.path.to_ascii_lowercase().ends_with("/unregister") {
        let namespace = record.body["namespace"].as_str().unwrap_or_default();
        return build.unregister(&format!("/subscriptions/-/providers/{namespace}"));
    }
    Ok(())
}

/// Handles `Microsoft.Features/providers/NS/features/NAME` and `Microsoft.Features/featureProviders/NS/subscriptionFeatureRegistrations/NAME`.
fn feature(record: &Record, build: &Build<'_>) -> Made<()> {
    if record.status >= 300 || record.op.contains(".list.") {
        return Ok(());
    }
    let place = Place::of(&record.path);
    let (namespace, name) = match (place.name("featureProviders"), place.name("subscriptionFeatureRegistrations"), place.name("features")) {
        (Some(namespace), Some(name), _) => (namespace.to_owned(), name.to_owned()),
        (_, _, Some(name)) => (place.namespace.clone(), name.to_owned()),
        _ => return Err("a feature without a name is not understood".to_owned()),
    };
    let state = record.body["properties"]["state"].as_str().unwrap_or_default();
    let last = record.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    // The change itself is left to the request.
    let verb = match (record.method.as_str(), last.as_str(), state) {
        ("POST", "unregister", _) | ("DELETE", _, _) | ("GET", _, "Registered" | "Registering" | "Pending") => Some("register"),
        _ => None,
    };
    let Some(verb) = verb else { return Ok(()) };
    let at = format!("/subscriptions/{}/providers/Microsoft.Features/providers/{namespace}/features/{name}", build.world.subscription);
    build.must("a feature", &build.world.arm("POST", &format!("{at}/{verb}?api-version=2021-07-01"), None))?;
    for _ in 0..3 {
        build.world.arm("GET", &format!("{at}?api-version=2021-07-01"), None);
    }
    Ok(())
}
