//! The description of a node (`/metadata/instance`): one machine of the cluster's scale set, as JSON or as text. Fields and their first
//! versions come from the reference of the Azure Instance Metadata Service. All values are texts.

use super::{
    ids, resource_ids,
    state::{Cluster, ScaleSet},
};
use crate::http::{Body, Request, Response};
use serde_json::{Map, Value, json};

/// Sorted, newest last. A later version is answered like the newest, because clients may be ahead of this list.
const VERSIONS: &[&str] = &[
    "2017-03-01",
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2025-04-07",
];

/// Fields of `compute` that later versions added.
const SINCE: &[(&str, &str)] = &[
    ("azEnvironment", "2018-10-01"),
    ("customData", "2019-02-01"),
    ("evictionPolicy", "2020-12-01"),
    ("extendedLocation", "2021-03-01"),
    ("host", "2021-11-15"),
    ("hostGroup", "2021-11-15"),
    ("isHostCompatibilityLayerVm", "2020-06-01"),
    ("licenseType", "2020-09-01"),
    ("osProfile", "2020-07-15"),
    ("placementGroupId", "2017-08-01"),
    ("plan", "2018-04-02"),
    ("platformSubFaultDomain", "2021-10-01"),
    ("priority", "2020-12-01"),
    ("provider", "2018-10-01"),
    ("publicKeys", "2018-04-02"),
    ("resourceGroupName", "2017-08-01"),
    ("resourceId", "2019-03-11"),
    ("securityProfile", "2020-06-01"),
    ("storageProfile", "2019-06-01"),
    ("subscriptionId", "2017-08-01"),
    ("tags", "2017-08-01"),
    ("tagsList", "2019-06-04"),
    ("userData", "2021-01-01"),
    ("virtualMachineScaleSet", "2021-12-13"),
    ("vmScaleSetName", "2017-12-01"),
    ("zone", "2017-12-01"),
];

pub fn plain_refusal(status: u16, text: &str) -> Response {
    Response::json(status, "application/json; charset=utf-8", &json!({ "error": text }))
}

/// Returns whether the text has the form `2018-02-01`.
pub fn is_version(text: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shape)
}

pub fn versions() -> Response {
    Response::json(200, "application/json; charset=utf-8", &json!({ "apiVersions": VERSIONS }))
}

pub fn answer(request: &Request, subscription: &str, cluster: &Cluster, set: &ScaleSet, path: &[&str]) -> Response {
    let version = request.query("api-version").unwrap_or_default();
    if !is_version(&version) || VERSIONS.first().is_some_and(|first| version.as_str() < *first) {
        let newest: Vec<&&str> = VERSIONS.iter().rev().take(3).collect();
        let text =
            "Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds";
        return Response::json(400, "application/json; charset=utf-8", &json!({"error": text, "newest-versions": newest}));
    }
    let all = json!({"compute": compute(subscription, cluster, set, &version), "network": network()});
    let Some(found) = path.iter().try_fold(&all, |value, name| step(value, name)) else { return plain_refusal(404, "Not found") };
    match request.query("format").as_deref() {
        Some(format) if format.eq_ignore_ascii_case("text") => text(found),
        // a single value must be requested as text (the reference, "Data format")
        _ if !(found.is_object() || found.is_array()) => plain_refusal(400, "Bad request. Leaf nodes are served with format=text only"),
        _ => Response::json(200, "application/json; charset=utf-8", found),
    }
}

/// Names ignore case; list elements are addressed by index.
fn step<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value),
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Returns a single value, or the names below, with a slash after those that have further names below them.
fn text(value: &Value) -> Response {
    let line = |name: String, below: &Value| if below.is_object() || below.is_array() { name + "/" } else { name };
    let lines = match value {
        Value::Object(map) => map.iter().map(|(name, below)| line(name.clone(), below)).collect::<Vec<_>>().join("\n"),
        Value::Array(list) => list.iter().enumerate().map(|(at, below)| line(at.to_string(), below)).collect::<Vec<_>>().join("\n"),
        leaf => leaf.as_str().unwrap_or_default().to_owned(),
    };
    let mut response = Response::new(200).with("content-type", "text/plain; charset=utf-8");
    response.body = Body::Full(lines.into());
    response
}

fn compute(subscription: &str, cluster: &Cluster, set: &ScaleSet, version: &str) -> Map<String, Value> {
    let tags: Vec<String> = set.tags.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let list: Vec<Value> = set.tags.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let id = resource_ids::scale_set(subscription, set);
    let all = json!({
        "azEnvironment": "AzurePublicCloud", "customData": "", "evictionPolicy": "",
        "extendedLocation": {"name": "", "type": ""}, "host": {"id": ""}, "hostGroup": {"id": ""},
        "isHostCompatibilityLayerVm": "false", "licenseType": "", "location": set.location, "name": format!("{}_0", set.name), "offer": "",
        "osProfile": {"adminUsername": "azureuser", "computerName": format!("{}000000", set.name), "disablePasswordAuthentication": "true"},
        "osType": "Linux", "placementGroupId": ids::guid(&["placement group", &set.unique_id]),
        "plan": {"name": "", "product": "", "publisher": ""}, "platformFaultDomain": "0", "platformSubFaultDomain": "",
        "platformUpdateDomain": "0", "priority": "", "provider": "Microsoft.Compute", "publicKeys": [], "publisher": "",
        "resourceGroupName": cluster.node_group, "resourceId": format!("{id}/virtualMachines/0"),
        "securityProfile": {"encryptionAtHost": "false", "secureBootEnabled": "false", "securityType": "", "virtualTpmEnabled": "false"},
        "sku": "", "storageProfile": {"dataDisks": [], "imageReference": {"id": "", "offer": "", "publisher": "", "sku": "", "version": ""},
            "osDisk": {"caching": "ReadOnly", "createOption": "FromImage", "diskSizeGB": "128", "osType": "Linux"}, "resourceDisk": {"size": "14336"}},
        "subscriptionId": subscription, "tags": tags.join(";"), "tagsList": list, "userData": "", "version": "",
        "virtualMachineScaleSet": {"id": id}, "vmId": ids::guid(&["machine", &set.unique_id, "0"]), "vmScaleSetName": set.name,
        "vmSize": "Standard_DS2_v2", "zone": "",
    });
    let mut all = if let Value::Object(all) = all { all } else { Map::new() };
    all.retain(|name, _| SINCE.iter().all(|(field, since)| name != field || version >= *since));
    all
}

fn network() -> Value {
    json!({"interface": [{
        "ipv4": {"ipAddress": [{"privateIpAddress": "10.224.0.4", "publicIpAddress": ""}], "subnet": [{"address": "10.224.0.0", "prefix": "16"}]},
        "ipv6": {"ipAddress": []}, "macAddress": "000D3A000004",
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::seed;

    fn ask(path: &[&str], query: &str) -> (u16, String) {
        let state = seed::new(1);
        let cluster = state.clusters.values().find(|c| c.name == "aks-mi").unwrap();
        let request = Request {
            method: "GET".into(),
            host: "169.254.169.254".into(),
            path: String::new(),
            query: query.into(),
            headers: Vec::new(),
            body: Default::default(),
        };
        let answer = answer(&request, &state.subscription, cluster, &state.scale_sets[&cluster.scale_set], path);
        let Body::Full(body) = answer.body else { panic!("a stream") };
        (answer.status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn fields_depend_on_the_version() {
        let fields = |version: &str| {
            let (status, body) = ask(&["compute"], &format!("api-version={version}"));
            assert_eq!(status, 200);
            serde_json::from_str::<Map<String, Value>>(&body).unwrap()
        };
        assert!(!fields("2017-04-02").contains_key("vmScaleSetName") && !fields("2018-02-01").contains_key("resourceId"));
        assert_eq!(fields("2017-12-01")["resourceGroupName"], "MC_podid-lab_aks-mi_westeurope");
        // a version that is newer than the known ones
        assert_eq!(fields("2030-01-01"), fields("2025-04-07"));
        assert!(fields("2025-04-07")["resourceId"].as_str().unwrap().ends_with("/virtualMachines/0"));
    }

    #[test]
    fn a_value_is_text_and_an_object_is_its_names() {
        assert_eq!(ask(&["COMPUTE", "osprofile", "computername"], "api-version=2021-02-01&format=text").1.split('-').next(), Some("aks"));
        assert_eq!(ask(&[], "api-version=2021-02-01&format=text"), (200, "compute/\nnetwork/".into()));
        assert_eq!(ask(&["network", "interface", "0", "ipv4", "ipaddress"], "api-version=2021-02-01&format=text").1, "0/");
        let (status, body) = ask(&["compute", "vmid"], "api-version=2021-02-01");
        assert!(status == 400 && body.contains("format=text"), "{body}");
        assert_eq!(ask(&["compute", "identity"], "api-version=2021-02-01").0, 404);
    }

    #[test]
    fn an_invalid_version_is_answered_with_the_newest_ones() {
        for query in ["", "api-version=new", "api-version=2016-01-01"] {
            let (status, body) = ask(&[], query);
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, body["newest-versions"].as_array().unwrap().len()), (400, 3), "{query}");
        }
    }
}
