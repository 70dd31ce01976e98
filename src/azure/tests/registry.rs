//! Tags resolved at registries that answer as the specification says, and as they do not.

use super::fake::{Fake, Reply, Seen, empty, pass, reply};
use crate::azure::{ImageError, ImageTag};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// Of the two bytes `{}`.
const OF_EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const HEADER: &str = "docker-content-digest";

fn image(repository: &str) -> ImageTag {
    ImageTag { repository: repository.into(), tag: "v1".into() }
}

fn refusal(status: u16, code: &str) -> Reply {
    reply(status, json!({ "errors": [{ "code": code, "message": "no", "detail": null }] }))
}

fn challenge(realm: &str) -> Reply {
    let told = format!(r#"Bearer realm="{realm}",service="the service",scope="repository:web:pull""#);
    refusal(401, "UNAUTHORIZED").with("www-authenticate", "Basic realm=\"x\"").with("www-authenticate", &told)
}

async fn fake(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Fake {
    let hosts = ["r.example", "auth.example", "blobs.example", "mcr.microsoft.com", "shop.azurecr.io"].map(str::to_owned);
    let answer = move |seen: &Seen, _| {
        let reply = script(seen);
        // an answer to HEAD has no body
        if seen.method == "HEAD" { Reply { body: String::new(), ..reply } } else { reply }
    };
    Fake::of(&hosts, answer).await
}

async fn digest(fake: &Fake, repository: &str) -> Result<Option<String>, ImageError> {
    fake.azure().read().image_digest(&image(repository)).await
}

#[tokio::test]
async fn a_registry_that_asks_for_nothing_is_asked_once() {
    let fake = fake(|_| empty(200).with(HEADER, DIGEST)).await;
    assert_eq!(digest(&fake, "mcr.microsoft.com/oss/mic").await.unwrap().as_deref(), Some(DIGEST));
    let seen = fake.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str(), seen[0].authorized), ("HEAD", "/v2/oss/mic/manifests/v1", false));
}

#[tokio::test]
async fn a_token_is_asked_for_where_the_registry_says_and_sent_only_to_the_registry() {
    let fake = fake(|seen| match (seen.host.as_str(), seen.authorized) {
        ("auth.example", _) => reply(200, json!({ "token": "t" })),
        (_, false) => challenge("https://auth.example/token?account=x"),
        (_, true) => empty(200).with(HEADER, DIGEST),
    })
    .await;
    assert_eq!(digest(&fake, "r.example/web").await.unwrap().as_deref(), Some(DIGEST));
    let asked = fake.on("auth.example");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/token?account=x&service=the+service&scope=repository%3Aweb%3Apull");
    assert!(!asked[0].authorized);
    assert!(fake.on("login.microsoftonline.com").is_empty(), "a registry that is not Azure's gets no token of Entra");
}

#[tokio::test]
async fn without_a_header_the_content_tells_the_digest() {
    let fake = fake(|seen| if seen.method == "HEAD" { empty(200) } else { Reply { body: "{}".into(), ..empty(200) } }).await;
    assert_eq!(digest(&fake, "r.example/web").await.unwrap().as_deref(), Some(OF_EMPTY));
}

#[tokio::test]
async fn content_that_is_not_what_the_header_says_is_refused() {
    let fake = fake(|seen| match seen.method.as_str() {
        "HEAD" => empty(405),
        _ => Reply { body: "{}".into(), ..empty(200) }.with(HEADER, DIGEST),
    })
    .await;
    let Err(ImageError::Mismatch { said, found, .. }) = digest(&fake, "r.example/web").await else { panic!("it does not match") };
    assert_eq!((said.as_str(), found.as_str()), (DIGEST, OF_EMPTY));
}

#[tokio::test]
async fn an_unknown_tag_is_none_and_another_404_is_not() {
    for code in ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"] {
        let fake = fake(move |_| refusal(404, code)).await;
        assert_eq!(digest(&fake, "r.example/web").await.unwrap(), None, "{code}");
    }
    let fake = fake(|_| refusal(404, "UNSUPPORTED")).await;
    assert!(matches!(digest(&fake, "r.example/web").await, Err(ImageError::Refused { status: 404, .. })));
}

#[tokio::test]
async fn a_registry_that_gives_no_token_or_refuses_it_says_why() {
    let denied = async |fake: Fake| match digest(&fake, "r.example/web").await {
        Err(ImageError::Denied { registry, causes, .. }) => {
            assert_eq!(registry, "r.example");
            causes.join("\n")
        }
        other => panic!("{other:?}"),
    };
    let no_token =
        fake(|seen| if seen.host == "auth.example" { refusal(401, "DENIED") } else { challenge("https://auth.example/t") }).await;
    assert_eq!(denied(no_token).await, "a token without a login was refused: DENIED: no");
    let refused =
        fake(
            |seen| {
                if seen.host == "auth.example" { reply(200, json!({ "access_token": "t" })) } else { challenge("https://auth.example/t") }
            },
        )
        .await;
    assert_eq!(denied(refused).await, "UNAUTHORIZED: no");
    let password = fake(|_| refusal(401, "UNAUTHORIZED").with("www-authenticate", "Basic realm=\"r\"")).await;
    assert_eq!(denied(password).await, "it offers no token, only a login with a password");
}

/// Answers as Azure Container Registry does (Azure/acr docs/AAD-OAuth.md).
fn acr(seen: &Seen, opens: bool) -> Reply {
    match (seen.host.as_str(), seen.path.split('?').next().unwrap()) {
        ("shop.azurecr.io", "/oauth2/exchange") if opens => reply(200, json!({ "refresh_token": "refresh" })),
        ("shop.azurecr.io", "/oauth2/exchange") => refusal(401, "UNAUTHORIZED"),
        ("shop.azurecr.io", "/oauth2/token") if seen.method == "POST" => reply(200, json!({ "access_token": "access" })),
        ("shop.azurecr.io", "/oauth2/token") => refusal(401, "UNAUTHORIZED"),
        ("shop.azurecr.io", _) if seen.authorized => empty(200).with(HEADER, DIGEST),
        // a registry that sends the login elsewhere
        ("shop.azurecr.io", _) => challenge("https://auth.example/oauth2/token"),
        ("auth.example", _) => refusal(401, "DENIED"),
        _ => pass(),
    }
}

#[tokio::test]
async fn azures_registry_gets_podids_own_login_and_nobody_else_does() {
    let fake = fake(|seen| acr(seen, true)).await;
    assert_eq!(digest(&fake, "shop.azurecr.io/web").await.unwrap().as_deref(), Some(DIGEST));
    let posted: Vec<(String, String)> =
        fake.on("shop.azurecr.io").into_iter().filter(|s| s.method == "POST").map(|s| (s.path, s.body)).collect();
    assert_eq!(posted.len(), 2);
    assert!(
        posted[0].0 == "/oauth2/exchange" && posted[0].1.starts_with("grant_type=access_token&service=the+service&access_token=e30."),
        "{posted:?}"
    );
    let wanted = "grant_type=refresh_token&service=the+service&scope=repository%3Aweb%3Apull&refresh_token=refresh";
    assert_eq!(posted[1], ("/oauth2/token".to_owned(), wanted.to_owned()));
    assert!(fake.on("auth.example").is_empty());
    let login = fake.on("login.microsoftonline.com");
    assert!(login.iter().any(|seen| seen.body.contains("containerregistry.azure.net")), "{login:?}");
}

#[tokio::test]
async fn a_login_that_azures_registry_refuses_is_named_beside_the_anonymous_refusal() {
    let fake = fake(|seen| acr(seen, false)).await;
    let Err(ImageError::Denied { causes, .. }) = digest(&fake, "shop.azurecr.io/web").await else { panic!("it is denied") };
    assert_eq!(causes, ["a token for podid's login was refused: UNAUTHORIZED: no", "a token without a login was refused: DENIED: no"]);
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_token_and_not_without_tls() {
    let to = |place: &'static str| {
        fake(move |seen| match (seen.host.as_str(), seen.authorized) {
            ("auth.example", _) => reply(200, json!({ "token": "t" })),
            ("blobs.example", _) => empty(200).with(HEADER, DIGEST),
            (_, false) => challenge("https://auth.example/t"),
            (_, true) => empty(307).with("location", place),
        })
    };
    let elsewhere = to("https://blobs.example/m").await;
    assert_eq!(digest(&elsewhere, "r.example/web").await.unwrap().as_deref(), Some(DIGEST));
    assert!(elsewhere.on("blobs.example").iter().all(|seen| !seen.authorized));
    for place in ["http://blobs.example/m", "https://user@blobs.example/m", "/v2/web/manifests/v1"] {
        let odd = to(place).await;
        assert!(matches!(digest(&odd, "r.example/web").await, Err(ImageError::Odd { .. })), "{place}");
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_an_error() {
    let odd = async |token: Value| {
        let fake =
            fake(move |seen| if seen.host == "auth.example" { reply(200, token.clone()) } else { challenge("https://auth.example/t") })
                .await;
        digest(&fake, "r.example/web").await
    };
    assert!(matches!(odd(json!({ "token": "" })).await, Err(ImageError::Odd { .. })));
    assert!(matches!(odd(json!([])).await, Err(ImageError::Odd { .. })));
    let plain = fake(|_| challenge("http://auth.example/t")).await;
    assert!(matches!(digest(&plain, "r.example/web").await, Err(ImageError::Odd { .. })), "a token is not asked for without TLS");
    assert!(plain.on("auth.example").is_empty());
    let short =
        fake(|seen| if seen.method == "HEAD" { empty(200).with(HEADER, "sha256:abc") } else { Reply { body: "{}".into(), ..empty(200) } })
            .await;
    assert_eq!(digest(&short, "r.example/web").await.unwrap().as_deref(), Some(OF_EMPTY), "a header that is no digest counts as none");
}
