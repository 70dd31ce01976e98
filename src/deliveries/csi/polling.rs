//! What the rotation of the CSI driver costs: for each pod, it reads every object of a class again at each interval. The plan says so where
//! these are many requests.

use super::names::{CLASS, DRIVER};
use crate::{
    chain::remarks::{Planned, wanted},
    engine::{key::Key, plan::Warning, resource::Kind as _},
    resources::{
        cluster::Cluster, feature::Feature, helm_release::HelmRelease, manifest, object::Object,
        secret_provider_class::SecretProviderClass, wiring::Wiring, world::ClusterTarget,
    },
    spec::names,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The number of requests to one vault in a day from which the plan names them: one in 0.9 seconds, or 0.30 USD a day at the list price of
/// 0.03 USD for 10,000 operations (<https://azure.microsoft.com/pricing/details/key-vault/>). 47 pods with 3 objects each reach it at the default
/// interval, 10 pods with 3 objects do not.
const NOTABLE_PER_DAY: u64 = 100_000;
/// The number of reads of secrets that one vault allows in 10 seconds, for all its readers in a region; later ones get 429
/// (<https://learn.microsoft.com/azure/key-vault/general/service-limits>).
const LIMIT: u64 = 4000;
/// The default of `rotationPollInterval`, for the add-on and the chart.
const INTERVAL: Duration = Duration::from_secs(120);
const DAY: u64 = 24 * 60 * 60;
/// The interval that the hint proposes, and from which there is nothing to propose.
const LONGER: Duration = Duration::from_secs(60 * 60);

/// The requests of one vault's classes in one round.
#[derive(Default)]
struct Round {
    pods: u64,
    requests: u64,
    /// The class with the most requests, which is shown.
    most: Option<(u64, Key)>,
    changes: bool,
}

pub(super) async fn warnings(planned: &Planned<'_>) -> Vec<Warning> {
    if !planned.plan.has_changes() {
        return Vec::new();
    }
    let mut rounds: BTreeMap<(String, String), Round> = BTreeMap::new();
    let mut clusters: BTreeMap<String, Option<Rotation>> = BTreeMap::new();
    for node in wanted(planned.desired, CLASS) {
        let Some(class) = planned.placed::<SecretProviderClass>(node) else { continue };
        let cluster = &class.target.name;
        if !clusters.contains_key(cluster) {
            clusters.insert(cluster.clone(), rotation(planned, &class.target).await);
        }
        let Some(Some(rotation)) = clusters.get(cluster) else { continue };
        let (pods, pods_change) = pods(planned, &class).await;
        let requests = pods.saturating_mul(class.objects.len() as u64);
        let round = rounds.entry((cluster.clone(), class.vault_name.to_lowercase())).or_default();
        round.pods += pods;
        round.requests += requests;
        round.changes |= rotation.changes || pods_change || changes(planned, &node.key);
        if round.most.as_ref().is_none_or(|(most, _)| requests > *most) {
            round.most = Some((requests, node.key.clone()));
        }
    }
    let warning = |((cluster, vault), round): ((String, String), Round)| {
        let interval = clusters.get(&cluster)?.as_ref()?.interval;
        let (_, key) = round.most.as_ref().filter(|_| round.changes)?;
        let (text, hint) = told(&vault, round.pods, round.requests, interval)?;
        Some(Warning { key: key.clone(), text, hint: Some(hint) })
    };
    rounds.into_iter().filter_map(warning).collect()
}

/// None: they are not worth a word.
fn told(vault: &str, pods: u64, requests: u64, interval: Duration) -> Option<(String, String)> {
    let in_a_day = |interval: Duration| requests.saturating_mul(DAY) / interval.as_secs().max(1);
    let day = in_a_day(interval);
    if day < NOTABLE_PER_DAY {
        return None;
    }
    let of_pods = if pods == 1 { "1 pod".to_owned() } else { format!("{} pods", grouped(pods)) };
    let text = format!(
        "secret rotation reads the vault {vault} {} times every {} for {of_pods}: {} requests an hour, {} a day; Key Vault charges for each 10,000, and allows {} in 10 s for all readers of the vault",
        grouped(requests),
        shown(interval),
        grouped(day / 24),
        grouped(day),
        grouped(LIMIT)
    );
    let longer = match interval < LONGER {
        true => format!(
            "Give the component csi a longer `rotationInterval` (with {} it is {} a day), or mount fewer objects.",
            shown(LONGER),
            grouped(in_a_day(LONGER))
        ),
        false => "Mount fewer objects, or give the component csi a longer `rotationInterval`.".to_owned(),
    };
    Some((text, longer))
}

/// `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2m`, `90s`, `1h`
fn shown(interval: Duration) -> String {
    let seconds = interval.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

fn changes(planned: &Planned<'_>, key: &Key) -> bool {
    planned.plan.action(key).is_some_and(|action| action.act.changes())
}

/// How a driver rotates.
struct Rotation {
    interval: Duration,
    /// The plan turns it on, or changes the interval.
    changes: bool,
}

/// As this plan sets it for the add-on or the chart, or as the managed cluster has it. None: off, or set by a chart of somebody else.
async fn rotation(planned: &Planned<'_>, target: &ClusterTarget) -> Option<Rotation> {
    let actions = || planned.plan.actions.iter().filter(|action| !action.act.removes());
    let of_plan = |key: &Key| changes(planned, key);
    let nodes = || actions().filter_map(|action| action.work.node.as_deref());
    for node in nodes().filter(|node| node.kind == Feature::KIND) {
        let Some(feature) = planned.placed::<Feature>(node).filter(|one| one.cluster.name().eq_ignore_ascii_case(&target.name)) else {
            continue;
        };
        if let Some(profile) = feature.on.pointer("/addonProfiles/azureKeyvaultSecretsProvider") {
            let interval = of_addon(profile)?;
            return Some(Rotation { interval, changes: of_plan(&node.key) });
        }
    }
    for node in nodes().filter(|node| node.kind == HelmRelease::KIND) {
        let Some(release) = planned.placed::<HelmRelease>(node).filter(|one| one.target.context == target.context) else { continue };
        if let Some(values) = release.values.get("secrets-store-csi-driver") {
            let is_on = values.get("enableSecretRotation") == Some(&Value::Bool(true));
            let interval = is_on.then(|| interval(values.get("rotationPollInterval")))?;
            return Some(Rotation { interval, changes: of_plan(&node.key) });
        }
    }
    let id = planned.desired.nodes.values().filter(|node| node.kind == Cluster::KIND).find_map(|node| {
        let cluster = planned.placed::<Cluster>(node)?;
        cluster.id.name().eq_ignore_ascii_case(&target.name).then_some(cluster.id)
    })?;
    // it was read for the plan, and is not asked for again
    let document = planned.reader.azure.cluster_document(&id).await.ok()??;
    let interval = of_addon(document.pointer("/properties/addonProfiles/azureKeyvaultSecretsProvider")?)?;
    Some(Rotation { interval, changes: false })
}

/// The interval of the add-on, whose settings are strings. None: it is off.
fn of_addon(profile: &Value) -> Option<Duration> {
    let is_enabled = profile.get("enabled") == Some(&Value::Bool(true));
    let is_on = profile.pointer("/config/enableSecretRotation").and_then(Value::as_str) == Some("true");
    (is_enabled && is_on).then(|| interval(profile.pointer("/config/rotationPollInterval")))
}

fn interval(text: Option<&Value>) -> Duration {
    text.and_then(Value::as_str).and_then(|text| names::duration(text).ok()).filter(|one| !one.is_zero()).unwrap_or(INTERVAL)
}

/// The number of pods that mount a class by what this plan deploys or wires, at least one; and whether the plan changes one of these.
async fn pods(planned: &Planned<'_>, class: &SecretProviderClass) -> (u64, bool) {
    let (mut pods, mut any_changes) = (0, false);
    for node in wanted(planned.desired, Object::KIND) {
        let Some(object) = planned.placed::<Object>(node).filter(|one| one.target.context == class.target.context) else { continue };
        let volumes = object.manifest.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
        let namespace = object.manifest.pointer("/metadata/namespace").and_then(Value::as_str);
        if namespace == Some(&class.namespace) && volumes.is_some_and(|volumes| mounts(volumes, &class.name)) {
            pods += object.manifest.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
            any_changes |= changes(planned, &node.key);
        }
    }
    for node in wanted(planned.desired, Wiring::KIND) {
        let Some(wiring) = planned.placed::<Wiring>(node) else { continue };
        let here = wiring.target.context == class.target.context && wiring.namespace == class.namespace;
        if here && mounts(&wiring.patch.volumes, &class.name) {
            pods += replicas(planned, &wiring).await;
            any_changes |= changes(planned, &node.key);
        }
    }
    (pods.max(1), any_changes)
}

fn mounts(volumes: &[Value], class: &str) -> bool {
    let of = |volume: &Value, pointer: &str| volume.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    volumes.iter().any(|volume| {
        of(volume, "/csi/driver").as_deref() == Some(DRIVER)
            && of(volume, "/csi/volumeAttributes/secretProviderClass").as_deref() == Some(class)
    })
}

/// Of an existing workload; one that cannot be read counts once.
async fn replicas(planned: &Planned<'_>, wiring: &Wiring) -> u64 {
    let Ok(cluster) = planned.reader.cluster(&wiring.target).await else { return 1 };
    let at = manifest::at(&wiring.workload.api(), Some(&wiring.namespace), &wiring.name);
    let Ok(Some(workload)) = cluster.get(&at).await else { return 1 };
    let numbers = ["/spec/replicas", "/status/desiredNumberScheduled"];
    numbers.iter().find_map(|pointer| workload.pointer(pointer).and_then(Value::as_u64)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_few_pods_are_not_worth_a_word() {
        assert_eq!(told("kv", 10, 30, INTERVAL), None);
        assert_eq!(told("kv", 100, 1000, Duration::from_secs(86_400)), None);
    }

    #[test]
    fn many_requests_are_told_with_what_makes_them_fewer() {
        let (text, hint) = told("kv", 46, 138 + 2, INTERVAL).unwrap();
        assert!(text.contains("reads the vault kv 140 times every 2m for 46 pods: 4,200 requests an hour, 100,800 a day"), "{text}");
        assert!(hint.contains("(with 1h it is 3,360 a day)"), "{hint}");
        let (_, hint) = told("kv", 1000, 10_000, Duration::from_secs(7200)).unwrap();
        assert!(hint.starts_with("Mount fewer objects"), "{hint}");
        assert!(told("kv", u64::MAX, u64::MAX, Duration::ZERO).is_some(), "no number is too large");
    }

    #[test]
    fn the_interval_of_the_add_on_is_a_string() {
        let profile = |enabled: bool, config: Value| json!({ "enabled": enabled, "config": config });
        let on = json!({ "enableSecretRotation": "true", "rotationPollInterval": "1h30m" });
        assert_eq!(of_addon(&profile(true, on.clone())), Some(Duration::from_secs(5400)));
        assert_eq!(of_addon(&profile(true, json!({ "enableSecretRotation": "true" }))), Some(INTERVAL));
        assert_eq!(of_addon(&profile(true, json!({ "enableSecretRotation": "false" }))), None);
        assert_eq!(of_addon(&profile(true, Value::Null)), None);
        assert_eq!(of_addon(&profile(false, on)), None);
    }
}
