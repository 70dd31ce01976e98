//! The revisions of a deployment: which of its replica sets is the new one, and how sets are named and annotated (kubernetes,
//! `pkg/controller/deployment/util`).

use super::super::store::meta;
use super::super::typed::equal;
use super::controller_client::count;
use serde_json::{Value, json};

pub const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
pub const HASH: &str = "pod-template-hash";
/// The deployment's annotations that its sets do not copy.
const NOT_COPIED: [&str; 6] =
    ["kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAX_REPLICAS, "deprecated.deployment.rollback.to"];
const MAX_HISTORY_LENGTH: usize = 2000;

/// Hashes a pod template: 32-bit FNV-1a in the letters that the API server uses for names. It hashes JSON and not Go's text, as the
/// real one does: it only has to be stable.
pub fn hash(template: &Value, collisions: i64) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut text = String::new();
    sorted(template, &mut text);
    if collisions > 0 {
        text += &collisions.to_string();
    }
    let sum = text.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    sum.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect()
}

fn sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            for name in names {
                *out += name;
                out.push(':');
                sorted(&map[name], out);
            }
            out.push(';');
        }
        Value::Array(items) => {
            items.iter().for_each(|item| sorted(item, out));
            out.push(',');
        }
        other => *out += &other.to_string(),
    }
}

/// Returns the new set of a deployment, if there is one, and the old ones, oldest first.
pub fn split(deployment: &Value, mut sets: Vec<Value>) -> (Option<Value>, Vec<Value>) {
    sets.sort_by_key(|set| (meta(set, "creationTimestamp").to_owned(), meta(set, "name").to_owned()));
    let plain = |template: &Value| {
        let mut template = template.clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.shift_remove(HASH);
        }
        template
    };
    let wanted = plain(&deployment["spec"]["template"]);
    let new = sets.iter().position(|set| equal(&plain(&set["spec"]["template"]), &wanted));
    let new = new.map(|at| sets.remove(at));
    (new, sets)
}

pub fn revision(set: &Value) -> i64 {
    set["metadata"]["annotations"][REVISION].as_str().and_then(|r| r.parse().ok()).unwrap_or_default()
}

pub fn annotation(set: &Value, name: &str) -> Option<i64> {
    set["metadata"]["annotations"][name].as_str()?.parse().ok().filter(|n| *n >= 0)
}

/// Copies annotations to the new set and sets its revision. Returns whether anything changed.
pub fn annotate(deployment: &Value, set: &mut Value, next: i64, fresh: bool) -> bool {
    let before = set["metadata"]["annotations"].clone();
    let mut all = before.as_object().cloned().unwrap_or_default();
    for (name, value) in deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !NOT_COPIED.contains(&name.as_str()) {
            all.insert(name.clone(), value.clone());
        }
    }
    let old = all.get(REVISION).and_then(Value::as_str).map(str::to_owned);
    let number: i64 = old.as_deref().and_then(|r| r.parse().ok()).unwrap_or_default();
    if number < next {
        all.insert(REVISION.into(), json!(next.to_string()));
        if let Some(old) = old {
            let mut history: Vec<&str> = all.get(HISTORY).and_then(Value::as_str).into_iter().flat_map(|h| h.split(',')).collect();
            history.push(&old);
            // As many of the newest revisions as fit, with their commas.
            let mut length = 0;
            let fit = history.iter().rev().take_while(|revision| {
                length += revision.len() + 1;
                length <= MAX_HISTORY_LENGTH + 1
            });
            let kept = fit.count();
            history.drain(..history.len() - kept);
            all.insert(HISTORY.into(), json!(history.join(",")));
        }
    }
    set["metadata"]["annotations"] = Value::Object(all);
    if fresh {
        mark_replicas(deployment, set);
    }
    set["metadata"]["annotations"] != before
}

/// Records the wanted and the highest number of replicas of the deployment at the last scaling of this set.
pub fn mark_replicas(deployment: &Value, set: &mut Value) {
    let wanted = replicas(deployment);
    set["metadata"]["annotations"][DESIRED] = json!(wanted.to_string());
    set["metadata"]["annotations"][MAX_REPLICAS] = json!(wanted.saturating_add(max_surge(deployment)).to_string());
}

pub fn replicas(object: &Value) -> i64 {
    count(&object["spec"]["replicas"])
}

pub fn is_rolling(deployment: &Value) -> bool {
    deployment["spec"]["strategy"]["type"] == "RollingUpdate"
}

/// Evaluates a number, or a percentage of `of`.
pub fn share(value: &Value, of: i64, up: bool) -> i64 {
    match value.as_str().and_then(|text| text.trim_end_matches('%').parse::<i64>().ok()) {
        Some(percent) if up => percent.saturating_mul(of).saturating_add(99).div_euclid(100),
        Some(percent) => percent.saturating_mul(of).div_euclid(100),
        None => count(value),
    }
}

/// Returns how many pods may exist above the wanted number, and how many may be unavailable, during a rolling update. Never both zero.
fn bounds(deployment: &Value) -> (i64, i64) {
    if !is_rolling(deployment) {
        return (0, 0);
    }
    let (wanted, rolling) = (replicas(deployment), &deployment["spec"]["strategy"]["rollingUpdate"]);
    let (max_surge, missing) = (share(&rolling["maxSurge"], wanted, true), share(&rolling["maxUnavailable"], wanted, false));
    (max_surge, if max_surge == 0 && missing == 0 { 1 } else { missing })
}

pub fn max_surge(deployment: &Value) -> i64 {
    bounds(deployment).0
}

pub fn max_unavailable(deployment: &Value) -> i64 {
    let wanted = replicas(deployment);
    if wanted == 0 { 0 } else { bounds(deployment).1.min(wanted) }
}

pub fn active(sets: &[Value]) -> impl Iterator<Item = &Value> {
    sets.iter().filter(|set| replicas(set) > 0)
}

pub fn total<'a>(sets: impl IntoIterator<Item = &'a Value>) -> i64 {
    sets.into_iter().map(replicas).fold(0, i64::saturating_add)
}

pub fn sum<'a>(sets: impl IntoIterator<Item = &'a Value>, field: &str) -> i64 {
    sets.into_iter().map(|set| count(&set["status"][field])).fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(replicas: i64, max_surge: Value, missing: Value) -> Value {
        json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": missing}}}})
    }

    #[test]
    fn percentages_are_rounded_up_for_surge_and_down_for_unavailable() {
        let quarter = deployment(2, json!("25%"), json!("25%"));
        assert_eq!((max_surge(&quarter), max_unavailable(&quarter)), (1, 0));
        let ten = deployment(10, json!("25%"), json!("25%"));
        assert_eq!((max_surge(&ten), max_unavailable(&ten)), (3, 2));
        let none = deployment(3, json!(0), json!("0%"));
        assert_eq!((max_surge(&none), max_unavailable(&none)), (0, 1));
        assert_eq!(max_unavailable(&deployment(0, json!(1), json!(1))), 0);
    }

    #[test]
    fn a_hash_depends_on_the_values_and_not_on_their_order() {
        let (one, two) = (json!({"a": 1, "b": [2, {"c": "d"}]}), json!({"b": [2, {"c": "d"}], "a": 1}));
        assert_eq!(hash(&one, 0), hash(&two, 0));
        assert_ne!(hash(&one, 0), hash(&one, 1));
        assert_ne!(hash(&one, 0), hash(&json!({"a": 2, "b": [2, {"c": "d"}]}), 0));
    }

    #[test]
    fn former_revisions_are_kept_in_the_history() {
        let deployment = deployment(1, json!(1), json!(0));
        let mut set = json!({"metadata": {"annotations": {REVISION: "1"}}});
        assert!(annotate(&deployment, &mut set, 3, false));
        assert_eq!(set["metadata"]["annotations"], json!({REVISION: "3", HISTORY: "1"}));
        assert!(!annotate(&deployment, &mut set, 3, false));
        assert!(annotate(&deployment, &mut set, 5, false));
        assert_eq!(set["metadata"]["annotations"][HISTORY], "1,3");
    }
}
