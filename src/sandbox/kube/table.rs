//! Lists as kubectl prints them: `Table` objects with the columns of each kind (kubernetes, `pkg/printers/internalversion`), or of its CRD.
//! `printers` has the columns and cells of most kinds, `pods` those of pods, `services` those of networks and storage.

mod age;
mod cells;
mod pods;
mod printers;
mod services;

use super::resource::Resource;
use age::age;
use printers::columns;
use serde_json::{Value, json};

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Renders objects as a Table. `include` says what goes with each row: `Metadata` (default), `Object`, `None`.
pub fn table(resource: &Resource, objects: &[Value], metadata: Value, include: &str) -> Value {
    let rows: Vec<Value> = objects.iter().map(|object| row(resource, object, include)).collect();
    // An empty list of a kind without a printer of its own has null instead of rows.
    let own = resource.custom.is_some() || columns(resource).first().is_none_or(|(name, ..)| *name != "Created At");
    let rows = if rows.is_empty() && !own { Value::Null } else { json!(rows) };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions(resource), "rows": rows})
}

/// Renders the Scale of a workload as a Table.
pub fn scale(scale: &Value) -> Value {
    let count = |of: &Value| json!(of["replicas"].as_u64().unwrap_or_default());
    let cells =
        json!([scale["metadata"]["name"], count(&scale["spec"]), count(&scale["status"]), age(&scale["metadata"]["creationTimestamp"]),]);
    let columns = [
        column("Name", "string", "name", NAME, 0),
        column("Desired", "integer", "", "", 0),
        column("Available", "integer", "", "", 0),
        column("Age", "string", "", CREATED, 0),
    ];
    let metadata = json!({"resourceVersion": scale["metadata"]["resourceVersion"]});
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns,
        "rows": [{"cells": cells, "object": scale}],
    })
}

fn row(resource: &Resource, object: &Value, include: &str) -> Value {
    let shown = match include {
        // An item of a list does not repeat its kind, but a row does.
        "Object" => {
            let mut object = object.clone();
            super::prepare::set_type(resource, &mut object);
            object
        }
        "None" => Value::Null,
        _ => json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}),
    };
    let mut row = json!({"cells": cells(resource, object), "object": shown});
    // kubectl can hide pods that have finished.
    let over = match object["status"]["phase"].as_str() {
        Some("Succeeded") => ("Succeeded", "The pod has completed successfully."),
        Some("Failed") => ("Failed", "The pod failed."),
        _ => return row,
    };
    if resource.kind == "Pod" && resource.group.is_empty() {
        row["conditions"] = json!([{"type": "Completed", "status": "True", "reason": over.0, "message": over.1}]);
    }
    row
}

fn column(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
}

fn definitions(resource: &Resource) -> Vec<Value> {
    let mut out = vec![column("Name", "string", "name", NAME, 0)];
    if resource.custom.is_some() {
        for c in custom_columns(resource) {
            let path = c["jsonPath"].as_str().unwrap_or_default();
            let description = c["description"]
                .as_str()
                .map_or_else(|| format!("Custom resource definition column (in JSONPath format): {path}"), str::to_owned);
            let text = |name: &str| c[name].as_str().unwrap_or_default().to_owned();
            out.push(column(&text("name"), &text("type"), &text("format"), &description, c["priority"].as_i64().unwrap_or_default()));
        }
        return out;
    }
    out.extend(
        columns(resource)
            .iter()
            .map(|(name, kind, priority, _)| column(name, kind, if *name == "Name" { "name" } else { "" }, "", *priority)),
    );
    if resource.kind == "Event" {
        out.remove(0);
    }
    out
}

fn custom_columns(resource: &Resource) -> Vec<Value> {
    let own = resource.custom.as_ref().and_then(|v| v["additionalPrinterColumns"].as_array().cloned()).unwrap_or_default();
    if own.is_empty() {
        vec![json!({"name": "Age", "type": "date", "description": CREATED, "jsonPath": ".metadata.creationTimestamp"})]
    } else {
        own
    }
}

fn cells(resource: &Resource, object: &Value) -> Vec<Value> {
    let mut out = vec![object["metadata"]["name"].clone()];
    if resource.custom.is_some() {
        out.extend(custom_columns(resource).iter().map(|c| {
            let value = path(object, c["jsonPath"].as_str().unwrap_or_default());
            match (c["type"].as_str(), value) {
                (Some("date"), value) => json!(age(&value)),
                (Some("string"), Value::Number(n)) => json!(n.to_string()),
                (_, value) => value,
            }
        }));
        return out;
    }
    out.extend(columns(resource).iter().map(|(.., cell)| cell(object)));
    match resource.kind.as_str() {
        "Event" => drop(out.remove(0)),
        "StorageClass" => {
            let marks = &object["metadata"]["annotations"];
            if ["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"]
                .iter()
                .any(|m| marks[format!("{m}/is-default-class")] == "true")
            {
                out[0] = json!(format!("{} (default)", object["metadata"]["name"].as_str().unwrap_or_default()));
            }
        }
        _ => {}
    }
    out
}

/// Resolves a JSONPath that consists of names only, as printer columns have them.
fn path(object: &Value, path: &str) -> Value {
    path.trim_start_matches('.').split('.').fold(object, |value, name| &value[name]).clone()
}
