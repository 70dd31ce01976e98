//! A Kubernetes API server of either side to talk to over plain HTTP: one per test binary, with a namespace of its own for each test.
//! Does not use podid's types.

use super::both::Side;
use super::by_hand::{control, runtime};
use super::plane::Plane;
use super::{PODID, until};
use reqwest::{Certificate, Client, Identity, Method, Proxy};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The headers of a request.
pub type Headers<'a> = &'a [(String, String)];

pub struct Cluster {
    pub side: Side,
    pub kubeconfig: PathBuf,
    pub server: String,
    /// A client with the kubeconfig's credential, and one without.
    admin: Client,
    nobody: Client,
    token: Option<String>,
    /// The process that runs the server ends with its standard input, whenever this process ends.
    _runs: Option<Child>,
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status < 300, "status {}: {}", self.status, self.text);
        self.json()
    }
}

impl Cluster {
    /// Returns the server of this test binary, started on first use.
    pub fn shared(side: Side) -> &'static Self {
        static SANDBOX: OnceLock<Cluster> = OnceLock::new();
        static CONTROL_PLANE: OnceLock<Cluster> = OnceLock::new();
        match side {
            Side::Sandbox => SANDBOX.get_or_init(Self::sandbox),
            Side::ControlPlane => CONTROL_PLANE.get_or_init(|| Self::control_plane(&Self::shared(Side::Sandbox).crds())),
        }
    }

    fn sandbox() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        // The shell outlives this process just long enough to stop the sandbox and to clean up.
        let script = r#"cd "$1" && { "$2" sandbox serve --ready-file ready.json >serve.log 2>&1 & child=$!; cat; kill $child; wait; cd /; rm -rf "$1"; }"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&folder).arg(PODID).env_clear().stdin(Stdio::piped()).stdout(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &folder).env("PODID_LATENESS", "none");
        let child = command.spawn().unwrap();
        let note = until("the sandbox serves", || serde_json::from_slice::<Value>(&fs::read(folder.join("ready.json")).ok()?).ok());
        // The control plane has no MIC, so it is stopped here: it would delete what belongs to no pod.
        let port = u16::try_from(note["port"].as_u64().unwrap()).unwrap();
        control(&folder, port, "POST", "/settings", Some(&json!({ "fail": [{ "by": "mic", "status": 503 }] }))).ok();
        Self::of(Side::Sandbox, &folder.join(".podid/kubeconfig"), Some(child))
    }

    /// Connects to another test's control plane, as its admin.
    pub fn of_plane(plane: &Plane) -> Self {
        Self::of(Side::ControlPlane, plane.kubeconfig(), None)
    }

    /// Starts a control plane with the same kinds as the sandbox.
    fn control_plane(crds: &[Value]) -> Self {
        let plane = Box::leak(Box::new(Plane::start()));
        let cluster = Self::of_plane(plane);
        let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for crd in crds {
            let reply = cluster.ask("POST", all, &[], Some(crd.to_string()));
            assert!([201, 409].contains(&reply.status), "{}", reply.text);
            let at = format!("{all}/{}", crd["metadata"]["name"].as_str().unwrap());
            until("a kind is served", || {
                let conditions = cluster.ask("GET", &at, &[], None).json()["status"]["conditions"].take();
                conditions.as_array()?.iter().any(|c| c["type"] == "Established" && c["status"] == "True").then_some(())
            });
        }
        cluster
    }

    fn of(side: Side, kubeconfig: &Path, runs: Option<Child>) -> Self {
        let config: Value = serde_saphyr::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap();
        let (cluster, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
        let file = |of: &Value, name: &str| -> Option<Vec<u8>> {
            use base64::Engine as _;
            let inline = of[format!("{name}-data")].as_str().map(|t| base64::engine::general_purpose::STANDARD.decode(t).unwrap());
            inline.or_else(|| of[name].as_str().map(|path| fs::read(path).unwrap()))
        };
        let client = |with: Option<Identity>| {
            let mut builder = Client::builder().timeout(Duration::from_secs(60)).no_proxy();
            if let Some(url) = cluster["proxy-url"].as_str() {
                builder = builder.proxy(Proxy::all(url).unwrap());
            }
            builder = match file(cluster, "certificate-authority") {
                Some(ca) => builder.tls_certs_only([Certificate::from_pem(&ca).unwrap()]),
                None => builder.danger_accept_invalid_certs(true),
            };
            if let Some(identity) = with {
                builder = builder.identity(identity);
            }
            runtime().block_on(async { builder.build().unwrap() })
        };
        let identity = file(user, "client-certificate").zip(file(user, "client-key")).map(|(certificate, key)| {
            let pem = [certificate, b"\n".to_vec(), key].concat();
            Identity::from_pem(&pem).unwrap()
        });
        Self {
            side,
            kubeconfig: kubeconfig.to_owned(),
            server: cluster["server"].as_str().unwrap().to_owned(),
            admin: client(identity),
            nobody: client(None),
            token: user["token"].as_str().map(str::to_owned),
            _runs: runs,
        }
    }

    /// Returns the CRDs as a client would write them.
    fn crds(&self) -> Vec<Value> {
        let mut list = self.ask("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &[], None).ok();
        let all = list["items"].take();
        let plain = |crd: &Value| {
            json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": crd["metadata"]["name"], "annotations": crd["metadata"]["annotations"]}, "spec": crd["spec"],
            })
        };
        all.as_array().unwrap().iter().map(plain).collect()
    }

    /// Sends a request as the admin, unless the headers hold an `authorization`; an empty one sends none.
    pub fn ask(&self, method: &str, path: &str, headers: Headers<'_>, body: Option<String>) -> Reply {
        runtime().block_on(async {
            let named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            let client = if named { &self.nobody } else { &self.admin };
            let mut request = client.request(method.parse::<Method>().unwrap(), format!("{}{path}", self.server));
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
                request = request.header("user-agent", "probe/1");
            }
            if let Some(token) = self.token.as_ref().filter(|_| !named) {
                request = request.bearer_auth(token);
            }
            for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
                request = request.header(name, value);
            }
            if let Some(body) = body {
                if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                    request = request.header("content-type", "application/json");
                }
                request = request.body(body);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Reply { status, headers, text: answer.text().await.unwrap() }
        })
    }

    /// Creates a namespace and waits for its service account, so that pods can be created.
    pub fn namespace(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("suite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.ask("POST", "/api/v1/namespaces", &[], Some(body.to_string())).ok();
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let path = format!("/api/v1/namespaces/{name}/{path}");
            until("a namespace is furnished", || (self.ask("GET", &path, &[], None).status == 200).then_some(()));
        }
        name
    }
}
