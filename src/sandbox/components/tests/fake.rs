//! A Kubernetes API that stores objects, and an Azure with one scale set and one vault behind a CONNECT proxy: just enough for the
//! components, with switches for failures.

use crate::components::{Config, KubeAccess, Login, Token};
use crate::program_logs::ProgramLogs;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_rustls::TlsAcceptor;

pub const IDENTITY: &str = "/subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/claims";
pub const CLIENT: &str = "11111111-1111-1111-1111-111111111111";
pub const CANARY: &str = "canary-value-of-the-secret";

/// Plural, namespace and name.
type Place = (String, String, String);

#[derive(Default)]
pub struct World {
    pub objects: BTreeMap<Place, Value>,
    version: u64,
    pub on_nodes: BTreeSet<String>,
    /// Lines of `METHOD host/path component`.
    pub log: Vec<String>,
    pub operator: bool,
    pub contributor: bool,
    pub granted: bool,
    pub asynchronous: bool,
}

#[derive(Clone)]
pub struct Fake {
    world: Arc<Mutex<World>>,
    changes: broadcast::Sender<(String, Value)>,
    tls: TlsAcceptor,
    pub config: Arc<Config>,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

fn answer(status: u16, body: &Value) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())).boxed())
        .unwrap()
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().shift_remove(name);
        } else {
            merge(&mut into[name.as_str()], value);
        }
    }
}

impl Fake {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let names = ["management.azure.com", "login.microsoftonline.com", "kv1.vault.azure.net", "a1.ests.aks"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config {
            cluster: "aks-mi".into(),
            proxy: url.clone(),
            ca_pem: made.cert.pem(),
            kube: KubeAccess { server: url, token: Some(Token::Fixed("t".into())), ..KubeAccess::default() },
            foreign: false,
            by_workload: false,
            tenant: "tenant".into(),
            token_proxy: "a1.ests.aks".into(),
            subscription: "s".into(),
            node_group: "MC_rg".into(),
            scale_set: "aks-vmss".into(),
            login: Login::Managed { client_id: "kubelet".into() },
            logs: ProgramLogs::default(),
        };
        let world = World { operator: true, contributor: true, granted: true, ..World::default() };
        let fake = Self {
            world: Arc::new(Mutex::new(world)),
            changes: broadcast::channel(1000).0,
            tls: TlsAcceptor::from(Arc::new(tls)),
            config: Arc::new(config),
        };
        let server = fake.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().front(request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service).with_upgrades());
            }
        });
        fake
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    async fn front(self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        if request.method() == Method::CONNECT {
            let host = request.uri().host().unwrap_or_default().to_owned();
            if host.ends_with(".vault.azure.net") && host != "kv1.vault.azure.net" {
                return Ok(answer(502, &json!({})));
            }
            tokio::spawn(async move {
                let tcp = hyper::upgrade::on(request).await.unwrap();
                let Ok(tls) = self.tls.clone().accept(TokioIo::new(tcp)).await else { return };
                let service = service_fn(move |request| self.clone().back(host.clone(), request));
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
            });
            return Ok(answer(200, &json!({})));
        }
        let host = request.uri().host().unwrap_or("kube").to_owned();
        self.back(host, request).await
    }

    async fn back(self, host: String, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let line = format!("{} {host}{} {}", parts.method, parts.uri.path(), header("x-podid-player"));
        self.world().log.push(line);
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let bearer = header("authorization").trim_start_matches("Bearer ").to_owned();
        Ok(match host.as_str() {
            "169.254.169.254" => self.metadata(&query, &header("x-podid-node")),
            "management.azure.com" => self.arm(&parts.method, parts.uri.path(), &sent),
            "login.microsoftonline.com" | "a1.ests.aks" => entra(parts.uri.path(), &body),
            "kv1.vault.azure.net" => self.vault(parts.uri.path(), &bearer),
            _ => self.kube(&parts.method, parts.uri.path(), &query, sent),
        })
    }

    fn metadata(&self, query: &BTreeMap<String, String>, node: &str) -> Answer {
        assert_eq!(node, "aks-mi");
        let client = query.get("client_id").cloned().unwrap_or_default();
        if client != "kubelet" && !(client == CLIENT && self.world().on_nodes.contains(&IDENTITY.to_lowercase())) {
            return answer(400, &json!({ "error": "invalid_request", "error_description": "Identity not found" }));
        }
        answer(200, &json!({ "access_token": format!("token-of-{client}"), "expires_on": "4102444800", "token_type": "Bearer" }))
    }

    fn arm(&self, method: &Method, path: &str, sent: &Value) -> Answer {
        if path.contains("/operations/") {
            return answer(200, &json!({ "status": "Succeeded" }));
        }
        let refused = |code: &str, text: String| answer(403, &json!({ "error": { "code": code, "message": text } }));
        let mut world = self.world();
        if !world.contributor {
            return refused("AuthorizationFailed", "The client 'kubelet' does not have authorization".into());
        }
        if method == Method::PATCH {
            for (id, value) in sent["identity"]["userAssignedIdentities"].as_object().unwrap() {
                if value.is_null() {
                    world.on_nodes.remove(id);
                } else if !world.operator {
                    let text = format!("it does not have permission to perform action 'assign/action' on the linked scope(s) '{id}'");
                    return refused("LinkedAuthorizationFailed", text);
                } else {
                    world.on_nodes.insert(id.clone());
                }
            }
        }
        let map: serde_json::Map<String, Value> = world.on_nodes.iter().map(|id| (id.clone(), json!({}))).collect();
        let set = json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": map }, "properties": { "provisioningState": "Succeeded" } });
        let mut answer = answer(200, &set);
        if method == Method::PATCH && world.asynchronous {
            let url = "https://management.azure.com/subscriptions/s/operations/1";
            answer.headers_mut().insert("azure-asyncoperation", url.parse().unwrap());
        }
        answer
    }

    fn vault(&self, path: &str, bearer: &str) -> Answer {
        if bearer.is_empty() {
            return answer(401, &json!({ "error": { "code": "Unauthorized", "message": "AKV10000" } }));
        }
        if !self.world().granted || bearer != format!("token-of-{CLIENT}") {
            let inner = json!({ "code": "ForbiddenByRbac" });
            return answer(403, &json!({ "error": { "code": "Forbidden", "message": "Caller is not authorized", "innererror": inner } }));
        }
        assert_eq!(path, "/secrets/sqldbconn/");
        answer(200, &json!({ "value": CANARY, "id": "https://kv1.vault.azure.net/secrets/sqldbconn/v1" }))
    }

    /// Stores an object as a user would.
    pub fn put(&self, plural: &str, object: Value) -> Value {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let place = (plural.to_owned(), text("namespace"), text("name"));
        self.store(place, object)
    }

    fn store(&self, place: Place, mut object: Value) -> Value {
        let mut world = self.world();
        world.version += 1;
        let kind = if world.objects.contains_key(&place) { "MODIFIED" } else { "ADDED" };
        object["metadata"]["resourceVersion"] = world.version.to_string().into();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = format!("uid-{}", world.version).into();
        }
        let ending = !object["metadata"]["deletionTimestamp"].is_null();
        let held = object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
        if ending && !held {
            world.objects.remove(&place);
            let _ = self.changes.send((place.0, json!({ "type": "DELETED", "object": object })));
        } else {
            world.objects.insert(place.clone(), object.clone());
            let _ = self.changes.send((place.0, json!({ "type": kind, "object": object })));
        }
        object
    }

    pub fn remove(&self, plural: &str, namespace: &str, name: &str) {
        let place = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        let Some(mut object) = self.world().objects.get(&place).cloned() else { return };
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        self.store(place, object);
    }

    pub fn find(&self, plural: &str, name: &str) -> Option<Value> {
        self.world().objects.iter().find(|((p, _, n), _)| p == plural && n == name).map(|(_, o)| o.clone())
    }

    pub fn events(&self) -> Vec<(String, String)> {
        let text = |o: &Value, name: &str| o[name].as_str().unwrap_or_default().to_owned();
        let world = self.world();
        world.objects.iter().filter(|((p, ..), _)| p == "events").map(|(_, o)| (text(o, "reason"), text(o, "message"))).collect()
    }

    fn kube(&self, method: &Method, path: &str, query: &BTreeMap<String, String>, sent: Value) -> Answer {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        parts.drain(..if parts[0] == "api" { 2 } else { 3 });
        let (namespace, parts) = if parts[0] == "namespaces" && parts.len() > 2 { (parts[1], parts[2..].to_vec()) } else { ("", parts) };
        let plural = parts[0].to_owned();
        if parts.get(2) == Some(&"token") {
            self.world().log.push(format!("TokenRequest {} {}", parts[1], sent["spec"]["audiences"][0].as_str().unwrap()));
            return answer(201, &json!({ "status": { "token": "sa-token" } }));
        }
        let Some(name) = parts.get(1).map(|n| (*n).to_owned()) else {
            if method == Method::POST {
                let place = (plural, namespace.to_owned(), sent["metadata"]["name"].as_str().unwrap().to_owned());
                if self.world().objects.contains_key(&place) {
                    return answer(409, &json!({ "kind": "Status", "message": "already exists" }));
                }
                return answer(201, &self.store(place, sent));
            }
            if query.contains_key("watch") {
                return self.watch(plural, query["resourceVersion"].parse().unwrap());
            }
            let world = self.world();
            let items: Vec<&Value> = world.objects.iter().filter(|((p, ..), _)| *p == plural).map(|(_, o)| o).collect();
            return answer(200, &json!({ "metadata": { "resourceVersion": world.version.to_string() }, "items": items }));
        };
        let place = (plural.clone(), namespace.to_owned(), name.clone());
        let existing = self.world().objects.get(&place).cloned();
        let Some(mut object) = existing else {
            return answer(404, &json!({ "kind": "Status", "message": format!("{plural} \"{name}\" not found") }));
        };
        match *method {
            Method::DELETE => {
                self.remove(&plural, namespace, &name);
                return answer(200, &json!({}));
            }
            Method::PATCH => merge(&mut object, &sent),
            Method::PUT => object = sent,
            _ => return answer(200, &object),
        }
        answer(200, &self.store(place, object))
    }

    fn watch(&self, plural: String, since: u64) -> Answer {
        let changes = self.changes.subscribe();
        let missed: Vec<Value> = {
            let world = self.world();
            let newer = |o: &&Value| o["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > since;
            let of_kind = world.objects.iter().filter(|((p, ..), _)| *p == plural).map(|(_, o)| o);
            of_kind.filter(newer).map(|o| json!({ "type": "MODIFIED", "object": o })).collect()
        };
        let coming = stream::unfold((changes, plural), |(mut changes, plural)| async move {
            loop {
                match changes.recv().await {
                    Ok((p, event)) if p == plural => return Some((event, (changes, plural))),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        });
        let lines = stream::iter(missed).chain(coming).map(|event| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{event}\n")))));
        Response::new(BodyExt::boxed(SyncBody(Mutex::new(Box::pin(StreamBody::new(lines))))))
    }
}

fn entra(path: &str, body: &[u8]) -> Answer {
    if path.ends_with("/oauth2/v2.0/token") {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        assert_eq!(form["client_assertion"], "sa-token");
        return answer(200, &json!({ "access_token": format!("token-of-{}", form["client_id"]) }));
    }
    answer(200, &json!({ "token_endpoint": "https://login.microsoftonline.com/tenant/oauth2/v2.0/token" }))
}

/// BoxBody requires Sync, which a stream of a channel is not.
struct SyncBody<B>(Mutex<std::pin::Pin<Box<B>>>);

impl<B: hyper::body::Body> hyper::body::Body for SyncBody<B> {
    type Data = B::Data;
    type Error = B::Error;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.0.lock().unwrap().as_mut().poll_frame(cx)
    }
}
