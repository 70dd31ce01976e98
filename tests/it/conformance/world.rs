//! The sandbox for the records: served, reset for each record, and used through its normal endpoints and its control host.

use super::compare::Reply;
use crate::common::{World as Served, by_hand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Method, Proxy};
use serde_json::{Value, json};
use std::{cell::RefCell, collections::HashMap};

pub const ARM: &str = "https://management.azure.com";
pub const GRAPH: &str = "https://graph.microsoft.com";
pub const VAULT: &str = "https://vault.azure.net";
/// A group of the sandbox's own, for resources that a record needs and does not name.
pub const GROUP: &str = by_hand::GROUP;

/// Whose token a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The owner of the subscription.
    #[default]
    Owner,
    /// No token at all.
    Nobody,
    /// The owner's token, expired.
    Late,
    /// A text that is not a token.
    Garbage,
}

pub struct World {
    served: Served,
    client: Client,
    port: u16,
    pub subscription: String,
    pub tenant: String,
    login: (String, String),
    /// Tokens by audience and caller: keys and names stay when a world is reset.
    tokens: RefCell<HashMap<(String, Caller), String>>,
    /// The object id of the owner.
    pub owner: String,
    pub locations: Vec<String>,
}

impl World {
    pub fn start() -> Self {
        let served = Served::served();
        let environment: HashMap<String, String> = served.environment().into_iter().collect();
        let of = |name: &str| environment[name].clone();
        let ca = reqwest::Certificate::from_pem(&std::fs::read(served.path(".podid/ca.pem")).unwrap()).unwrap();
        let proxy = Proxy::all(format!("http://127.0.0.1:{}", served.port())).unwrap();
        let client = by_hand::runtime().block_on(async {
            Client::builder().proxy(proxy).tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none()).build().unwrap()
        });
        let mut world = Self {
            client,
            port: served.port(),
            subscription: of("AZURE_SUBSCRIPTION_ID"),
            tenant: of("AZURE_TENANT_ID"),
            login: (of("AZURE_CLIENT_ID"), of("AZURE_CLIENT_SECRET")),
            tokens: RefCell::default(),
            owner: String::new(),
            locations: Vec::new(),
            served,
        };
        let claims = world.token(ARM, Caller::Owner);
        let claims = URL_SAFE_NO_PAD.decode(claims.split('.').nth(1).unwrap()).unwrap();
        world.owner = serde_json::from_slice::<Value>(&claims).unwrap()["oid"].as_str().unwrap().to_owned();
        let all = world.arm("GET", &format!("/subscriptions/{}/locations?api-version=2022-12-01", world.subscription), None).json();
        world.locations = all["value"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap().to_owned()).collect();
        world
    }

    /// Resets the world, without delays.
    pub fn reset(&self) {
        by_hand::control(self.served.dir(), self.port, "POST", "/reset", None).ok();
        self.set(&json!({ "lateness": "none" }));
    }

    pub fn set(&self, settings: &Value) {
        by_hand::control(self.served.dir(), self.port, "POST", "/settings", Some(settings)).ok();
    }

    pub fn token(&self, audience: &str, caller: Caller) -> String {
        match caller {
            Caller::Nobody => return String::new(),
            Caller::Garbage => return "garbage".to_owned(),
            Caller::Owner | Caller::Late => {}
        }
        let key = (audience.to_owned(), caller);
        if let Some(token) = self.tokens.borrow().get(&key) {
            return token.clone();
        }
        if caller == Caller::Late {
            self.set(&json!({ "token_seconds": 0 }));
        }
        let (id, secret) = &self.login;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", id)
            .append_pair("client_secret", secret)
            .append_pair("scope", &format!("{audience}/.default"))
            .finish();
        let url = format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", self.tenant);
        let reply = self.send("POST", &url, "", "application/x-www-form-urlencoded", Some(form));
        let token = reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("no token: {}", reply.text)).to_owned();
        if caller == Caller::Late {
            self.set(&json!({ "token_seconds": null }));
        }
        self.tokens.borrow_mut().insert(key, token.clone());
        token
    }

    pub fn send(&self, method: &str, url: &str, token: &str, kind: &str, body: Option<String>) -> Reply {
        by_hand::runtime().block_on(async {
            let mut request = self.client.request(method.parse::<Method>().unwrap(), url);
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            if let Some(body) = body {
                request = request.header("content-type", kind).body(body);
            }
            match request.send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let headers =
                        answer.headers().iter().map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
                    Reply { status, headers: headers.collect(), text: answer.text().await.unwrap_or_default() }
                }
                Err(why) => Reply { text: format!("{method} {url}: {why}"), ..Reply::default() },
            }
        })
    }

    pub fn ask(&self, audience: &str, caller: Caller, method: &str, url: &str, body: Option<&Value>) -> Reply {
        self.send(method, url, &self.token(audience, caller), "application/json", body.map(Value::to_string))
    }

    /// Sends an ARM request; `path` includes the query.
    pub fn arm(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask(ARM, Caller::Owner, method, &format!("{ARM}{path}"), body)
    }

    pub fn graph(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask(GRAPH, Caller::Owner, method, &format!("{GRAPH}/v1.0{path}"), body)
    }

    pub fn vault(&self, host: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask(VAULT, Caller::Owner, method, &format!("https://{host}{path}"), body)
    }
}
