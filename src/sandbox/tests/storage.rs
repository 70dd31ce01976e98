//! Storage accounts and containers in ARM, and block blobs with a bearer token.

use super::{Lab, Lateness, OPERATOR};
use reqwest::Method;
use serde_json::{Value, json};

const BLOB_READER: &str = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";
const BLOB_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

fn account(lab: &Lab, name: &str) -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", lab.group())
}

fn container(lab: &Lab, account: &str, name: &str) -> String {
    format!("{}/blobServices/default/containers/{name}", self::account(lab, account))
}

fn body(properties: &Value) -> Value {
    json!({"kind": "StorageV2", "location": "westeurope", "sku": {"name": "Standard_LRS"}, "properties": properties})
}

async fn made(lab: &Lab, name: &str) {
    assert_eq!(lab.arm("PUT", &account(lab, name), Some(body(&json!({"allowSharedKeyAccess": false})))).await.status, 202);
    assert_eq!(lab.arm("PUT", &container(lab, name, "docs"), Some(json!({"properties": {}}))).await.status, 201);
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// The status, the code of an error, and the body.
async fn blob(lab: &Lab, method: &str, url: &str, headers: Headers<'_>, content: &str) -> (u16, String, String) {
    let mut request = lab.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url).body(content.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let code = answer.headers().get("x-ms-error-code").map(|code| code.to_str().unwrap().to_owned()).unwrap_or_default();
    let text = answer.text().await.unwrap();
    assert!(code.is_empty() || method == "HEAD" || text.contains(&format!("<Error><Code>{code}</Code>")), "{text}");
    (status, code, text)
}

async fn bearer(lab: &Lab) -> String {
    format!("Bearer {}", lab.token("https://storage.azure.com/.default").await)
}

#[tokio::test]
async fn a_new_account_is_an_operation_and_has_the_defaults_of_azure() {
    let lab = Lab::new(Lateness::Quick).await;
    let created = lab.arm("PUT", &account(&lab, "labstore"), Some(body(&json!({"accessTier": "Hot"})))).await;
    assert_eq!((created.status, created.header("content-type")), (202, "text/plain; charset=utf-8"));
    let poll = created.header("location").strip_prefix("https://management.azure.com").unwrap().to_owned();
    assert!(poll.contains("/locations/westeurope/asyncoperations/") && poll.contains("?monitor=true&"), "{poll}");
    assert_eq!(lab.arm("GET", &poll, None).await.status, 202);
    let done = lab.arm("GET", &poll, None).await;
    let shown = lab.arm("GET", &account(&lab, "labstore"), None).await;
    assert_eq!((done.status, &done.body), (200, &shown.body));
    let p = &shown.body["properties"];
    assert_eq!(p["primaryEndpoints"]["blob"], "https://labstore.blob.core.windows.net/");
    assert_eq!((&p["minimumTlsVersion"], &p["allowBlobPublicAccess"]), (&json!("TLS1_2"), &json!(false)));
    assert_eq!((&p["supportsHttpsTrafficOnly"], p.get("allowSharedKeyAccess")), (&json!(true), None));
    assert_eq!(shown.body["sku"], json!({"name": "Standard_LRS", "tier": "Standard"}));
    let patch = json!({"sku": {"name": "Standard_ZRS"}, "tags": {"a": "b"}, "properties": {"allowSharedKeyAccess": false}});
    let patched = lab.arm("PATCH", &account(&lab, "labstore"), Some(patch)).await;
    assert_eq!((&patched.body["properties"]["allowSharedKeyAccess"], &patched.body["tags"]), (&json!(false), &json!({"a": "b"})));
    assert_eq!((&patched.body["sku"]["name"], &patched.body["properties"]["accessTier"]), (&json!("Standard_ZRS"), &json!("Hot")));
    assert_eq!(lab.arm("PUT", &account(&lab, "labstore"), Some(body(&json!({})))).await.status, 200);
}

#[tokio::test]
async fn a_name_is_global_and_follows_the_rule() {
    let lab = Lab::new(Lateness::None).await;
    made(&lab, "labstore").await;
    let check = format!("{}/providers/Microsoft.Storage/checkNameAvailability", lab.subscription());
    for (name, reason) in [("labstore", Some("AlreadyExists")), ("Lab-Store", Some("AccountNameInvalid")), ("labstore2", None)] {
        let answer = lab.arm("POST", &check, Some(json!({"name": name, "type": "Microsoft.Storage/storageAccounts"}))).await;
        assert_eq!((answer.body["nameAvailable"].as_bool(), answer.body["reason"].as_str()), (Some(reason.is_none()), reason), "{name}");
    }
    let other = format!("{}/resourceGroups/other", lab.subscription());
    lab.arm("PUT", &other, Some(json!({"location": "westeurope"}))).await;
    let taken = format!("{other}/providers/Microsoft.Storage/storageAccounts/labstore");
    let refused = lab.arm("PUT", &taken, Some(body(&json!({})))).await;
    assert_eq!((refused.status, refused.code()), (409, "StorageAccountAlreadyTaken"));
    let refused = lab.arm("PUT", &account(&lab, "lab-store"), Some(body(&json!({})))).await;
    assert_eq!((refused.status, refused.code()), (400, "AccountNameInvalid"));
    let refused = lab.arm("PUT", &container(&lab, "labstore", "a--b"), Some(json!({"properties": {}}))).await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidResourceName"));
    let lost = lab.arm("PUT", &container(&lab, "nobody", "docs"), Some(json!({"properties": {}}))).await;
    assert_eq!((lost.status, lost.code()), (404, "ResourceNotFound"));
}

#[tokio::test]
async fn a_blob_needs_a_role_on_the_data_and_contributor_is_none() {
    let lab = Lab::new(Lateness::None).await;
    made(&lab, "labstore").await;
    let token = bearer(&lab).await;
    let headers = [("authorization", token.as_str()), ("x-ms-version", "2023-11-03"), ("x-ms-blob-type", "BlockBlob")];
    let url = "https://labstore.blob.core.windows.net/docs/a/Note.txt";
    // the caller of the sandbox is an Owner
    let refused = blob(&lab, "PUT", url, &headers, "hello").await;
    assert_eq!((refused.0, refused.1.as_str()), (403, "AuthorizationPermissionMismatch"));
    let (caller, docs) = (lab.caller().await, container(&lab, "labstore", "docs"));
    assert_eq!(lab.assign(&docs, BLOB_READER, &caller).await.status, 201);
    assert_eq!(blob(&lab, "GET", url, &headers, "").await.1, "BlobNotFound");
    assert_eq!(blob(&lab, "PUT", url, &headers, "hello").await.1, "AuthorizationPermissionMismatch");
    assert_eq!(lab.assign(&docs, BLOB_CONTRIBUTOR, &caller).await.status, 201);
    assert_eq!(blob(&lab, "PUT", url, &headers, "hello").await.0, 201);
    assert_eq!(blob(&lab, "GET", url, &headers, "").await, (200, String::new(), "hello".to_owned()));
    assert_eq!(blob(&lab, "GET", &url.to_lowercase(), &headers, "").await.1, "BlobNotFound", "names have a case");
    // the role holds at one container
    let other = url.replace("/docs/", "/others/");
    assert_eq!(blob(&lab, "GET", &other, &headers, "").await.1, "AuthorizationPermissionMismatch");
    assert_eq!(lab.assign(&account(&lab, "labstore"), BLOB_READER, &caller).await.status, 201);
    assert_eq!(blob(&lab, "GET", &other, &headers, "").await.1, "ContainerNotFound");
    assert_eq!(blob(&lab, "DELETE", url, &headers, "").await.0, 202);
    assert_eq!(blob(&lab, "DELETE", url, &headers, "").await.1, "BlobNotFound");
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_refused() {
    let lab = Lab::new(Lateness::None).await;
    made(&lab, "labstore").await;
    let url = "https://labstore.blob.core.windows.net/docs/note.txt";
    let version = ("x-ms-version", "2023-11-03");
    let foreign = format!("Bearer {}", lab.token("https://vault.azure.net/.default").await);
    let valid = bearer(&lab).await;
    let cases: [(Headers<'_>, u16, &str); 5] = [
        (&[version], 401, "NoAuthenticationInformation"),
        (&[version, ("authorization", "Bearer x.y.z")], 401, "InvalidAuthenticationInfo"),
        (&[version, ("authorization", &foreign)], 401, "InvalidAuthenticationInfo"),
        (&[version, ("authorization", "SharedKey labstore:c2ln")], 403, "KeyBasedAuthenticationNotPermitted"),
        (&[("authorization", &valid)], 403, "AuthenticationFailed"),
    ];
    for (headers, status, code) in cases {
        let answer = blob(&lab, "GET", url, headers, "").await;
        assert_eq!((answer.0, answer.1.as_str()), (status, code), "{headers:?}");
    }
    let gone = lab.client.get(url.replace("labstore", "nobody")).send().await;
    assert!(gone.is_err(), "an account that does not exist has no name");
}

#[tokio::test]
async fn blobs_go_with_their_container_and_roles_with_the_account() {
    let lab = Lab::new(Lateness::None).await;
    made(&lab, "labstore").await;
    let (caller, docs) = (lab.caller().await, container(&lab, "labstore", "docs"));
    lab.assign(&lab.group(), BLOB_CONTRIBUTOR, &caller).await;
    let token = bearer(&lab).await;
    let headers = [("authorization", token.as_str()), ("x-ms-version", "2023-11-03"), ("x-ms-blob-type", "BlockBlob")];
    let url = "https://labstore.blob.core.windows.net/docs/note.txt";
    assert_eq!(blob(&lab, "PUT", url, &headers, "hello").await.0, 201);
    assert_eq!(lab.arm("DELETE", &docs, None).await.status, 200);
    assert_eq!(lab.arm("DELETE", &docs, None).await.status, 204);
    assert_eq!(blob(&lab, "GET", url, &headers, "").await.1, "ContainerNotFound");
    made(&lab, "labstore2").await;
    assert_eq!(lab.arm("PUT", &docs, Some(json!({"properties": {"publicAccess": "None"}}))).await.status, 201);
    assert_eq!(blob(&lab, "GET", url, &headers, "").await.1, "BlobNotFound", "the new container is empty");
    assert_eq!(lab.assign(&account(&lab, "labstore"), OPERATOR, &caller).await.status, 201);
    assert_eq!(lab.arm("DELETE", &account(&lab, "labstore"), None).await.status, 200);
    let export =
        String::from_utf8(serde_json::to_vec(&lab.arm("GET", &format!("{}/resources", lab.subscription()), None).await.body).unwrap());
    assert!(!export.unwrap().contains("/labstore\""));
    assert_eq!(lab.arm("GET", &docs, None).await.code(), "ResourceNotFound");
}
