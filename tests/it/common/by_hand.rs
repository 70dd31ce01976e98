//! Azure and the clusters as others use them, behind podid's back: with the caller's own token, with the kubeconfig's, and with the
//! sandbox's settings. It needs a served world.

use super::{
    World,
    specs::{IDENTITIES, NAMESPACES},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, Proxy};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::OnceLock,
};
use tokio::runtime::Runtime;

pub const GROUP: &str = "podid-lab";

pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

/// A status and a JSON body; null without a body.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status < 300, "status {}: {:#}", self.status, self.body);
        self.body
    }
}

fn answered(request: reqwest::RequestBuilder, content_type: &str, body: Option<String>) -> Answer {
    runtime().block_on(async {
        let request = request.header("content-type", content_type).body(body.unwrap_or_default());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or_default() }
    })
}

impl World {
    /// Returns what `podid sandbox env` prints.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = self.podid(&["sandbox", "env"]).ok().stdout;
        let lines = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        lines.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
    }

    fn variable(&self, name: &str) -> String {
        self.environment().into_iter().find(|(n, _)| n == name).map(|(_, value)| value).unwrap()
    }

    pub fn subscription(&self) -> String {
        self.variable("AZURE_SUBSCRIPTION_ID")
    }

    pub fn group_id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{GROUP}", self.subscription())
    }

    pub fn identity_id(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", self.group_id())
    }

    pub fn vault_id(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.KeyVault/vaults/{name}", self.group_id())
    }

    /// Binds an identity in a new namespace, as kubectl would; both objects and the selector have the name of the namespace.
    pub fn bind_by_hand(&self, context: &str, name: &str, identity_id: &str) {
        let kube = |path: &str, body| self.kube("POST", context, path, Some(body)).ok();
        let meta = json!({ "name": name, "namespace": name });
        let object =
            |kind: &str, spec: Value| json!({ "apiVersion": "aadpodidentity.k8s.io/v1", "kind": kind, "metadata": meta, "spec": spec });
        kube(NAMESPACES, json!({ "metadata": { "name": name } }));
        let spec = json!({ "type": 0, "resourceID": identity_id, "clientID": "00000000-0000-0000-0000-000000000001" });
        kube(&format!("{IDENTITIES}/{name}/azureidentities"), object("AzureIdentity", spec));
        let spec = json!({ "azureIdentity": name, "selector": name });
        kube(&format!("{IDENTITIES}/{name}/azureidentitybindings"), object("AzureIdentityBinding", spec));
    }

    /// Returns a client that uses the proxy and its CA; created once, it keeps its connections.
    pub fn client(&self) -> Client {
        let ca = std::fs::read(self.path(".podid/ca.pem")).unwrap();
        let proxy = Proxy::all(format!("http://127.0.0.1:{}", self.port())).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        Client::builder().proxy(proxy).tls_certs_only([ca]).build().unwrap()
    }

    /// Sends a request. An empty `token` is not sent.
    pub fn send(&self, method: &str, url: &str, token: &str, content_type: &str, body: Option<String>) -> Answer {
        let client = runtime().block_on(async { self.client() });
        let mut request = client.request(method.parse::<Method>().unwrap(), url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        answered(request, content_type, body)
    }

    /// Sends a request past the sandbox, to a server of this authority.
    pub fn direct(&self, method: &str, url: &str, authority: &[u8], token: &str, body: Option<&Value>) -> Answer {
        let authority = reqwest::Certificate::from_pem(authority).unwrap();
        let client = runtime().block_on(async { Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap() });
        answered(client.request(method.parse::<Method>().unwrap(), url).bearer_auth(token), "application/json", body.map(Value::to_string))
    }

    /// Returns the caller's own token for an audience such as `https://vault.azure.net`.
    pub fn token(&self, audience: &str) -> String {
        let all = self.environment();
        let of = |name: &str| all.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &of("AZURE_CLIENT_ID"))
            .append_pair("client_secret", &of("AZURE_CLIENT_SECRET"))
            .append_pair("scope", &format!("{audience}/.default"))
            .finish();
        let url = format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", of("AZURE_TENANT_ID"));
        let answer = self.send("POST", &url, "", "application/x-www-form-urlencoded", Some(body)).ok();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends an ARM request. `path` is an id with its api-version.
    pub fn arm(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = self.token("https://management.azure.com");
        let url = format!("https://management.azure.com{path}");
        self.send(method, &url, &token, "application/json", body.map(|b| b.to_string()))
    }

    pub fn vault(&self, method: &str, vault: &str, path: &str, body: Option<Value>) -> Answer {
        let token = self.token("https://vault.azure.net");
        let url = format!("https://{vault}.vault.azure.net{path}?api-version=2025-07-01");
        self.send(method, &url, &token, "application/json", body.map(|b| b.to_string()))
    }

    /// Sends a request as the kubeconfig's cluster admin. A PATCH is a merge patch.
    pub fn kube(&self, method: &str, context: &str, path: &str, body: Option<Value>) -> Answer {
        let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.of_kube(method, context, path, content_type, body)
    }

    /// Sends a server-side apply; the field manager is in the path's query.
    pub fn apply(&self, context: &str, path: &str, body: &Value) -> Answer {
        self.of_kube("PATCH", context, path, "application/apply-patch+yaml", Some(body.clone()))
    }

    fn of_kube(&self, method: &str, context: &str, path: &str, content_type: &str, body: Option<Value>) -> Answer {
        let config: Value = serde_json::from_str(&self.read(".podid/kubeconfig")).unwrap();
        let named = |list: &str| config[list].as_array().unwrap().iter().find(|e| e["name"].as_str().unwrap().ends_with(context)).unwrap();
        let cluster = &named("clusters")["cluster"];
        let token = named("users")["user"]["token"].as_str().unwrap();
        let url = format!("{}{path}", cluster["server"].as_str().unwrap());
        let body = body.map(|b| b.to_string());
        // The sandbox's own clusters have a proxy; one that stands in is reached directly.
        if cluster["proxy-url"].is_string() {
            return self.send(method, &url, token, content_type, body);
        }
        let ca = STANDARD.decode(cluster["certificate-authority-data"].as_str().unwrap()).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let client = runtime().block_on(async { Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap() });
        answered(client.request(method.parse::<Method>().unwrap(), url).bearer_auth(token), content_type, body)
    }

    /// Returns the role assignments at a scope, without inherited ones.
    pub fn assignments(&self, scope: &str) -> Vec<Value> {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()");
        let all = self.arm("GET", &path, None).ok()["value"].as_array().unwrap().clone();
        all.into_iter().filter(|a| a["properties"]["scope"].as_str().unwrap().eq_ignore_ascii_case(scope)).collect()
    }

    pub fn control(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        control(self.dir(), self.port(), method, path, body)
    }

    pub fn settings(&self, wish: &Value) {
        self.control("POST", "/settings", Some(wish)).ok();
    }

    pub fn setting(&self, name: &str) -> Value {
        self.control("GET", "/settings", None).ok()[name].clone()
    }

    /// Makes the n-th client request from now on hang until its connection is closed.
    pub fn hold(&self, n: u64, when: &str) {
        self.settings(&json!({ "hold": { "n": n, "when": when } }));
    }
}

/// Returns the token that allows control of the sandbox of a folder.
pub fn control_token(dir: &Path) -> String {
    let keys: Value = serde_json::from_slice(&std::fs::read(dir.join(".podid/keys.json")).unwrap()).unwrap();
    keys["control_token"].as_str().unwrap().to_owned()
}

/// Sends a request to the control host of a sandbox. `dir` contains its folder.
pub fn control(dir: &Path, port: u16, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} http://sandbox.podid{path} HTTP/1.1\r\nhost: sandbox.podid\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        control_token(dir),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Answer { status, body: serde_json::from_str(body).unwrap() }
}
