//! Federated identity credentials: create, update, delete, limits, and concurrent writes.

use super::*;

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/t/i/";

fn body(subject: &str) -> Value {
    json!({"properties": {"issuer": ISSUER, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}})
}

fn path(lab: &Lab, identity: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}/federatedIdentityCredentials/{name}", lab.group())
}

#[tokio::test]
async fn a_credential_is_created_changed_listed_and_deleted_as_recorded() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("claims").await;
    let one = path(&lab, "claims", "shop");
    let made = lab.arm("PUT", &one, Some(body("system:serviceaccount:shop:web"))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(id, one.replace("resourceGroups", "resourcegroups"));
    assert_eq!(made.header("location"), id);
    assert_eq!(made.keys(), ["id", "name", "type", "properties"]);
    let changed = lab.arm("PUT", &one.replace("shop", "SHOP"), Some(body("system:serviceaccount:shop:api"))).await;
    assert_eq!((changed.status, changed.body["name"].as_str()), (200, Some("shop")));
    assert_eq!(changed.header("location"), "");
    assert_eq!(lab.arm("GET", &one, None).await.body, changed.body);
    lab.arm("PUT", &path(&lab, "claims", "other"), Some(body("system:serviceaccount:shop:web"))).await;
    let list = lab.arm("GET", path(&lab, "claims", "").trim_end_matches('/'), None).await;
    assert_eq!(list.body["value"].as_array().unwrap().len(), 2);
    let first = lab.arm("GET", &format!("{}?$top=1", path(&lab, "claims", "").trim_end_matches('/')), None).await;
    let next = first.body["nextLink"].as_str().unwrap().trim_start_matches("https://management.azure.com").to_owned();
    let second = lab.arm("GET", &next, None).await;
    assert_eq!(second.body["value"][0]["name"], "shop");
    assert!(second.body.get("nextLink").is_none());
    let gone = lab.arm("DELETE", &one, None).await;
    assert_eq!((gone.status, gone.header("content-type")), (200, ""));
    assert_eq!(lab.arm("DELETE", &one, None).await.status, 204);
    let absent = lab.arm("GET", &one, None).await;
    assert_eq!((absent.status, absent.code()), (404, "NotFound"));
    assert_eq!(absent.message(), format!("Resource '{id}' was not found."));
}

#[tokio::test]
async fn credentials_are_exported_and_deleted_with_their_identity() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("claims").await;
    let one = path(&lab, "claims", "shop");
    lab.arm("PUT", &one, Some(body("a"))).await;
    let export = lab.control("GET", "/export", None).await.body;
    assert_eq!(export["resources"][one.replace("resourceGroups", "resourcegroups")]["properties"]["subject"], "a");
    lab.arm("DELETE", one.split("/federated").next().unwrap(), None).await;
    for (method, verb) in [("GET", "read"), ("PUT", "write"), ("DELETE", "delete")] {
        let orphan = lab.arm(method, &one, (method == "PUT").then(|| body("a"))).await;
        assert_eq!((orphan.status, orphan.code()), (404, "ParentResourceNotFound"));
        assert!(orphan.message().starts_with(&format!("Failed to perform '{verb}' on")), "{}", orphan.message());
        assert_eq!(orphan.header("x-ms-failure-cause"), "gateway");
    }
    lab.identity("claims").await;
    assert_eq!(lab.arm("GET", &one, None).await.code(), "NotFound");
}

#[tokio::test]
async fn names_audiences_pairs_and_the_twenty_first_are_refused() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("claims").await;
    let refused = |name: &'static str, body: Value, code: &'static str| {
        let (lab, path) = (&lab, path(&lab, "claims", name));
        async move {
            let answer = lab.arm("PUT", &path, Some(body)).await;
            assert_eq!((answer.status, answer.code()), (400, code), "{name}: {}", answer.body);
        }
    };
    refused("ab", body("a"), "BadRequest").await;
    refused("bad=", body("a"), "BadRequest").await;
    refused("-shop", body("a"), "BadRequest").await;
    for audiences in [json!([]), json!(["a", "b"]), Value::Null] {
        let mut wrong = body("a");
        wrong["properties"]["audiences"] = audiences;
        refused("shop", wrong, "InvalidFederatedIdentityCredentialsAudienceLength").await;
    }
    let mut long = body("a");
    long["properties"]["subject"] = json!("s".repeat(601));
    refused("shop", long, "BadRequest").await;
    refused("shop", json!({"properties": {"issuer": ISSUER}}), "BadRequest").await;
    for n in 0..20 {
        let made = lab.arm("PUT", &path(&lab, "claims", &format!("shop{n}")), Some(body(&format!("s{n}")))).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    refused("again", body("s3"), "Conflict").await;
    refused("more", body("s20"), "BadRequest").await;
    // an existing one can still be written, and an issuer without its slash is a different one
    let mut other = body("s4");
    other["properties"]["issuer"] = json!(ISSUER.trim_end_matches('/'));
    assert_eq!(lab.arm("PUT", &path(&lab, "claims", "shop3"), Some(other)).await.status, 200);
}

#[tokio::test]
async fn of_two_concurrent_writes_one_is_refused_and_sequential_ones_succeed() {
    let lab = Lab::new(Lateness::Quick).await;
    lab.identity("claims").await;
    lab.identity("other").await;
    let (a, b, c) = (path(&lab, "claims", "one"), path(&lab, "claims", "two"), path(&lab, "other", "one"));
    let (first, second, elsewhere) =
        tokio::join!(lab.arm("PUT", &a, Some(body("a"))), lab.arm("PUT", &b, Some(body("b"))), lab.arm("PUT", &c, Some(body("a"))));
    assert_eq!(elsewhere.status, 201);
    let mut seen = [first.status, second.status];
    seen.sort_unstable();
    assert_eq!(seen, [201, 409]);
    let refused = if first.status == 409 { first } else { second };
    assert_eq!(refused.code(), "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity");
    for path in [&a, &b] {
        let answer = lab.arm("PUT", path, Some(body(path.rsplit('/').next().unwrap()))).await;
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
    }
}
