//! Tests of the comparison itself: everything that a client could notice is a difference, and names are not.

use super::{
    compare::{Reply, answers},
    record::{Record, codes},
    shape,
};
use serde_json::{Value, json};

const ID: &str = "/subscriptions/0/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";

fn document() -> Value {
    json!({"id": ID, "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "location": "westus", "tags": {"a": "b"},
        "properties": {"principalId": "5550c403-21e3-4459-b61a-a8ef0bede613", "createdOn": "2023-08-23T13:05:57.6621925Z", "note": null,
            "uri": "https://v.vault.azure.net/", "list": [{"a": 1}]}})
}

fn record() -> Record {
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("location", "/subscriptions/0/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"),
        ("retry-after", "15"),
        ("www-authenticate", "Bearer authorization=\"https://login.windows.net/0\", resource=\"https://vault.azure.net\""),
        ("x-ms-failure-cause", "gateway"),
        ("date", "Thu, 09 Apr 2026 17:43:14 GMT"),
    ];
    Record {
        status: 200,
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        text: document().to_string(),
        body: document(),
        ..Record::default()
    }
}

fn reply() -> Reply {
    let record = record();
    Reply { status: 200, headers: record.headers, text: record.text }
}

#[track_caller]
fn differs(place: &str, change: impl FnOnce(&mut Value)) {
    let mut body = document();
    change(&mut body);
    let found = answers(&record(), &Reply { text: body.to_string(), ..reply() });
    let places: Vec<&str> = found.iter().map(|d| d.place.as_str()).collect();
    assert_eq!(places, [place]);
}

#[track_caller]
fn differs_in(name: &str, value: Option<&str>) {
    let mut reply = reply();
    reply.headers.retain(|(n, _)| n != name);
    reply.headers.extend(value.map(|v| (name.to_owned(), v.to_owned())));
    let places: Vec<String> = answers(&record(), &reply).into_iter().map(|d| d.place).collect();
    assert_eq!(places, [format!("header {name}")]);
}

#[test]
fn an_equal_answer_has_no_difference() {
    assert_eq!(answers(&record(), &reply()), []);
}

#[test]
fn names_numbers_and_texts_do_not_differ() {
    let mut body = document();
    body["id"] = json!(ID.replace("/g/", "/other/").replace("subscriptions/0", "subscriptions/1"));
    body["location"] = json!("eastus");
    body["tags"] = json!({"c": "d", "e": "f"});
    body["properties"]["createdOn"] = json!("2026-01-02T03:04:05.0000000Z");
    body["properties"]["list"] = json!([{"a": 2}, {"a": 3}]);
    assert_eq!(answers(&record(), &Reply { text: body.to_string(), ..reply() }), []);
}

#[test]
fn a_different_status_is_reported_with_the_answer() {
    let found = answers(&record(), &Reply { status: 404, text: "gone".to_owned(), ..reply() });
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("404 for 200: gone"), "{}", found[0]);
}

#[test]
fn an_extra_or_missing_key_is_a_difference() {
    differs("body.properties.more", |b| b["properties"]["more"] = json!(1));
    differs("body.location", |b| drop(b.as_object_mut().unwrap().remove("location")));
    differs("body.properties.list[].b", |b| b["properties"]["list"][0]["b"] = json!(1));
    differs("body.properties.list[].a", |b| drop(b["properties"]["list"][0].as_object_mut().unwrap().remove("a")));
}

#[test]
fn another_kind_of_value_is_a_difference() {
    differs("body.properties.note", |b| b["properties"]["note"] = json!(""));
    differs("body.location", |b| b["location"] = Value::Null);
    differs("body.properties.list", |b| b["properties"]["list"] = json!({}));
    differs("body.properties.list[].a", |b| b["properties"]["list"][0]["a"] = json!("1"));
    differs("body.tags.*", |b| b["tags"]["a"] = json!(1));
    differs("body.tags", |b| b["tags"] = json!({}));
    differs("body.properties.list", |b| b["properties"]["list"] = json!([]));
}

#[test]
fn the_casing_of_ids_and_types_is_a_difference() {
    differs("body.id", |b| b["id"] = json!(ID.replace("resourcegroups", "resourceGroups")));
    differs("body.id", |b| b["id"] = json!(ID.replace("userAssigned", "userassigned")));
    differs("body.type", |b| b["type"] = json!("Microsoft.ManagedIdentity/userassignedidentities"));
}

#[test]
fn the_pattern_of_a_date_is_a_difference() {
    for date in
        ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "2026-01-02 03:04:05.1234567Z", "2026-01-02T03:04:05.1234567+00:00", "now"]
    {
        differs("body.properties.createdOn", |b| b["properties"]["createdOn"] = json!(date));
    }
}

#[test]
fn the_slash_and_port_of_a_url_and_an_invalid_guid_are_differences() {
    differs("body.properties.uri", |b| b["properties"]["uri"] = json!("https://w.vault.azure.net"));
    differs("body.properties.uri", |b| b["properties"]["uri"] = json!("https://w.vault.azure.net:443/"));
    differs("body.properties.principalId", |b| b["properties"]["principalId"] = json!("5550c40321e34459b61aa8ef0bede613"));
}

#[test]
fn an_overwritten_date_only_has_to_be_present() {
    let mut record = record();
    record.body["properties"]["createdOn"] = json!("2001-02-03T04:05:06Z");
    assert_eq!(answers(&record, &reply()), []);
    let mut body = document();
    body["properties"]["createdOn"] = json!("never");
    assert_eq!(answers(&record, &Reply { text: body.to_string(), ..reply() }).len(), 1);
}

#[test]
fn a_missing_header_or_another_meaning_is_a_difference() {
    differs_in("location", None);
    differs_in(
        "location",
        Some("https://management.azure.com/subscriptions/0/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"),
    );
    differs_in("location", Some("/subscriptions/0/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"));
    differs_in("retry-after", Some("2"));
    differs_in("content-type", Some("application/json"));
    differs_in("x-ms-failure-cause", Some("service"));
    differs_in("www-authenticate", Some("Bearer resource=\"https://vault.azure.net\", authorization=\"https://login.windows.net/0\""));
}

#[test]
fn headers_of_the_connection_do_not_differ() {
    let mut reply = reply();
    reply.headers.retain(|(n, _)| n != "date");
    assert_eq!(answers(&record(), &reply), []);
}

#[test]
fn a_missing_body_is_a_difference() {
    assert_eq!(answers(&record(), &Reply { text: String::new(), ..reply() })[0].place, "body");
    let none = Record { text: String::new(), body: Value::Null, ..record() };
    assert_eq!(answers(&none, &reply())[0].place, "body");
}

#[test]
fn only_the_rest_of_a_shortened_body_is_compared() {
    let mut record = record();
    record.body["properties"]["list"] = json!([]);
    record.text = record.body.to_string();
    assert_eq!(answers(&record, &reply()).len(), 1, "a whole body");
    record.headers.push(("content-length".to_owned(), (record.text.len() * 5).to_string()));
    assert_eq!(answers(&record, &reply()), []);
    let mut body = document();
    body.as_object_mut().unwrap().remove("location");
    body["properties"]["note"] = json!(1);
    let found = answers(&record, &Reply { text: body.to_string(), ..reply() });
    let places: Vec<&str> = found.iter().map(|d| d.place.as_str()).collect();
    assert_eq!(places, ["body.location", "body.properties.note"]);
}

#[test]
fn codes_are_read_from_every_form_of_refusal() {
    assert_eq!(
        codes(&json!({"error": {"code": "Conflict", "innererror": {"code": "ObjectIsBeingDeleted"}}})),
        ["Conflict", "ObjectIsBeingDeleted"]
    );
    assert_eq!(codes(&json!({"code": "NotFound", "subcode": "X", "details": [{"code": "Unspecified"}]})), ["NotFound", "X", "Unspecified"]);
    assert_eq!(codes(&json!({"Error": {"Code": "ResourceGroupDeletionBlocked"}})), ["ResourceGroupDeletionBlocked"]);
    let refused = Record { status: 404, body: json!({"error": {"code": "A", "message": ""}}), codes: vec!["A".to_owned()], ..record() };
    let text = json!({"error": {"code": "B", "message": ""}}).to_string();
    let found = answers(&Record { text: refused.body.to_string(), ..refused }, &Reply { status: 404, text, ..reply() });
    assert!(found.iter().any(|d| d.place == "codes"), "{found:?}");
}

#[test]
fn an_id_keeps_its_fixed_words() {
    assert_eq!(
        shape::id(ID).as_deref(),
        Some("/subscriptions/*/resourcegroups/*/providers/Microsoft.ManagedIdentity/userAssignedIdentities/*")
    );
    assert_eq!(shape::id("/secrets/a"), None);
}
