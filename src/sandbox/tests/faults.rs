//! Settings at run time: holds, faults and delays; and the log of requests.

use super::{Lab, Lateness};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn each_request_is_logged_except_those_to_the_control_host() {
    let lab = Lab::new(Lateness::None).await;
    lab.control("GET", "/settings", None).await;
    lab.arm("GET", &format!("{}?api-version=2021-04-01&x=%20y", lab.group()), None).await;
    let lines = lab.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["host"], &lines[0]["method"], &lines[0]["n"]), (&json!("login.microsoftonline.com"), &json!("POST"), &json!(1)));
    assert_eq!(lines[1]["path"], format!("{}?api-version=2021-04-01&x=%20y", lab.group()));
    assert_eq!((&lines[1]["status"], &lines[1]["by"], &lines[1]["n"]), (&json!(200), &json!("client"), &json!(2)));
    let keys: Vec<&str> = lines[1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["n", "host", "method", "path", "status", "conn", "by"]);
    assert_ne!(lines[0]["conn"], lines[1]["conn"]);
}

#[tokio::test]
async fn components_are_distinguished_and_not_held() {
    let lab = Lab::new(Lateness::None).await;
    let set = lab.control("POST", "/settings", Some(json!({"hold": {"n": 1, "when": "before"}}))).await;
    assert_eq!(set.body["held"], false);
    let url = "https://management.azure.com/subscriptions?api-version=1";
    for component in ["mic", "nmi", "csi"] {
        let answer = lab.client.get(url).header("x-podid-player", component).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(lab.lines().last().unwrap()["by"], component);
    }
    assert_eq!(lab.control("GET", "/settings", None).await.body["counts"], json!({"mic": 1, "nmi": 1, "csi": 1}));
}

#[tokio::test]
async fn a_request_held_before_has_no_effect_and_one_held_after_has() {
    let lab = Lab::new(Lateness::None).await;
    let token = lab.token("https://management.azure.com/.default").await;
    for (when, http1, existing) in [("before", false, 404), ("after", false, 200), ("before", true, 404), ("after", true, 200)] {
        let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/held-{when}-{http1}", lab.group());
        let url = format!("https://management.azure.com{path}?api-version=2024-11-30");
        lab.control("POST", "/settings", Some(json!({"hold": {"n": 2, "when": when}}))).await;
        assert_eq!(lab.send("GET", &url, Some(&token), None).await.status, 404);
        // dropping this client closes the connection
        let own = if http1 { super::old_client(lab.sandbox.access()) } else { super::client(lab.sandbox.access()) };
        let body = json!({"location": "westeurope"});
        let hung = tokio::time::timeout(Duration::from_millis(400), own.put(&url).bearer_auth(&token).json(&body).send()).await;
        assert!(hung.is_err());
        let settings = lab.control("GET", "/settings", None).await.body;
        assert_eq!((&settings["held"], &settings["seen"]), (&json!(true), &json!(2)));
        drop(own);
        for _ in 0..100 {
            if lab.control("GET", "/settings", None).await.body["holding"] == json!(0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(lab.control("GET", "/settings", None).await.body["holding"], json!(0));
        assert_eq!(lab.send("GET", &url, Some(&token), None).await.status, existing, "{when} {http1}");
    }
    assert!(lab.lines().iter().all(|line| line["method"] != "PUT"), "a request without an answer is not logged");
}

#[tokio::test]
async fn answers_can_be_delayed_and_replaced() {
    let lab = Lab::new(Lateness::None).await;
    let throttle = json!({"method": "PUT", "path": "/userassignedidentities/", "status": 429, "headers": {"retry-after": "2"}, "times": 1,
        "body": {"error": {"code": "429", "message": "Request is temporarily throttled."}}});
    let set = lab.control("POST", "/settings", Some(json!({"fail": [throttle], "delay_ms": 30}))).await;
    assert_eq!(set.status, 200, "{}", set.body);
    let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/slow", lab.group());
    let began = Instant::now();
    let refused = lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
    assert_eq!((refused.status, refused.code(), refused.header("retry-after")), (429, "429", "2"));
    assert!(began.elapsed() >= Duration::from_millis(60), "a token and a request, each delayed");
    assert_eq!(lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await.status, 201);
}

#[tokio::test]
async fn an_unknown_setting_is_refused_by_name() {
    let lab = Lab::new(Lateness::None).await;
    let wrong = lab.control("POST", "/settings", Some(json!({"latenes": "none"}))).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body["error"].as_str().unwrap().contains("'latenes'"));
    let wrong = lab.control("POST", "/settings", Some(json!({"delay_ms": 5, "lateness": "soon"}))).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(lab.control("GET", "/settings", None).await.body["delay_ms"], 0, "all or nothing");
}
