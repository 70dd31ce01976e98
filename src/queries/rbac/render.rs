//! The permissions as a table, and as Roles and RoleBindings.

use super::grants::Granted;
use crate::{
    cli::{
        Rbac,
        cluster::{RbacCommand, Subject},
    },
    output::{Line, Text, table, yaml},
    resources::access::Reach,
    survey::rights::{AzureRead, BUILT_IN, Plane},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const RBAC: &str = "rbac.authorization.k8s.io";
/// As Roles list them: what looks, then what changes.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "patch", "delete", "bind", "escalate"];

fn in_order(verbs: &BTreeSet<&'static str>) -> Vec<&'static str> {
    VERBS.into_iter().filter(|verb| verbs.contains(verb)).collect()
}

fn full(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

pub fn rows(granted: &Granted, width: Option<u16>) -> Text {
    let mut rows: Vec<Vec<String>> = granted
        .rules
        .iter()
        .map(|((namespace, group, resource, names), verbs)| {
            let place = namespace.clone().unwrap_or_else(|| "(all)".to_owned());
            vec![place, full(group, resource), in_order(verbs).join(", "), names.join(", "), String::new()]
        })
        .collect();
    rows.extend(granted.left_out.iter().map(|right| {
        let place = if right.reach == Reach::Everywhere { "(all)" } else { "" };
        let lost = format!("left out (--optional): {}", right.without.unwrap_or_default());
        vec![place.to_owned(), full(&right.group, &right.resource), right.verbs.join(", "), String::new(), lost]
    }));
    table::list(&["NAMESPACE", "RESOURCE", "VERBS", "NAMES", "NOTE"], &rows, "nothing is needed", width)
}

/// Group, verbs, names, and the resources that have them in common.
type Rule<'a> = (&'a str, Vec<&'a str>, &'a Vec<String>, Vec<&'a str>);

/// Rules of one place; resources with the same verbs and names stand together.
fn rules(granted: &Granted, at: Option<&str>) -> Vec<Value> {
    let mut together: Vec<Rule<'_>> = Vec::new();
    for ((namespace, group, resource, names), verbs) in &granted.rules {
        if namespace.as_deref() != at {
            continue;
        }
        let verbs = in_order(verbs);
        match together.iter_mut().find(|(g, v, n, _)| *g == *group && *v == verbs && *n == names) {
            Some((.., resources)) => resources.push(resource),
            None => together.push((group, verbs, names, vec![resource])),
        }
    }
    let rule = |(group, verbs, names, resources): &Rule<'_>| {
        let mut rule = json!({ "apiGroups": [group], "resources": resources });
        if !names.is_empty() {
            rule["resourceNames"] = json!(names);
        }
        rule["verbs"] = json!(verbs);
        rule
    };
    together.iter().map(rule).collect()
}

pub fn objects(asked: &Rbac, name: &str, granted: &Granted) -> Vec<Value> {
    let places: BTreeSet<Option<&String>> = granted.rules.keys().map(|(namespace, ..)| namespace.as_ref()).collect();
    let mut objects = Vec::new();
    for place in places {
        let (role, binding) = if place.is_some() { ("Role", "RoleBinding") } else { ("ClusterRole", "ClusterRoleBinding") };
        let mut metadata = json!({ "name": name });
        if let Some(namespace) = place {
            metadata["namespace"] = json!(namespace);
        }
        let api_version = format!("{RBAC}/v1");
        let rules = rules(granted, place.map(String::as_str));
        objects.push(json!({ "apiVersion": api_version, "kind": role, "metadata": metadata, "rules": rules }));
        if !asked.subjects.is_empty() {
            let subjects: Vec<Value> = asked.subjects.iter().map(subject).collect();
            let of = json!({ "apiGroup": RBAC, "kind": role, "name": name });
            objects.push(json!({ "apiVersion": api_version, "kind": binding, "metadata": metadata, "roleRef": of, "subjects": subjects }));
        }
    }
    objects
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::User(name) => json!({ "apiGroup": RBAC, "kind": "User", "name": name }),
        Subject::Group(name) => json!({ "apiGroup": RBAC, "kind": "Group", "name": name }),
        Subject::ServiceAccount { namespace, name } => json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace }),
    }
}

/// What a reader of the YAML should know.
pub fn preface(asked: &Rbac, granted: &Granted) -> Text {
    let commands: Vec<String> = asked.commands.iter().map(RbacCommand::word).collect();
    let mut lines = vec![format!("# what podid needs for {}", commands.join(", "))];
    let makes = |command: &RbacCommand| !matches!(command, RbacCommand::Doctor | RbacCommand::Inventory);
    if asked.make_namespaces {
        lines.push("# cluster-wide, because a Role cannot be in a namespace that does not exist yet".to_owned());
    } else if asked.commands.iter().any(makes) {
        lines.push("# the namespaces must exist; --make-namespaces adds the permissions to create them".to_owned());
    }
    let mut lost: Vec<(&str, Vec<String>)> = Vec::new();
    for right in &granted.left_out {
        let place = if right.reach == Reach::Everywhere { " in all namespaces" } else { "" };
        let what = format!("{} {}{place}", right.verbs.join(", "), full(&right.group, &right.resource));
        let without = right.without.unwrap_or_default();
        match lost.iter_mut().find(|(w, _)| *w == without) {
            Some((_, all)) => all.push(what),
            None => lost.push((without, vec![what])),
        }
    }
    for (without, what) in lost {
        lines.push(format!("# left out (add with --optional); without them, {without}:"));
        lines.extend(what.iter().map(|what| format!("#   {what}")));
    }
    lines.into_iter().map(Line::from).collect()
}

/// What the commands read of Azure, and which roles allow it.
pub fn azure(all: &[&AzureRead], lead: &str) -> Text {
    if all.is_empty() {
        return Text::new();
    }
    let of = |plane: Plane| all.iter().filter(move |one| one.plane == plane);
    let mut lines = vec!["in Azure, at the subscription: the role Reader, or a custom role with these actions".to_owned()];
    let shown = |one: &&&AzureRead| match one.without {
        Some(without) => format!("  {} ({}; without it {without})", one.action, one.what),
        None => format!("  {} ({})", one.action, one.what),
    };
    lines.extend(of(Plane::Control).map(|one| shown(&one)));
    lines.push(
        "at each vault: the role Key Vault Reader, or a custom role with this data action; with access policies, `list` on secrets"
            .to_owned(),
    );
    lines.extend(of(Plane::Data).map(|one| shown(&one)));
    lines.push("in the directory: permissions of Microsoft Graph".to_owned());
    lines.extend(of(Plane::Directory).map(|one| shown(&one)));
    lines.into_iter().map(|line| Line::from(format!("{lead}{line}"))).collect()
}

pub fn azure_document(all: &[&AzureRead]) -> Value {
    let of = |plane: Plane| all.iter().filter(move |one| one.plane == plane).map(|one| one.action).collect::<Vec<_>>();
    let roles: Vec<Value> = BUILT_IN
        .iter()
        .map(|(role, plane)| json!({ "role": role, "scope": if *plane == Plane::Data { "vault" } else { "subscription" } }))
        .collect();
    json!({ "roles": roles, "actions": of(Plane::Control), "dataActions": of(Plane::Data), "graph": of(Plane::Directory) })
}

pub fn documents(objects: &[Value]) -> Text {
    let mut all = Text::new();
    for object in objects {
        if !all.is_empty() {
            all.push("---");
        }
        all.append(yaml::text(object));
    }
    all
}
