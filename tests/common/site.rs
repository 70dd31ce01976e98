//! A served world whose cluster of a lab is the sandbox's own, or a real control plane with the sandbox's Azure around it: what is asked of
//! the one stands in the sandbox's log, of the other in its audit log. Knows no type of podid's.

use super::{World, both::Side, log::Line, plane::Plane};
use serde_json::Value;
use std::{
    fs,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub struct Site {
    world: World,
    plane: Option<Plane>,
    /// One control plane at a time: five programs each.
    _turn: Option<MutexGuard<'static, ()>>,
}

/// How far both logs have come.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    sandbox: usize,
    audit: usize,
}

impl Deref for Site {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Site {
    /// `context`: the cluster that is the control plane, on its side.
    pub fn of(side: Side, context: &str) -> Self {
        if side == Side::Sandbox {
            return Self { world: World::served(), plane: None, _turn: None };
        }
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let plane = Plane::start();
        let mut world = World::new();
        world.serve_with(&["--cluster", &format!("{context}={}", plane.kubeconfig().display())]);
        Self { world, plane: Some(plane), _turn: Some(turn) }
    }

    pub fn is_real(&self) -> bool {
        self.plane.is_some()
    }

    pub fn mark(&self) -> Mark {
        Mark { sandbox: self.world.mark(), audit: self.audit().len() }
    }

    /// What clients asked since then; of the real cluster what podid asked.
    pub fn since(&self, mark: Mark) -> Vec<Line> {
        let mut lines = self.world.since(mark.sandbox);
        lines.extend(self.audit().split_off(mark.audit));
        lines
    }

    pub fn writes_since(&self, mark: Mark) -> Vec<String> {
        let mut writes: Vec<String> = self.since(mark).iter().filter(|l| l.is_write()).map(Line::short).collect();
        writes.sort();
        writes
    }

    /// The audit log's events as lines of the sandbox's log, once no more of them come.
    fn audit(&self) -> Vec<Line> {
        let Some(plane) = &self.plane else { return Vec::new() };
        let read = || fs::read_to_string(plane.dir().join("audit.log")).unwrap();
        let began = Instant::now();
        let mut text = read();
        let mut still = Instant::now();
        // an event is written after its answer was
        while still.elapsed() < Duration::from_millis(150) && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
            let now = read();
            if of_podid(&now) != of_podid(&text) {
                still = Instant::now();
            }
            text = now;
        }
        events(&text)
    }
}

fn of_podid(text: &str) -> usize {
    text.lines().filter(|line| line.contains("\"userAgent\":\"podid/")).count()
}

fn events(text: &str) -> Vec<Line> {
    let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let by_podid = all.filter(|e| e["userAgent"].as_str().is_some_and(|agent| agent.starts_with("podid/")));
    // a watch that goes on has only begun
    let ended = by_podid.filter(|e| e["stage"] == "ResponseComplete" || (e["verb"] == "watch" && e["stage"] == "ResponseStarted"));
    let method = |verb: &str| match verb {
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" | "deletecollection" => "DELETE",
        _ => "GET",
    };
    let line = |(n, event): (usize, Value)| Line {
        n: n as u64,
        host: "control-plane.azmk8s.io".to_owned(),
        method: method(event["verb"].as_str().unwrap()).to_owned(),
        path: event["requestURI"].as_str().unwrap().to_owned(),
        status: event["responseStatus"]["code"].as_u64().unwrap_or(200),
        conn: 0,
        by: "client".to_owned(),
    };
    ended.enumerate().map(line).collect()
}
