//! The links of the CSI driver, from the vault to the synced Secret.

use super::{
    examine,
    names::{CLASS, STATUS},
    pages, texts,
};
use crate::{
    chain::{
        facts::{Bound, Delivered},
        ground,
        link::{Heals, Link, LinkName, MissingLink, RESTART, Reason, Resource, START, UNKNOWN, VERSION},
        stage::{Otherwise, Reached, Stage, Until},
        texts::{field, short},
        view::PodRef,
    },
    cluster::Api,
    resources::secret_provider_class::Object,
};
use serde_json::Value;
use std::collections::BTreeMap;

const CLASS_LINK: LinkName = LinkName::new("class", &pages::CLASS);
/// The Secrets Store CSI driver.
const DRIVER: LinkName = LinkName::new("driver", &pages::DRIVER);
/// Its Azure provider.
const PROVIDER: LinkName = LinkName::new("provider", &pages::PROVIDER);
/// The driver keeps a Kubernetes Secret in step.
const SYNC: LinkName = LinkName::new("sync", &pages::SYNC);

pub(super) fn links(delivered: &Delivered, bound: &Bound) -> Vec<Link> {
    let again = mount(delivered, bound);
    let mut links = ground::of_vault(delivered, bound);
    links.extend([
        Link::new(CLASS_LINK, format!("the SecretProviderClass {}/{}", delivered.namespace, delivered.name), again.clone())
            .resource(Resource::of(CLASS))
            .symptoms(texts::OF_CLASS)
            .examine(examine::CLASS)
            .apart(),
        Link::new(DRIVER, "the Secrets Store CSI driver on the pod's node", Vec::new())
            .symptoms(texts::OF_DRIVER)
            .examine(examine::DRIVER)
            .apart(),
        Link::new(PROVIDER, "the driver's Azure provider on the pod's node", Vec::new())
            .symptoms(texts::OF_PROVIDER)
            .examine(examine::PROVIDER)
            .apart(),
        Link::new(VERSION, "the mounted versions", again.clone()),
        Link::new(SYNC, "the synced Secrets", again).symptoms(texts::OF_SYNC),
        ground::container(),
    ]);
    links
}

/// The command that writes the class again.
fn mount(delivered: &Delivered, bound: &Bound) -> Vec<String> {
    let mut words = ground::words(["mount", "apply", "--namespace", &delivered.namespace, "--name", &delivered.name]);
    words.extend(ground::words(["--vault", &delivered.vault.name]));
    for object in &delivered.objects {
        let Object { name, alias, kind, version, encoding, format, permission } = object;
        let alias = alias.as_ref().map(|alias| format!("={alias}")).unwrap_or_default();
        let more = [("version", version), ("encoding", encoding), ("format", format), ("permission", permission)];
        let more: String = more.iter().filter_map(|(word, value)| Some(format!(",{word}={}", value.as_ref()?))).collect();
        words.extend([format!("--{}", kind.word()), format!("{name}{alias}{more}")]);
    }
    let types: BTreeMap<&String, &String> = delivered.synced.iter().filter_map(|s| Some((&s.secret, s.of_type.as_ref()?))).collect();
    for (secret, of_type) in types {
        words.extend(["--sync-type".to_owned(), format!("{secret}={of_type}")]);
    }
    for synced in &delivered.synced {
        words.extend(["--sync".to_owned(), format!("{}:{}={}", synced.secret, synced.key, synced.file)]);
    }
    words.extend(ground::cluster_flags(bound));
    words
}

/// The mount, then each synced Secret, then the container that reads them.
pub(super) fn stages(delivered: &Delivered, pod: &PodRef) -> Vec<Stage> {
    let mut stages = vec![mounted(delivered, pod)];
    let mut secrets: Vec<&str> = delivered.synced.iter().map(|s| s.secret.as_str()).collect();
    secrets.dedup();
    stages.extend(secrets.into_iter().map(|secret| synced(delivered, secret)));
    let env: Vec<&str> = delivered.synced.iter().filter_map(|s| s.env.as_deref()).collect();
    if !env.is_empty() {
        let detail = format!("with {} from the Secret", env.join(", "));
        stages.push(Stage {
            step: "running",
            waits_for: "waiting until the container runs".into(),
            in_vain: "the secrets were mounted, but the container did not start".into(),
            until: Until::runs(move || Reached { detail: detail.clone(), ..Reached::default() }),
            otherwise: Otherwise::Nothing,
            ..later()
        });
    }
    stages
}

/// What stages after the mount have in common: what failed before it is over, and the driver has said once why a Secret is missing.
fn later() -> Stage {
    Stage {
        step: "",
        waits_for: String::new(),
        in_vain: String::new(),
        until: Until::runs(Reached::default),
        link: START,
        otherwise: Otherwise::Nothing,
        telling: &["FailedToCreateSecret"],
        over: &["FailedMount"],
        report: None,
    }
}

/// The driver reports in a status what it mounted. A status of an earlier pod of this name belongs to that one.
fn mounted(delivered: &Delivered, pod: &PodRef) -> Stage {
    let (uid, class, objects) = (pod.uid.clone(), delivered.name.clone(), delivered.objects.clone());
    let (kind, plural) = STATUS;
    Stage {
        step: "mounted",
        waits_for: "waiting until the driver has mounted the secrets".into(),
        in_vain: "the pod did not get its secrets".into(),
        until: Until::Object {
            api: Api::new("secrets-store.csi.x-k8s.io", "v1", kind, plural),
            // the driver names it by pod, namespace and class
            name: format!("{}-{}-{class}", pod.at.name, delivered.namespace),
            read: Box::new(move |status| {
                let owners = status.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
                let ours = owners.iter().any(|owner| field(owner, "/uid") == uid);
                let mounted = status.pointer("/status/mounted").and_then(Value::as_bool) == Some(true);
                (ours && mounted).then(|| files(status, &class, &objects))
            }),
        },
        link: UNKNOWN,
        otherwise: Otherwise::Chain,
        telling: &[],
        over: &[],
        report: None,
    }
}

/// The status names objects as `secret/NAME`, `key/NAME` or `cert/NAME`; files carry the alias.
fn files(status: &Value, class: &str, objects: &[Object]) -> Result<Reached, MissingLink> {
    let reported = status.pointer("/status/objects").and_then(Value::as_array);
    let pair = |object: &Value| {
        let id = object.get("id")?.as_str()?;
        let version = object.get("version")?.as_str()?;
        Some((id.to_owned(), version.to_owned()))
    };
    let reported: BTreeMap<String, String> = reported.map(|list| list.iter().filter_map(pair).collect()).unwrap_or_default();
    let mut versions = BTreeMap::new();
    for object in objects {
        let version = reported.get(&object.id());
        let version = version.ok_or_else(|| MissingLink::new(CLASS_LINK, format!("the driver mounted {class} without {}", object.name)))?;
        versions.insert(object.file().to_owned(), Some(version.clone()));
    }
    let shown: Vec<String> =
        versions.iter().map(|(file, version)| format!("{file} version {}", short(version.as_deref().unwrap_or_default()))).collect();
    Ok(Reached { detail: shown.join(", "), versions })
}

/// Only the keys of the Secret are looked at.
fn synced(delivered: &Delivered, secret: &str) -> Stage {
    let keys: Vec<String> = delivered.synced.iter().filter(|s| s.secret == secret).map(|s| s.key.clone()).collect();
    let detail = format!("Secret {secret}, key {}", keys.join(", "));
    Stage {
        step: "synced",
        waits_for: format!("waiting until the driver has made the Secret {secret}"),
        in_vain: format!("the secrets were mounted, but the Secret {secret} was not made"),
        until: Until::Object {
            api: Api::new("", "v1", "Secret", "secrets"),
            name: secret.to_owned(),
            read: Box::new(move |object| {
                let data = object.get("data").and_then(Value::as_object);
                let all = keys.iter().all(|key| data.is_some_and(|data| data.contains_key(key)));
                all.then(|| Ok(Reached { detail: detail.clone(), versions: BTreeMap::new() }))
            }),
        },
        otherwise: Otherwise::Reason(unsynced(secret)),
        ..later()
    }
}

fn unsynced(secret: &str) -> Reason {
    let hint = "If the driver may not write Secrets: with its Helm chart set `secrets-store-csi-driver.syncSecret.enabled=true`; the AKS add-on has that right always.";
    let missing = MissingLink::new(SYNC, format!("the driver has not made the Secret {secret}")).hint(hint);
    Reason::new(Heals::Within(RESTART), missing)
}
