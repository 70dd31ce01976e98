//! Documents by api-version, and the contents of requests that create and list them.

use super::{Lab, Lateness};
use serde_json::{Value, json};

async fn group(lab: &Lab, name: &str, body: Value) -> Value {
    let made = lab.arm("PUT", &format!("{}/resourceGroups/{name}?api-version=2022-09-01", lab.subscription()), Some(body)).await;
    assert!(made.status < 300, "{}", made.body);
    made.body
}

async fn names(lab: &Lab, query: &str) -> Vec<String> {
    let answer = lab.arm("GET", &format!("{}/resourcegroups?{query}&api-version=2021-04-01", lab.subscription()), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["value"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_of_groups_is_filtered_by_a_tag() {
    let lab = Lab::new(Lateness::None).await;
    group(&lab, "first", json!({"location": "westeurope", "tags": {"env-name": "it's one"}})).await;
    group(&lab, "second", json!({"location": "westeurope", "tags": {"env-name": "two", "other": "it's one"}})).await;
    group(&lab, "third", json!({"location": "westeurope"})).await;
    assert_eq!(names(&lab, "$filter=tagName eq 'ENV-name'").await, ["first", "second"]);
    assert_eq!(names(&lab, "$filter=tagName eq 'env-name' and tagValue eq 'it''s one'").await, ["first"]);
    assert_eq!(names(&lab, "$filter=tagName eq 'env-name' and tagValue eq 'none'").await, [""; 0]);
    assert_eq!(names(&lab, "$filter=tagName eq 'env-name'&$top=1").await, ["first"]);
    assert!(names(&lab, "$top=100").await.contains(&"third".to_owned()));
    let path = format!("{}/resourcegroups?$filter=colour eq 'red'&api-version=2021-04-01", lab.subscription());
    let refused = lab.arm("GET", &path, None).await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidFilterInQueryString"));
}

#[tokio::test]
async fn a_group_keeps_its_manager() {
    let lab = Lab::new(Lateness::None).await;
    let owner = format!("{}/providers/Microsoft.Example/things/one", lab.group());
    let made = group(&lab, "managed", json!({"location": "westeurope", "managedBy": owner})).await;
    assert_eq!(made["managedBy"], owner);
    let again = group(&lab, "managed", json!({"location": "westeurope", "tags": {"a": "b"}})).await;
    assert_eq!(again["managedBy"], owner, "an update that does not mention it keeps it");
    assert_eq!(group(&lab, "free", json!({"location": "westeurope"})).await.get("managedBy"), None);
    let old = lab.arm("GET", &format!("{}/resourceGroups/managed?api-version=2017-05-10", lab.subscription()), None).await;
    assert_eq!((&old.body["managedBy"], old.body.get("type")), (&json!(owner), None));
}

#[tokio::test]
async fn the_capabilities_of_resource_types_depend_on_the_version() {
    let lab = Lab::new(Lateness::None).await;
    let of = async |namespace: &str, version: &str| {
        lab.arm("GET", &format!("{}/providers/{namespace}?api-version={version}", lab.subscription()), None).await.body
    };
    let shown = |body: &Value, field: &str| body["resourceTypes"].as_array().unwrap().iter().filter(|t| t.get(field).is_some()).count();
    let (old, new) = (of("Microsoft.Monitor", "2018-05-01").await, of("Microsoft.Monitor", "2021-04-01").await);
    assert_eq!((old.get("registrationPolicy"), new["registrationPolicy"].as_str()), (None, Some("RegistrationRequired")));
    assert_eq!((shown(&old, "capabilities"), shown(&old, "defaultApiVersion")), (0, 0));
    assert_eq!(shown(&new, "capabilities"), new["resourceTypes"].as_array().unwrap().len());
    assert!(shown(&new, "defaultApiVersion") > 0);
    assert_eq!(shown(&of("Microsoft.Monitor", "2019-10-01").await, "defaultApiVersion"), 0);

    let vaults = of("Microsoft.KeyVault", "2021-04-01").await;
    let applications = vaults["authorizations"].as_array().unwrap();
    let roles: Vec<bool> = applications.iter().map(|a| a.get("roleDefinitionId").is_some()).collect();
    assert_eq!(roles, [true, false], "an application may have no role");
    let nowhere: Vec<&str> = vaults["resourceTypes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["locations"] == json!([]))
        .map(|t| t["resourceType"].as_str().unwrap())
        .collect();
    assert_eq!(nowhere, ["locations"]);
    assert_eq!(shown(&vaults, "defaultApiVersion"), 0);
    let features = of("Microsoft.Features", "2021-04-01").await;
    assert_eq!((features.get("authorizations"), features["registrationPolicy"].as_str()), (None, Some("RegistrationFree")));
}

#[tokio::test]
async fn a_vault_shows_soft_delete_as_the_creating_version_does() {
    let lab = Lab::new(Lateness::None).await;
    let tenant = &lab.sandbox.access().tenant;
    let made = async |name: &str, version: &str, extra: Value| {
        let mut properties = json!({"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []});
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let path = format!("{}?api-version={version}", lab.vault_path(name));
        let answer = lab.arm("PUT", &path, Some(json!({"location": "westeurope", "properties": properties}))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let p = answer.body["properties"].clone();
        (p.get("enableSoftDelete").cloned(), p.get("softDeleteRetentionInDays").cloned())
    };
    let (yes, days) = (Some(json!(true)), |n: i64| Some(json!(n)));
    assert_eq!(made("kv-2016", "2016-10-01", json!({})).await, (None, None));
    assert_eq!(made("kv-2018", "2018-02-14", json!({"enableSoftDelete": true})).await, (yes.clone(), None));
    assert_eq!(made("kv-2019", "2019-09-01", json!({})).await, (yes.clone(), None));
    assert_eq!(made("kv-2019-days", "2019-09-01", json!({"softDeleteRetentionInDays": 30})).await, (yes.clone(), days(30)));
    assert_eq!(made("kv-2023", "2023-07-01", json!({})).await, (yes.clone(), days(90)));
    assert_eq!(made("kv-2023-asked", "2023-07-01", json!({"enableSoftDelete": true})).await, (yes, None));
}
