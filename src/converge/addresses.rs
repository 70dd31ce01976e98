//! Where deployed apps can be reached, and what they answer there. Only asked for what to tell people: nothing fails because of it.

use crate::{
    engine::{
        ledger::{Entry, Ledger, Origin},
        resource::Kind as _,
    },
    output::{Line, Text},
    resources::object::{self, Object},
    session::Session,
};
use futures::future::join_all;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The time for the connection and the answer together.
const LIMIT: Duration = Duration::from_secs(3);
/// As much of an answer as the status line can take.
const HEAD: usize = 1024;

pub(crate) struct Address {
    pub namespace: String,
    pub name: String,
    /// `http://203.0.113.7/health`
    pub url: String,
    /// Host name by which the Gateway knows the app.
    pub host: Option<String>,
    /// `200 OK`; None: it was not reached from here, or not asked.
    pub answer: Option<String>,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The object of an entry that gives an app an address.
fn exposing(entry: &Entry) -> Option<Object> {
    if entry.kind != Object::KIND || entry.origin == Origin::Existing {
        return None;
    }
    let object = Object::deserialize(&*entry.placed).ok()?;
    let manifest = &object.manifest;
    let exposes = match text(manifest, "/kind") {
        "Service" => text(manifest, "/spec/type") == "LoadBalancer",
        "Gateway" => text(manifest, "/apiVersion").starts_with("gateway.networking.k8s.io/"),
        _ => false,
    };
    exposes.then_some(object)
}

/// The path that the probes of the app of this name ask for.
fn health_path(ledger: &Ledger, app: &str, exposing: &Object) -> Option<String> {
    let metadata = &exposing.manifest["metadata"];
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata });
    let entry = ledger.get(app, &object::key(&exposing.target.name, &deployment).ok()?)?;
    let path = entry.placed.pointer("/manifest/spec/template/spec/containers/0/readinessProbe/httpGet/path")?;
    path.as_str().map(str::to_owned)
}

fn address(live: &Value) -> Option<String> {
    let places = ["/status/addresses/0/value", "/status/loadBalancer/ingress/0/ip", "/status/loadBalancer/ingress/0/hostname"];
    places.iter().map(|place| text(live, place)).find(|address| !address.is_empty()).map(str::to_owned)
}

/// The addresses of an app's objects. `asks`: they are also asked for what they answer.
pub(crate) async fn addresses(session: &Session, ledger: &Ledger, app: &str, asks: bool) -> Vec<Address> {
    let found = ledger.of_app(app).filter_map(exposing).map(|object| async move {
        let metadata = &object.manifest["metadata"];
        let (namespace, name) = (text(metadata, "/namespace").to_owned(), text(metadata, "/name").to_owned());
        let live = object.live(&session.clusters).await.ok()??;
        let address = address(&live)?;
        let host = Some(text(&object.manifest, "/spec/listeners/0/hostname").to_owned()).filter(|host| !host.is_empty());
        let path = health_path(ledger, app, &object);
        // the sandbox runs no containers that could answer
        let asks = asks && !session.global.sandbox;
        let answer = if asks { ask(&address, host.as_deref(), path.as_deref()).await } else { None };
        let shown = if address.contains(':') { format!("[{address}]") } else { address };
        Some(Address { namespace, name, url: format!("http://{shown}{}", path.unwrap_or_default()), host, answer })
    });
    join_all(found).await.into_iter().flatten().collect()
}

/// Sends one request, without TLS: the Services and Gateways that podid makes listen on port 80.
async fn ask(address: &str, host: Option<&str>, path: Option<&str>) -> Option<String> {
    timeout(LIMIT, async {
        let mut stream = TcpStream::connect((address, 80)).await.ok()?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: podid\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            path.unwrap_or("/"),
            host.unwrap_or(address)
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = Vec::new();
        stream.take(HEAD as u64).read_to_end(&mut head).await.ok()?;
        status(&String::from_utf8_lossy(&head))
    })
    .await
    .ok()
    .flatten()
}

/// `200 OK` of a response's first line.
fn status(response: &str) -> Option<String> {
    let (version, status) = response.lines().next()?.split_once(' ')?;
    version.starts_with("HTTP/").then(|| status.trim().to_owned())
}

pub(crate) fn shown(addresses: &[Address]) -> Text {
    let line = |address: &Address| {
        let Address { namespace, name, url, host, answer } = address;
        let host = host.as_ref().map(|host| format!(" (host {host})")).unwrap_or_default();
        let answer = answer.as_ref().map(|answer| format!(" answers {answer}")).unwrap_or_default();
        Line::from(format!("{namespace}/{name}: {url}{host}{answer}"))
    };
    addresses.iter().map(line).collect()
}

pub(crate) fn documents(addresses: &[Address]) -> Value {
    let one = |a: &Address| json!({ "namespace": a.namespace, "name": a.name, "url": a.url, "host": a.host, "answer": a.answer });
    addresses.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_is_its_first_line() {
        assert_eq!(status("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n").as_deref(), Some("200 OK"));
        assert_eq!(status("HTTP/1.1 503 Service Unavailable\r\n").as_deref(), Some("503 Service Unavailable"));
        assert_eq!(status("SSH-2.0-OpenSSH_9.6"), None);
        assert_eq!(status(""), None);
    }

    #[test]
    fn an_address_is_that_of_a_gateway_or_of_a_service() {
        assert_eq!(address(&json!({ "status": { "addresses": [{ "value": "203.0.113.7" }] } })).as_deref(), Some("203.0.113.7"));
        let service = |ingress: Value| address(&json!({ "status": { "loadBalancer": { "ingress": [ingress] } } }));
        assert_eq!(service(json!({ "ip": "203.0.113.8" })).as_deref(), Some("203.0.113.8"));
        assert_eq!(service(json!({ "hostname": "shop.example.com" })).as_deref(), Some("shop.example.com"));
        assert_eq!(address(&json!({ "status": {} })), None);
    }
}
