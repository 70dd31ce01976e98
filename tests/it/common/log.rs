//! The requests since a given moment, and which of them write: from the sandbox's `requests.jsonl` or a real API server's audit log.

use super::{World, until};
use serde_json::Value;
use std::fs;

/// A placeholder for the host of a real API server.
const CONTROL_PLANE: &str = "control-plane.azmk8s.io";

/// The numbers of requests to the sandbox and to the control plane.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(usize, usize);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub n: u64,
    pub host: String,
    pub method: String,
    /// The path with its query.
    pub path: String,
    pub status: u64,
    pub conn: u64,
    pub by: String,
}

impl Line {
    fn of(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap();
        let word = |name: &str| value[name].as_str().unwrap().to_owned();
        let number = |name: &str| value[name].as_u64().unwrap();
        Self {
            n: number("n"),
            host: word("host"),
            method: word("method"),
            path: word("path"),
            status: number("status"),
            conn: number("conn"),
            by: word("by"),
        }
    }

    /// Parses an event of the audit log, if podid sent the request.
    fn audited(text: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(text).ok()?;
        let word = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if !word("/userAgent").starts_with("podid/") || word("/stage") != "ResponseComplete" {
            return None;
        }
        let method = match word("/verb") {
            "create" => "POST",
            "update" => "PUT",
            "patch" => "PATCH",
            "delete" | "deletecollection" => "DELETE",
            _ => "GET",
        };
        Some(Self {
            n: 0,
            host: CONTROL_PLANE.into(),
            method: method.into(),
            path: word("/requestURI").into(),
            status: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
            conn: 0,
            by: "client".into(),
        })
    }

    pub fn is_cluster(&self) -> bool {
        self.host.ends_with(".azmk8s.io")
    }

    pub fn is_token(&self) -> bool {
        self.path.ends_with("/oauth2/v2.0/token")
    }

    pub fn is_write(&self) -> bool {
        self.by == "client" && self.method != "GET" && !self.is_token() && !self.path.contains("dryRun=All")
    }

    /// Returns the method and the end of the path, without ids.
    pub fn short(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let last = |n: usize| parts[parts.len().saturating_sub(n)..].join("/");
        let tail = if let Some(at) = path.find("/providers/Microsoft.Authorization/roleAssignments/") {
            let scope: Vec<&str> = path[..at].split('/').collect();
            format!("roleAssignments at {}", scope.last().unwrap())
        } else if path.contains("/accessPolicies/") {
            last(3)
        } else {
            last(2)
        };
        format!("{} {tail}", self.method)
    }
}

impl World {
    pub fn requests(&self) -> Vec<Line> {
        self.since(Mark::default())
    }

    fn of_sandbox(&self) -> Vec<Line> {
        fs::read_to_string(self.path(".podid/requests.jsonl")).unwrap_or_default().lines().map(Line::of).collect()
    }

    /// The audit log gets an event a moment after its answer was sent.
    fn of_control_plane(&self) -> Vec<Line> {
        let Some(plane) = &self.plane else { return Vec::new() };
        let mut last = plane.audit();
        until("the audit log is calm", || {
            std::thread::sleep(std::time::Duration::from_millis(60));
            let now = plane.audit();
            let calm = now.lines().filter_map(Line::audited).count() == last.lines().filter_map(Line::audited).count();
            last = now;
            calm.then_some(())
        });
        last.lines().filter_map(Line::audited).collect()
    }

    /// Returns the number of requests so far, for `since`.
    pub fn mark(&self) -> Mark {
        Mark(self.of_sandbox().len(), self.of_control_plane().len())
    }

    pub fn since(&self, mark: Mark) -> Vec<Line> {
        let mut lines = self.of_sandbox().split_off(mark.0);
        lines.extend(self.of_control_plane().split_off(mark.1));
        lines
    }

    /// Returns the writes of clients since then, in short form, sorted.
    pub fn writes_since(&self, mark: Mark) -> Vec<String> {
        let mut writes: Vec<String> = self.since(mark).iter().filter(|l| l.is_write()).map(Line::short).collect();
        writes.sort();
        writes
    }
}
