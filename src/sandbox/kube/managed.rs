//! The owners of an object's fields: managedFields, as the API server keeps them (apimachinery, `managedfields`; structured-merge-diff,
//! `merge`). Does not depend on the store or on requests.

use super::compare::compare;
use super::field_set::{FieldSet, path_text};
use super::schema::Type;
use super::status::Refusal;
use super::typed;
use serde_json::{Value, json};

/// With more update entries than this, the oldest are merged into one.
const MAX_UPDATERS: usize = 10;
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    pub name: String,
    pub applied: bool,
    pub version: String,
    pub subresource: String,
    pub time: String,
    pub set: FieldSet,
}

impl Owner {
    /// Returns whether both are the same manager; for server-side apply the version does not matter.
    fn same_manager(&self, other: &Owner) -> bool {
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
    /// Returns the text that the server compares to order its entries.
    fn identifier(&self) -> String {
        let operation = if self.applied { "Apply" } else { "Update" };
        let version = if self.applied { "" } else { &self.version };
        format!("{}|{operation}|{version}|{}", self.name, self.subresource)
    }
}

pub type Owners = Vec<Owner>;

/// Reads the entries of `managedFields`; `None` if they cannot be read: the server then ignores them.
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
            set: FieldSet::from_json(&entry["fieldsV1"]),
        });
    }
    Some(owners)
}

/// Returns the owners of an object's fields.
pub fn owners(object: &Value) -> Owners {
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

/// The manager that writes now.
#[derive(Clone, Debug)]
pub struct FieldManager<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub subresource: &'a str,
    pub now: &'a str,
    /// Fields that this endpoint does not write: `f:status` on the main one, `f:spec` and `f:metadata` on /status.
    pub ignored: &'a [&'a str],
}

/// Removes the fields that nobody owns.
fn remove_unowned(set: &mut FieldSet) {
    set.remove_element("f:apiVersion");
    set.remove_element("f:kind");
    set.members.remove("f:metadata");
    if let Some(metadata) = set.children.get_mut("f:metadata") {
        for name in
            ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"]
        {
            metadata.remove_element(&format!("f:{name}"));
        }
    }
}

fn ignore(set: &mut FieldSet, ignored: &[&str]) {
    ignored.iter().for_each(|element| set.remove_element(element));
}

/// Returns the owners after a create, update or patch: the manager owns what changed, and others lose it.
pub fn updated(ty: &Type, old: &Value, new: &Value, owners: Owners, manager: &FieldManager<'_>) -> Owners {
    let diff = compare(ty, &without(old), &without(new));
    let (mut touched, mut removed) = (diff.modified.union(&diff.added), diff.removed);
    ignore(&mut touched, manager.ignored);
    ignore(&mut removed, manager.ignored);
    let mut owners: Owners = owners
        .into_iter()
        .map(|o| Owner { set: o.set.difference(&touched).difference(&removed), ..o })
        .filter(|o| !o.set.is_empty())
        .collect();
    let mut taken = touched;
    remove_unowned(&mut taken);
    owners.iter_mut().for_each(|o| remove_unowned(&mut o.set));
    if !taken.is_empty() {
        let fresh = Owner {
            name: manager.name.into(),
            applied: false,
            version: manager.version.into(),
            subresource: manager.subresource.into(),
            time: manager.now.into(),
            set: taken,
        };
        match owners.iter_mut().find(|o| o.same_manager(&fresh)) {
            Some(before) => {
                before.set = before.set.union(&fresh.set);
                before.time = fresh.time;
            }
            None => owners.push(fresh),
        }
    }
    merge_old_updaters(owners)
}

/// Merges the oldest update entries of one version into one when there are too many.
fn merge_old_updaters(mut owners: Owners) -> Owners {
    let mut updaters: Vec<usize> = (0..owners.len()).filter(|i| !owners[*i].applied).collect();
    if updaters.len() <= MAX_UPDATERS {
        return owners;
    }
    updaters.sort_by_key(|i| (owners[*i].time.clone(), owners[*i].identifier()));
    let mut left = updaters.len();
    let mut buckets: Vec<(String, usize, bool)> = Vec::new();
    let mut merged = Vec::new();
    for i in updaters {
        if left <= MAX_UPDATERS {
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
        merged.push(i);
        left -= 1;
    }
    merged.sort_unstable();
    merged.into_iter().rev().for_each(|i| {
        owners.remove(i);
    });
    owners
}

/// Fields in conflict, with their owners.
pub struct Conflicts(Vec<(Owner, Vec<String>)>);

impl Conflicts {
    pub fn refusal(&self) -> Refusal {
        let causes: Vec<Value> = self
            .0
            .iter()
            .map(|(owner, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {}", owner.shown()), "field": path_text(path)}))
            .collect();
        let message = if let [(owner, path)] = self.0.as_slice() {
            format!("Apply failed with 1 conflict: conflict with {}: {}", owner.shown(), path_text(path))
        } else {
            let mut owners: Vec<&Owner> = Vec::new();
            for (owner, _) in &self.0 {
                if !owners.iter().any(|o| o.same_manager(owner)) {
                    owners.push(owner);
                }
            }
            owners.sort_by_key(|o| o.identifier());
            let mut lines = Vec::new();
            for owner in owners {
                lines.push(format!("conflicts with {}:", owner.shown()));
                lines.extend(self.0.iter().filter(|(o, _)| o.same_manager(owner)).map(|(_, path)| format!("- {}", path_text(path))));
            }
            format!("Apply failed with {} conflicts: {}", self.0.len(), lines.join("\n"))
        };
        Refusal { details: json!({"causes": causes}), ..Refusal::new(409, "Conflict", message) }
    }
}

/// Applies a configuration: returns the merged object and its owners. If nothing changed, the object equals `live`.
pub fn apply(
    ty: &Type,
    zero: &Value,
    live: &Value,
    config: &Value,
    manager: &FieldManager<'_>,
    force: bool,
) -> Result<(Value, Owners), Conflicts> {
    let mut owned;
    let mut live = live;
    if live["metadata"]["uid"].is_string() && owners(live).is_empty() {
        // If nobody owns a field yet, one manager gets all fields at the first apply.
        let before = FieldManager { name: "before-first-apply", ..manager.clone() };
        owned = live.clone();
        let owners = updated(ty, zero, live, Owners::new(), &before);
        write(&mut owned, owners);
        live = &owned;
    }
    match attempt(ty, live, config, manager, force) {
        // kubectl takes over what it applied on the client side before, if nobody changed it since.
        Err(conflicts) if manager.name == "kubectl" => {
            let Some(allowed) = last_applied(ty, live, manager.version) else { return Err(conflicts) };
            let left: Vec<(Owner, Vec<String>)> = conflicts.0.into_iter().filter(|(_, path)| !allowed.has_path(path)).collect();
            if left.is_empty() { attempt(ty, live, config, manager, true) } else { Err(Conflicts(left)) }
        }
        done => done,
    }
}

fn attempt(ty: &Type, live: &Value, config: &Value, manager: &FieldManager<'_>, force: bool) -> Result<(Value, Owners), Conflicts> {
    let mut owners = owners(live);
    let live = without(live);
    let merged = typed::merge(ty, &live, config);
    let mut set = typed::field_set(ty, config);
    ignore(&mut set, manager.ignored);
    let mine = Owner {
        name: manager.name.into(),
        applied: true,
        version: manager.version.into(),
        subresource: manager.subresource.into(),
        time: manager.now.into(),
        set,
    };
    let before = owners.iter().find(|o| o.same_manager(&mine)).cloned();
    owners.retain(|o| !o.same_manager(&mine));
    let new = match &before {
        Some(before) if !before.set.is_empty() => prune(ty, &merged, before, &owners, &mine),
        _ => merged,
    };

    let diff = compare(ty, &live, &new);
    let (mut touched, mut removed) = (diff.modified.union(&diff.added), diff.removed);
    ignore(&mut touched, manager.ignored);
    ignore(&mut removed, manager.ignored);
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
    let unchanged = typed::equal(&live, &new);
    // The time is that of the last apply that changed the object; an apply that never did has none.
    let time = if unchanged { before.map(|b| b.time).unwrap_or_default() } else { manager.now.to_owned() };
    owners.push(Owner { time, ..mine });
    owners.iter_mut().for_each(|o| remove_unowned(&mut o.set));
    owners.retain(|o| !o.set.is_empty());
    Ok((if unchanged { live } else { new }, owners))
}

/// Removes what this manager applied last time, does not apply now, and nobody else owns.
fn prune(ty: &Type, merged: &Value, before: &Owner, others: &[Owner], mine: &Owner) -> Value {
    let first = typed::remove(ty, merged, &typed::with_struct_fields(ty, &before.set));
    let owned = others.iter().fold(mine.set.clone(), |all, o| all.union(&o.set));
    let all = typed::with_struct_fields(ty, &typed::field_set(ty, merged));
    let kept = typed::with_struct_fields(ty, &typed::field_set(ty, &first)).union(&typed::with_struct_fields(ty, &owned));
    let second = typed::remove(ty, merged, &all.difference(&kept));
    // Only fields that this manager owned may be removed.
    let left = typed::with_struct_fields(ty, &typed::field_set(ty, &second));
    let dropped = all.difference(&left).intersection(&typed::with_struct_fields(ty, &before.set));
    typed::remove(ty, merged, &dropped)
}

/// Writes the annotation that a later client-side apply compares with.
pub fn sync_last_applied(new: &mut Value, config: &Value, manager: &str) {
    if manager != "kubectl" || new["metadata"]["annotations"][LAST_APPLIED].as_str().is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
    new["metadata"]["annotations"][LAST_APPLIED] = json!(format!("{}\n", typed::sorted(&config)));
}

/// Returns the fields of the last client-side apply that still have the applied values.
fn last_applied(ty: &Type, live: &Value, version: &str) -> Option<FieldSet> {
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last["apiVersion"] != version {
        return None;
    }
    let diff = compare(ty, &last, &without(live));
    Some(typed::field_set(ty, &last).difference(&diff.modified).difference(&diff.added).difference(&diff.removed))
}

/// Restores the old entries if only their times differ.
pub fn keep_times(old: &Value, new: &mut Value) {
    let timeless = |owners: Owners| -> Owners { owners.into_iter().map(|o| Owner { time: String::new(), ..o }).collect() };
    let (mut was, mut is) = (timeless(owners(old)), timeless(owners(new)));
    was.sort_by_key(Owner::identifier);
    is.sort_by_key(Owner::identifier);
    if was == is && typed::equal(&without(old), &without(new)) {
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"].clone();
        if new["metadata"]["managedFields"].is_null() {
            *new = without(new);
        }
    }
}
