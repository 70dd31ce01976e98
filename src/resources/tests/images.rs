//! Images pinned at a registry on this machine: resolved once, kept when the tag moves, forgotten at the end.

use super::lab::{APP, Lab};
use crate::{
    engine::{
        desired::{Desired, Intent, Requester},
        plan::Act,
    },
    resources::{
        image::{self, Image},
        object,
    },
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::json;
use std::{
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

/// A registry with one tag, `web:v1`, that wants a token, which it gives to anybody.
#[derive(Clone, Default)]
struct Registry {
    /// The digest's one digit, repeated; None: the tag does not exist.
    tag: Arc<Mutex<Option<char>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

impl Registry {
    /// Returns its address.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (registry, here) = (self.clone(), address.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (registry, here) = (registry.clone(), here.clone());
                tokio::spawn(async move {
                    let serve = service_fn(|request| std::future::ready(Ok::<_, Infallible>(registry.answer(&request, &here))));
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), serve).await;
                });
            }
        });
        address
    }

    fn answer(&self, request: &Request<Incoming>, here: &str) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        self.asked.lock().unwrap().push(format!("{} {path}", request.method()));
        let answer = |status: u16, body: &str| Response::builder().status(status).body(Full::from(body.to_owned())).unwrap();
        if path == "/token" {
            return answer(200, r#"{"token":"t"}"#);
        }
        if request.headers().get("authorization").is_none_or(|sent| sent != "Bearer t") {
            let mut refused = answer(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#);
            let told = format!(r#"Bearer realm="http://{here}/token",service="r",scope="repository:web:pull""#);
            refused.headers_mut().insert("www-authenticate", told.parse().unwrap());
            return refused;
        }
        match (path, *self.tag.lock().unwrap()) {
            ("/v2/web/manifests/v1", Some(digit)) => {
                let mut found = answer(200, "");
                found.headers_mut().insert("docker-content-digest", digest(digit).parse().unwrap());
                found
            }
            _ => answer(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
        }
    }
}

fn graph(repository: &str) -> Desired {
    let mut desired = Desired::new(APP, Requester::Spec);
    let image = Image { repository: repository.to_owned(), tag: "v1".to_owned() };
    desired.add(image::key(repository, "v1"), &image, Intent::Present).unwrap();
    desired
}

#[tokio::test]
async fn an_image_keeps_the_digest_that_its_tag_had_first() {
    let registry = Registry::default();
    let repository = format!("{}/web", registry.start().await);
    let mut lab = Lab::new(Path::new("/nowhere"), "lab");
    let graph = graph(&repository);

    let unknown = lab.plan(&graph).await.unwrap_err();
    assert!(unknown[0].contains(&format!("there is no tag v1 in the repository {repository}")), "{unknown:?}");

    *registry.tag.lock().unwrap() = Some('a');
    lab.up(&graph).await;
    let pinned = |lab: &Lab| lab.ledger.get(APP, &image::key(&repository, "v1")).map(|entry| entry.outputs.clone());
    let reference = format!("{repository}@{}", digest('a'));
    assert_eq!(pinned(&lab).unwrap()["reference"], json!(reference));
    assert_eq!(pinned(&lab).unwrap()["tag"], "v1");

    *registry.tag.lock().unwrap() = Some('b');
    registry.asked.lock().unwrap().clear();
    let (plan, known) = lab.plan(&graph).await.unwrap();
    assert_eq!((plan.actions[0].act, known[&image::key(&repository, "v1")]["reference"].clone()), (Act::Keep, json!(reference)));
    lab.up(&graph).await;
    assert_eq!(pinned(&lab).unwrap()["reference"], json!(reference));
    lab.down().await;
    assert_eq!(pinned(&lab), None, "the state forgets it");
    assert_eq!(*registry.asked.lock().unwrap(), Vec::<String>::new(), "the registry is not asked again");
}

#[tokio::test]
async fn a_manifest_refers_to_the_pinned_image() {
    let registry = Registry::default();
    *registry.tag.lock().unwrap() = Some('c');
    let repository = format!("{}/web", registry.start().await);
    let server = super::server::Server::start().await;
    let mut lab = server.lab();
    let key = image::key(&repository, "v1");
    let mut desired = graph(&repository);
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "images", "namespace": "demo" },
        "data": { "web": image::REFERENCE.of(&key) } });
    let (object_key, object) = lab.object(config);
    desired.add(object_key, &object, Intent::Present).unwrap();
    lab.up(&desired).await;
    let written = server.get("/api/v1/namespaces/demo/configmaps/images").unwrap();
    assert_eq!(written["data"]["web"], json!(format!("{repository}@{}", digest('c'))));
    let needs = object::key("aks", &written).unwrap();
    assert!(desired.edges()[&needs].contains(&key));
}
