//! The secrets that the FlexVolume driver writes into a pod, by the options of its volumes. Lists have semicolons; earlier versions had one
//! object and other names for the options.

use super::{DRIVER, SEPARATOR};
use crate::{
    azure::ObjectKind,
    chain::{
        texts::field,
        uses::{PodView, SecretUse},
    },
    resources::secret_provider_class::Object,
    survey::Survey,
};
use serde_json::{Value, json};

pub(super) fn mounts(pod: &PodView<'_>, _: &Survey, delivery: &'static str) -> Vec<SecretUse> {
    let ours = pod.volumes().filter(|volume| field(volume, "/flexVolume/driver") == DRIVER);
    ours.filter_map(|volume| volume.pointer("/flexVolume/options")).map(|options| mount(options, delivery)).collect()
}

fn mount(options: &Value, delivery: &'static str) -> SecretUse {
    let text = |name: &str| field(options, &format!("/{name}")).to_owned();
    let filled = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    SecretUse {
        delivery,
        through: None,
        vault: filled("keyvaultname"),
        objects: objects(options),
        synced: Vec::new(),
        // as a SecretProviderClass would say it
        parameters: Some(json!({
            "usePodIdentity": text("usepodidentity"),
            "useVMManagedIdentity": text("usevmmanagedidentity"),
            "userAssignedIdentityID": text("vmmanagedidentityclientid"),
            "keyvaultName": text("keyvaultname"),
            "tenantID": text("tenantid"),
        })),
        edges: Vec::new(),
    }
}

fn objects(options: &Value) -> Vec<Object> {
    let list = |names: [&str; 2]| -> Vec<String> {
        let text = names.iter().map(|name| field(options, &format!("/{name}"))).find(|text| !text.is_empty()).unwrap_or_default();
        text.split(SEPARATOR).map(|one| one.trim().to_owned()).collect()
    };
    let names = list(["keyvaultobjectnames", "keyvaultobjectname"]);
    let types = list(["keyvaultobjecttypes", "keyvaultobjecttype"]);
    let aliases = list(["keyvaultobjectaliases", "keyvaultobjectalias"]);
    let versions = list(["keyvaultobjectversions", "keyvaultobjectversion"]);
    let at = |all: &[String], at: usize| all.get(at).filter(|text| !text.is_empty()).cloned();
    let object = |(place, name): (usize, &String)| Object {
        name: name.clone(),
        alias: at(&aliases, place),
        kind: at(&types, place).and_then(|word| ObjectKind::ALL.into_iter().find(|kind| kind.word() == word)).unwrap_or_default(),
        version: at(&versions, place),
        encoding: None,
        format: None,
        permission: None,
    };
    names.iter().enumerate().filter(|(_, name)| !name.is_empty()).map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_with_semicolons_and_the_single_options_of_old_are_read() {
        let read = |options: Value| objects(&options).iter().map(|o| (o.name.clone(), o.kind, o.alias.clone())).collect::<Vec<_>>();
        let several = json!({ "keyvaultobjectnames": "a;b", "keyvaultobjecttypes": "secret;key", "keyvaultobjectaliases": ";b.pem" });
        assert_eq!(read(several), [("a".into(), ObjectKind::Secret, None), ("b".into(), ObjectKind::Key, Some("b.pem".into()))]);
        assert_eq!(read(json!({ "keyvaultobjectname": "a", "keyvaultobjecttype": "cert" })), [("a".into(), ObjectKind::Cert, None)]);
        assert!(read(json!({})).is_empty());
    }
}
