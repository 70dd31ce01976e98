//! Changes of recorded documents of managed clusters: all fields but the wanted ones are sent as they were read.

use super::record::{Record, folder, read, say};
use crate::azure::{
    ArmId,
    id::CLUSTER,
    tests::fake::{Fake, SUB, listener, reply},
};
use serde_json::{Value, json};

/// The JSON text without the spaces between its parts.
fn compact(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keep = |c: &char| {
        let was = quoted;
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = *c == '\\' && !escaped;
        was || quoted || !c.is_ascii_whitespace()
    };
    text.chars().filter(keep).collect()
}

/// Takes what `wanted` names out of what was sent, as far as it was not in the original.
fn restore(sent: &mut Value, original: &Value, wanted: &Value) {
    let (Value::Object(sent), Value::Object(wanted)) = (sent, wanted) else { return };
    for (name, wanted) in wanted {
        match (original.get(name), sent.get_mut(name)) {
            (None, _) => drop(sent.shift_remove(name)),
            (Some(original), Some(sent)) if wanted.is_object() && original.is_object() => restore(sent, original, wanted),
            (Some(original), Some(sent)) => sent.clone_from(original),
            (Some(_), None) => {}
        }
    }
}

fn is_document(record: &Record) -> bool {
    let document: Value = serde_json::from_str(&record.body).unwrap_or_default();
    record.op.starts_with("aks.") && record.status == 200 && document["properties"]["provisioningState"] == "Succeeded"
}

#[tokio::test]
async fn a_change_of_a_recorded_cluster_leaves_every_other_field_as_it_was_read() {
    let Some(there) = folder("sequences") else { return };
    let mut files: Vec<_> = std::fs::read_dir(there).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.extend(folder("examples.jsonl"));
    files.sort();
    let records = files.iter().filter(|file| file.is_file()).flat_map(|file| read(file));
    let mut documents: Vec<Record> = records.filter(is_document).collect();
    documents.sort_by(|one, other| one.body.cmp(&other.body));
    documents.dedup_by(|one, other| one.body == other.body);
    assert!(documents.len() > 5, "only {} documents of clusters are recorded", documents.len());
    let wanted = json!({
        "oidcIssuerProfile": { "enabled": true },
        "securityProfile": { "workloadIdentity": { "enabled": true } },
        "podIdentityProfile": { "enabled": true },
        "addonProfiles": { "azureKeyvaultSecretsProvider": { "enabled": true, "config": { "enableSecretRotation": "true" } } },
        "ingressProfile": { "gatewayAPI": { "installation": "Standard" } },
    });
    for record in &documents {
        let answer: Value = serde_json::from_str(&record.body).unwrap();
        let fake = Fake::new(move |seen, _| reply(200, if seen.method == "PUT" { json!({}) } else { answer.clone() })).await;
        let write = fake.azure().write(listener().0);
        write.set_cluster_fields(&ArmId::resource(SUB, "g", CLUSTER, "aks"), &wanted).await.unwrap();
        let put = fake.seen().into_iter().find(|seen| seen.method == "PUT").unwrap();
        let mut sent: Value = serde_json::from_str(&put.body).unwrap();
        let original: Value = serde_json::from_str(&record.body).unwrap();
        assert_ne!(sent, original, "something was wanted");
        restore(&mut sent, &original, &json!({ "properties": wanted }));
        assert_eq!(sent.to_string(), compact(&record.body), "{}", record.path);
    }
    say(&format!("replay: {} documents of clusters were changed, and nothing but the wanted fields", documents.len()));
}
