//! `requests.jsonl`, read: what was asked of the sandbox since a moment, and which of it writes.

use super::World;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub n: u64,
    pub host: String,
    pub method: String,
    /// With its query.
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

    pub fn is_token(&self) -> bool {
        self.path.ends_with("/oauth2/v2.0/token")
    }

    pub fn is_write(&self) -> bool {
        self.by == "client" && self.method != "GET" && !self.is_token() && !self.path.contains("dryRun=All")
    }

    /// Method and the end of the path that says what it is, without ids that only a reader of UUIDs could tell apart.
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
        let path = self.path(".podid/requests.jsonl");
        std::fs::read_to_string(path).unwrap_or_default().lines().map(Line::of).collect()
    }

    /// How many requests there are by now; for `since`.
    pub fn mark(&self) -> usize {
        self.requests().len()
    }

    pub fn since(&self, mark: usize) -> Vec<Line> {
        self.requests().split_off(mark)
    }

    /// What clients wrote since then, in short, sorted.
    pub fn writes_since(&self, mark: usize) -> Vec<String> {
        let mut writes: Vec<String> = self.since(mark).iter().filter(|l| l.is_write()).map(Line::short).collect();
        writes.sort();
        writes
    }
}
