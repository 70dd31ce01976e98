//! Who owns which field of an object: managedFields, kept as the API server keeps them (apimachinery, `managedfields`; structured-merge-diff,
//! `merge`). Knows no store and no requests.

use super::fields::{Set, show};
use super::schema::Type;
use super::status::Refusal;
use super::typed;
use serde_json::{Value, json};

/// More update entries than this are merged into one.
const MOST_UPDATERS: usize = 10;
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    pub name: String,
    pub applied: bool,
    pub version: String,
    pub subresource: String,
    pub time: String,
    pub set: Set,
}

impl Owner {
    /// The same writer; an applier is the same whatever version it applied.
    fn is(&self, other: &Owner) -> bool {
        self.name == other.name
            && self.applied == other.applied
            && self.subresource == other.subresource
            && (self.applied || self.version == other.version)
    }
    fn shown(&self) -> String {
        let mut out = json!(self.name).to_string();
        if !self.subresource.is_empty() {
            out += &format!(" with subresource {}", json!(self.subresource));
        }
        if !self.applied {
            out += &format!(" using {}", self.version);
        }
        out
    }
    /// The order in which a server that compares encoded identifiers meets them.
    fn identifier(&self) -> String {
        let operation = if self.applied { "Apply" } else { "Update" };
        let version = if self.applied { "" } else { &self.version };
        format!("{}|{operation}|{version}|{}", self.name, self.subresource)
    }
}

pub type Owners = Vec<Owner>;

/// The entries of a `managedFields`; None: they cannot be read, and the server then takes them for none at all.
pub fn read(entries: &Value) -> Option<Owners> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let mut owners = Owners::new();
    for entry in entries.as_array().into_iter().flatten() {
        let known = matches!(entry["operation"].as_str(), Some("Apply" | "Update")) && entry["fieldsType"] == "FieldsV1";
        if !known || text(entry, "apiVersion").is_empty() {
            return None;
        }
        owners.push(Owner {
            name: text(entry, "manager"),
            applied: entry["operation"] == "Apply",
            version: text(entry, "apiVersion"),
            subresource: text(entry, "subresource"),
            time: text(entry, "time"),
            set: Set::from_json(&entry["fieldsV1"]),
        });
    }
    Some(owners)
}

/// Those of an object.
pub fn of(object: &Value) -> Owners {
    read(&object["metadata"]["managedFields"]).unwrap_or_default()
}

pub fn write(object: &mut Value, mut owners: Owners) {
    owners.retain(|o| !o.set.is_empty());
    owners.sort_by(|a, b| {
        (!a.applied, &a.time, &a.name, &a.version, &a.subresource).cmp(&(!b.applied, &b.time, &b.name, &b.version, &b.subresource))
    });
    let entries: Vec<Value> = owners
        .iter()
        .map(|o| {
            let mut entry = json!({
                "manager": o.name, "operation": if o.applied { "Apply" } else { "Update" }, "apiVersion": o.version,
                "fieldsType": "FieldsV1", "fieldsV1": o.set.to_json(),
            });
            if !o.time.is_empty() {
                entry["time"] = json!(o.time);
            }
            if !o.subresource.is_empty() {
                entry["subresource"] = json!(o.subresource);
            }
            entry
        })
        .collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if entries.is_empty() {
            metadata.shift_remove("managedFields");
        } else {
            metadata.insert("managedFields".into(), entries.into());
        }
    }
}

pub fn without(object: &Value) -> Value {
    let mut out = object.clone();
    if let Some(metadata) = out.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    out
}

/// Who writes now.
#[derive(Clone, Debug)]
pub struct FieldManager<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub subresource: &'a str,
    pub now: &'a str,
    /// Fields that this endpoint does not write: `f:status` on the main one, `f:spec` and `f:metadata` on /status.
    pub ignored: &'a [&'a str],
}

/// Fields that nobody owns.
fn strip(set: &mut Set) {
    set.forget("f:apiVersion");
    set.forget("f:kind");
    set.members.remove("f:metadata");
    if let Some(metadata) = set.children.get_mut("f:metadata") {
        for name in
            ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"]
        {
            metadata.forget(&format!("f:{name}"));
        }
    }
}

fn ignore(set: &mut Set, ignored: &[&str]) {
    ignored.iter().for_each(|element| set.forget(element));
}

/// After a create, update or patch: the writer owns what changed, others lose it.
pub fn updated(ty: &Type, old: &Value, new: &Value, owners: Owners, writer: &FieldManager<'_>) -> Owners {
    let diff = typed::compare(ty, &without(old), &without(new));
    let (mut touched, mut removed) = (diff.modified.union(&diff.added), diff.removed);
    ignore(&mut touched, writer.ignored);
    ignore(&mut removed, writer.ignored);
    let mut owners: Owners = owners
        .into_iter()
        .map(|o| Owner { set: o.set.difference(&touched).difference(&removed), ..o })
        .filter(|o| !o.set.is_empty())
        .collect();
    let mut taken = touched;
    strip(&mut taken);
    owners.iter_mut().for_each(|o| strip(&mut o.set));
    if !taken.is_empty() {
        let fresh = Owner {
            name: writer.name.into(),
            applied: false,
            version: writer.version.into(),
            subresource: writer.subresource.into(),
            time: writer.now.into(),
            set: taken,
        };
        match owners.iter_mut().find(|o| o.is(&fresh)) {
            Some(before) => {
                before.set = before.set.union(&fresh.set);
                before.time = fresh.time;
            }
            None => owners.push(fresh),
        }
    }
    capped(owners)
}

/// The oldest updaters of one version become one entry when there are too many.
fn capped(mut owners: Owners) -> Owners {
    let mut updaters: Vec<usize> = (0..owners.len()).filter(|i| !owners[*i].applied).collect();
    if updaters.len() <= MOST_UPDATERS {
        return owners;
    }
    updaters.sort_by_key(|i| (owners[*i].time.clone(), owners[*i].identifier()));
    let mut left = updaters.len();
    let mut buckets: Vec<(String, usize, bool)> = Vec::new();
    let mut gone = Vec::new();
    for i in updaters {
        if left <= MOST_UPDATERS {
            break;
        }
        let version = owners[i].version.clone();
        let Some(bucket) = buckets.iter_mut().find(|b| b.0 == version) else {
            buckets.push((version, i, false));
            continue;
        };
        let (set, time) = (owners[i].set.clone(), owners[i].time.clone());
        let into = &mut owners[bucket.1];
        if !bucket.2 {
            bucket.2 = true;
            into.name = "ancient-changes".into();
            into.subresource = String::new();
        }
        into.set = into.set.union(&set);
        into.time = time;
        gone.push(i);
        left -= 1;
    }
    gone.sort_unstable();
    gone.into_iter().rev().for_each(|i| {
        owners.remove(i);
    });
    owners
}

/// Fields in dispute, each with its owner.
pub struct Conflicts(Vec<(Owner, Vec<String>)>);

impl Conflicts {
    pub fn refusal(&self) -> Refusal {
        let causes: Vec<Value> = self
            .0
            .iter()
            .map(|(owner, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {}", owner.shown()), "field": show(path)}))
            .collect();
        let message = if let [(owner, path)] = self.0.as_slice() {
            format!("Apply failed with 1 conflict: conflict with {}: {}", owner.shown(), show(path))
        } else {
            let mut owners: Vec<&Owner> = Vec::new();
            for (owner, _) in &self.0 {
                if !owners.iter().any(|o| o.is(owner)) {
                    owners.push(owner);
                }
            }
            owners.sort_by_key(|o| o.identifier());
            let mut lines = Vec::new();
            for owner in owners {
                lines.push(format!("conflicts with {}:", owner.shown()));
                lines.extend(self.0.iter().filter(|(o, _)| o.is(owner)).map(|(_, path)| format!("- {}", show(path))));
            }
            format!("Apply failed with {} conflicts: {}", self.0.len(), lines.join("\n"))
        };
        Refusal { details: json!({"causes": causes}), ..Refusal::new(409, "Conflict", message) }
    }
}

/// Server-side apply: the object as it becomes, and its owners. Nothing changed: the object is equal to `live`.
pub fn applied(
    ty: &Type,
    zero: &Value,
    live: &Value,
    config: &Value,
    writer: &FieldManager<'_>,
    force: bool,
) -> Result<(Value, Owners), Conflicts> {
    let mut owned;
    let mut live = live;
    if live["metadata"]["uid"].is_string() && of(live).is_empty() {
        // Of an object that nobody was written down for, all fields get one owner at the first apply.
        let before = FieldManager { name: "before-first-apply", ..writer.clone() };
        owned = live.clone();
        let owners = updated(ty, zero, live, Owners::new(), &before);
        write(&mut owned, owners);
        live = &owned;
    }
    match attempt(ty, live, config, writer, force) {
        // What kubectl applied on the client's side before is taken over, if nobody changed it since.
        Err(conflicts) if writer.name == "kubectl" => {
            let Some(allowed) = last_applied(ty, live, writer.version) else { return Err(conflicts) };
            let left: Vec<(Owner, Vec<String>)> = conflicts.0.into_iter().filter(|(_, path)| !allowed.has_path(path)).collect();
            if left.is_empty() { attempt(ty, live, config, writer, true) } else { Err(Conflicts(left)) }
        }
        done => done,
    }
}

fn attempt(ty: &Type, live: &Value, config: &Value, writer: &FieldManager<'_>, force: bool) -> Result<(Value, Owners), Conflicts> {
    let mut owners = of(live);
    let live = without(live);
    let merged = typed::merge(ty, &live, config);
    let mut set = typed::field_set(ty, config);
    ignore(&mut set, writer.ignored);
    let mine = Owner {
        name: writer.name.into(),
        applied: true,
        version: writer.version.into(),
        subresource: writer.subresource.into(),
        time: writer.now.into(),
        set,
    };
    let before = owners.iter().find(|o| o.is(&mine)).cloned();
    owners.retain(|o| !o.is(&mine));
    let new = match &before {
        Some(before) if !before.set.is_empty() => pruned(ty, &merged, before, &owners, &mine),
        _ => merged,
    };

    let diff = typed::compare(ty, &live, &new);
    let (mut touched, mut removed) = (diff.modified.union(&diff.added), diff.removed);
    ignore(&mut touched, writer.ignored);
    ignore(&mut removed, writer.ignored);
    if !force {
        let mut conflicts: Vec<(Owner, Vec<String>)> = Vec::new();
        for owner in &owners {
            conflicts.extend(owner.set.intersection(&touched).paths().into_iter().map(|path| (owner.clone(), path)));
        }
        if !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
    }
    for owner in &mut owners {
        owner.set = owner.set.difference(&owner.set.intersection(&touched)).difference(&removed);
    }
    let unchanged = typed::same(&live, &new);
    // The time is that of the last apply that changed the object; one that never did has none.
    let time = if unchanged { before.map(|b| b.time).unwrap_or_default() } else { writer.now.to_owned() };
    owners.push(Owner { time, ..mine });
    owners.iter_mut().for_each(|o| strip(&mut o.set));
    owners.retain(|o| !o.set.is_empty());
    Ok((if unchanged { live } else { new }, owners))
}

/// Takes away what this applier applied last time, does not apply now, and nobody else owns.
fn pruned(ty: &Type, merged: &Value, before: &Owner, others: &[Owner], mine: &Owner) -> Value {
    let first = typed::remove(ty, merged, &typed::with_named(ty, &before.set));
    let owned = others.iter().fold(mine.set.clone(), |all, o| all.union(&o.set));
    let all = typed::with_named(ty, &typed::field_set(ty, merged));
    let kept = typed::with_named(ty, &typed::field_set(ty, &first)).union(&typed::with_named(ty, &owned));
    let second = typed::remove(ty, merged, &all.difference(&kept));
    // Only what this applier had may go.
    let left = typed::with_named(ty, &typed::field_set(ty, &second));
    let gone = all.difference(&left).intersection(&typed::with_named(ty, &before.set));
    typed::remove(ty, merged, &gone)
}

/// A client-side apply that comes later is to know of this one.
pub fn sync_last_applied(new: &mut Value, config: &Value, writer: &str) {
    if writer != "kubectl" || new["metadata"]["annotations"][LAST_APPLIED].as_str().is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
    new["metadata"]["annotations"][LAST_APPLIED] = json!(format!("{}\n", typed::sorted(&config)));
}

/// The fields of the last client-side apply that are still as they were applied.
fn last_applied(ty: &Type, live: &Value, version: &str) -> Option<Set> {
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last["apiVersion"] != version {
        return None;
    }
    let diff = typed::compare(ty, &last, &without(live));
    Some(typed::field_set(ty, &last).difference(&diff.modified).difference(&diff.added).difference(&diff.removed))
}

/// Where only the times of entries would change, nothing changes.
pub fn keep_times(old: &Value, new: &mut Value) {
    let timeless = |owners: Owners| -> Owners { owners.into_iter().map(|o| Owner { time: String::new(), ..o }).collect() };
    let (mut was, mut is) = (timeless(of(old)), timeless(of(new)));
    was.sort_by_key(Owner::identifier);
    is.sort_by_key(Owner::identifier);
    if was == is && typed::same(&without(old), &without(new)) {
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"].clone();
        if new["metadata"]["managedFields"].is_null() {
            *new = without(new);
        }
    }
}
