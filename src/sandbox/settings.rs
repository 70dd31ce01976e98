//! Settings that can be changed while the sandbox runs: delays, and faults for testing clients.

use super::{azure::call::Rules, limits::Limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The lifetime of Entra's long-lived application tokens.
pub const TOKEN_SECONDS: i64 = 86_399;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// The request has no effect.
    Before,
    /// The request has its effect, but is never answered.
    After,
}

/// The n-th client request after the setting hangs until its connection is closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub n: u64,
    pub when: When,
}

/// An answer that replaces the true one for the matching requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    pub method: Option<String>,
    pub host: Option<String>,
    /// A part of path and query, in any case.
    pub path: Option<String>,
    /// `client` by default; `any` matches all requests.
    pub by: Option<String>,
    pub status: u16,
    /// A text is sent as it is, anything else as JSON.
    pub body: Option<Value>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How many matching requests are answered normally first.
    #[serde(default)]
    pub skip: u32,
    /// None means always.
    pub times: Option<u32>,
    /// With `after`, the request still has its effect.
    pub when: Option<When>,
}

pub struct Settings {
    inner: Mutex<Inner>,
}

struct Inner {
    rules: Arc<Rules>,
    delay: Duration,
    hold: Option<Hold>,
    seen: u64,
    held: bool,
    holding: u64,
    fail: Vec<Fail>,
    limits: Limits,
    counts: BTreeMap<String, u64>,
}

/// How to handle one request.
pub struct Handling {
    pub rules: Arc<Rules>,
    pub delay: Duration,
    pub hold: Option<When>,
    pub fail: Option<Fail>,
}

impl Settings {
    pub fn new(rules: Rules) -> Self {
        Self {
            inner: Mutex::new(Inner {
                rules: Arc::new(rules),
                delay: Duration::ZERO,
                hold: None,
                seen: 0,
                held: false,
                holding: 0,
                fail: Vec::new(),
                limits: Limits::default(),
                counts: BTreeMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn rules(&self) -> Arc<Rules> {
        self.lock().rules.clone()
    }

    /// Counts the request and returns how to handle it. `path` includes the query.
    pub fn handling(&self, by: &str, method: &str, host: &str, path: &str) -> Handling {
        let mut inner = self.lock();
        *inner.counts.entry(by.to_owned()).or_insert(0) += 1;
        let client = by == "client";
        let mut hold = None;
        if client {
            inner.seen += 1;
            hold = inner.hold.as_ref().filter(|h| h.n == inner.seen).map(|h| h.when);
        }
        let spent = if client { inner.limits.count(method, host, path) } else { None };
        let path = path.to_ascii_lowercase();
        let fits = |f: &Fail| {
            let by_fits = match f.by.as_deref() {
                None => client,
                Some("any") => true,
                Some(name) => name == by,
            };
            by_fits
                && f.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method))
                && f.host.as_ref().is_none_or(|h| h.eq_ignore_ascii_case(host))
                && f.path.as_ref().is_none_or(|p| path.contains(&p.to_ascii_lowercase()))
                && f.times != Some(0)
        };
        let fail = inner.fail.iter_mut().find(|f| fits(f)).and_then(|f| {
            if f.skip > 0 {
                f.skip -= 1;
                return None;
            }
            if let Some(times) = &mut f.times {
                *times -= 1;
            }
            Some(f.clone())
        });
        let rules = match spent {
            Some(_) => Arc::new(Rules { spent, ..(*inner.rules).clone() }),
            None => inner.rules.clone(),
        };
        Handling { rules, delay: if client { inner.delay } else { Duration::ZERO }, hold, fail }
    }

    /// Counts a hanging request until the result is dropped.
    pub fn hold(self: &Arc<Self>) -> Held {
        let mut inner = self.lock();
        inner.held = true;
        inner.holding += 1;
        Held(self.clone())
    }

    /// Changes the named settings and keeps the others. Null removes a hold or a fault.
    pub fn apply(&self, changes: &Value) -> Result<(), String> {
        let changes = changes.as_object().ok_or("the settings must be a JSON object")?;
        let mut inner = self.lock();
        let mut rules = (*inner.rules).clone();
        let mut later: Vec<SettingChange> = Vec::new();
        for (name, value) in changes {
            match name.as_str() {
                "lateness" => rules.lateness = value.as_str().unwrap_or_default().parse()?,
                "deny" => rules.deny = parse(name, value)?.unwrap_or_default(),
                "deny_assignments" => rules.denials = Arc::new(parse(name, value)?.unwrap_or_default()),
                "token_seconds" => rules.token_seconds = parse(name, value)?.unwrap_or(TOKEN_SECONDS),
                "scale_set_polls" => rules.scale_set_polls = parse(name, value)?.unwrap_or(0),
                "aks_day" => rules.aks_day = parse(name, value)?,
                "delay_ms" => {
                    let delay = Duration::from_millis(parse(name, value)?.unwrap_or(0));
                    later.push(Box::new(move |inner| inner.delay = delay));
                }
                "hold" => {
                    let hold: Option<Hold> = parse(name, value)?;
                    later.push(Box::new(move |inner| {
                        inner.hold = hold;
                        inner.seen = 0;
                        inner.held = false;
                    }));
                }
                "fail" => {
                    let fail: Option<Vec<Fail>> = parse(name, value)?;
                    later.push(Box::new(move |inner| inner.fail = fail.unwrap_or_default()));
                }
                "limits" => {
                    let limits: Option<Limits> = parse(name, value)?;
                    later.push(Box::new(move |inner| inner.limits = limits.unwrap_or_default()));
                }
                _ => {
                    return Err(format!(
                        "unknown setting '{name}'; use lateness, delay_ms, hold, deny, deny_assignments, fail, limits, token_seconds, scale_set_polls or aks_day"
                    ));
                }
            }
        }
        inner.rules = Arc::new(rules);
        for change in later {
            change(&mut inner);
        }
        Ok(())
    }

    /// Restores the initial settings, except for the delays.
    pub fn reset(&self) {
        let mut inner = self.lock();
        let rules = Rules {
            deny: Vec::new(),
            denials: Arc::default(),
            token_seconds: TOKEN_SECONDS,
            scale_set_polls: 0,
            aks_day: None,
            ..(*inner.rules).clone()
        };
        *inner = Inner {
            rules: Arc::new(rules),
            delay: Duration::ZERO,
            hold: None,
            seen: 0,
            held: false,
            holding: inner.holding,
            fail: Vec::new(),
            limits: Limits::default(),
            counts: BTreeMap::new(),
        };
    }

    pub fn show(&self) -> Map<String, Value> {
        let inner = self.lock();
        let mut all = Map::new();
        all.insert("lateness".into(), json!(inner.rules.lateness));
        all.insert("delay_ms".into(), json!(u64::try_from(inner.delay.as_millis()).unwrap_or(u64::MAX)));
        all.insert("hold".into(), json!(inner.hold));
        all.insert("held".into(), json!(inner.held));
        all.insert("holding".into(), json!(inner.holding));
        all.insert("seen".into(), json!(inner.seen));
        all.insert("deny".into(), json!(inner.rules.deny));
        all.insert("deny_assignments".into(), json!(*inner.rules.denials));
        all.insert("fail".into(), json!(inner.fail));
        all.insert("limits".into(), json!(inner.limits));
        all.insert("token_seconds".into(), json!(inner.rules.token_seconds));
        all.insert("scale_set_polls".into(), json!(inner.rules.scale_set_polls));
        all.insert("aks_day".into(), json!(inner.rules.aks_day));
        all.insert("counts".into(), json!(inner.counts));
        all
    }
}

/// The change of one setting, made after all of them were parsed.
type SettingChange = Box<dyn FnOnce(&mut Inner)>;

fn parse<T: serde::de::DeserializeOwned>(name: &str, value: &Value) -> Result<Option<T>, String> {
    serde_json::from_value(value.clone()).map_err(|why| format!("the value of the setting '{name}' is not valid: {why}"))
}

pub struct Held(Arc<Settings>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().holding -= 1;
    }
}
