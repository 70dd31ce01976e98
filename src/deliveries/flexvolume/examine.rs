//! What `doctor` looks at of FlexVolume beyond a proof: the options in the pod, as the driver checks them, and whether the driver is on the
//! pod's node.

use super::{DRIVER as NAME, SEPARATOR};
use crate::{
    azure::ObjectKind,
    chain::{
        link::{Check, Heals, Link, MissingLink, RESTART, Reason},
        programs,
        texts::field,
        view::View,
    },
    engine::resource::Side,
    resources::running::Installer,
    survey::kinds::DEPLOYMENT,
};
use serde_json::Value;

pub const TEMPLATE: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_options(view, link)) }];
pub const DRIVER: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_driver(view, link)) }];

async fn look_at_options(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let (Some(pod), Some(delivered)) = (view.pod, view.delivered) else { return Vec::new() };
    let Ok(Some(object)) = view.cluster.get(&pod.at).await else { return Vec::new() };
    let volumes = object.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let ours = volumes.filter(|volume| field(volume, "/flexVolume/driver") == NAME);
    let found: Vec<Vec<String>> =
        ours.map(|volume| wrong(volume.pointer("/flexVolume/options").unwrap_or(&Value::Null), &delivered.vault.name)).collect();
    // one of several volumes may be of another vault
    if found.is_empty() || found.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let what = format!("the FlexVolume of the pod {} {}", pod.at.name, found[0].join(" and "));
    vec![Reason::new(Heals::Never, MissingLink::new(link.name, what).hint(write(view)))]
}

/// What of the options the driver cannot use, or what is of something else than podid wrote, as parts of a sentence.
fn wrong(options: &Value, vault: &str) -> Vec<String> {
    let text = |name: &str| field(options, &format!("/{name}"));
    let list = |names: [&str; 2]| -> Vec<&str> {
        names.into_iter().map(text).find(|text| !text.is_empty()).map(|text| text.split(SEPARATOR).collect()).unwrap_or_default()
    };
    let objects = list(["keyvaultobjectnames", "keyvaultobjectname"]);
    let types = list(["keyvaultobjecttypes", "keyvaultobjecttype"]);
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(
        ["tenantid", "keyvaultname"].into_iter().filter(|name| text(name).is_empty()).map(|name| format!("has no option `{name}`")),
    );
    for (name, list) in [("keyvaultobjectnames", &objects), ("keyvaultobjecttypes", &types)] {
        if list.is_empty() {
            wrong.push(format!("has no option `{name}`"));
        }
    }
    if !objects.is_empty() && !types.is_empty() && objects.len() != types.len() {
        wrong.push(format!("names {} objects and {} types: a semicolon separates the items of its lists", objects.len(), types.len()));
    }
    if let Some(other) = types.iter().find(|word| !ObjectKind::ALL.iter().any(|kind| kind.word() == **word)) {
        wrong.push(format!("has the object type {other:?}, which is not secret, key or cert"));
    }
    if !text("usepodidentity").eq("true") && text("usevmmanagedidentity") != "true" && options.get("secretRef").is_none() {
        wrong.push("does not say `usepodidentity: \"true\"`, so that the driver looks for the secret of a service principal".to_owned());
    }
    let own = text("keyvaultname");
    if !own.is_empty() && !vault.is_empty() && !own.eq_ignore_ascii_case(vault) {
        wrong.push(format!("reads the vault {own}, not {vault}"));
    }
    wrong
}

/// How the template gets its options again.
fn write(view: &View<'_>) -> String {
    let (bound, name) = (view.bound, view.delivered.map(|delivered| delivered.name.as_str()).unwrap_or_default());
    let wire = view.commands.podid(&["app", "wire", &format!("deployment/{name}"), "-n", &bound.namespace]);
    let edit = format!("`kubectl edit deployment {name} -n {}`", bound.namespace);
    let deployed = view.survey.and_then(|survey| survey.cluster.named(&DEPLOYMENT, &bound.namespace, name)).map(Installer::of);
    match view.delivered.filter(|delivered| !delivered.keys.is_empty()) {
        Some(delivered) if matches!(deployed, Some(Installer::Podid(_))) && view.commands.spec.is_some() => {
            let up = view.commands.write_again(&bound.app, delivered.by, &[], &["--force-conflicts"]);
            format!("Write the options again: {up}.")
        }
        Some(_) => format!("Write the options again: {wire}, or {edit}."),
        None => format!("Correct `flexVolume.options` in the pod template; the driver's README lists them: {edit}."),
    }
}

async fn look_at_driver(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let Some(all) = view.survey.and_then(|survey| programs::daemons(survey, "driver", &["keyvault-flexvolume"])) else { return Vec::new() };
    let install = view.commands.podid(&["cluster", "install", "flexvolume", "--cluster", &view.bound.cluster.name]);
    let Some(first) = all.iter().max_by_key(|one| one.ready) else {
        let what = format!("the FlexVolume driver does not run in the cluster {}", view.bound.cluster.name);
        return vec![Reason::new(Heals::Never, MissingLink::new(link.name, what).hint(format!("Install it: {install}.")))];
    };
    let what = match programs::node(view).await {
        Some(node) => programs::absence(view, first, "the FlexVolume driver", &node).await,
        None => (first.wanted > 0 && first.ready == 0)
            .then(|| format!("no pod of the FlexVolume driver is ready ({}/{}, 0 of {})", first.namespace, first.name, first.wanted)),
    };
    let hint = format!("Look why: `kubectl describe daemonset {} -n {}`.", first.name, first.namespace);
    what.into_iter().map(|what| Reason::new(Heals::Within(RESTART), MissingLink::new(link.name, what).hint(hint.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_checked_as_the_driver_does_it() {
        let sound = json!({
            "usepodidentity": "true", "keyvaultname": "kv", "keyvaultobjectnames": "a;b", "keyvaultobjecttypes": "secret;key", "tenantid": "t",
        });
        let with = |name: &str, value: Value| {
            let mut options = sound.clone();
            options[name] = value;
            wrong(&options, "kv").join("|")
        };
        assert_eq!(wrong(&sound, "kv"), Vec::<String>::new());
        assert!(with("tenantid", json!("")).contains("has no option `tenantid`"));
        assert!(with("keyvaultobjecttypes", json!("secret,key")).contains("names 2 objects and 1 types"));
        assert!(with("keyvaultobjecttypes", json!("secret;certificate")).contains("object type \"certificate\""));
        assert!(with("usepodidentity", json!("false")).contains("usepodidentity"));
        assert!(with("keyvaultname", json!("other")).contains("reads the vault other, not kv"));
        assert_eq!(
            wrong(
                &json!({ "usepodidentity": "true", "keyvaultname": "kv", "keyvaultobjectname": "a", "keyvaultobjecttype": "secret", "tenantid": "t" }),
                "kv"
            ),
            Vec::<String>::new(),
            "the options of old"
        );
    }
}
