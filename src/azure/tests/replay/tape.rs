//! Responds to requests from a recording: each key has a queue, whose last response is repeated. Requests without a response are recorded.
//! The proxy before it serves the production host names, so that `Location` and `nextLink` lead here unchanged.

use super::record::{Record, key};
use crate::azure::tests::fake::{Reply, Seen, error, pass};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Mutex,
};

pub struct Tape {
    pub records: Vec<Record>,
    hurried: bool,
    state: Mutex<State>,
}

struct State {
    queues: HashMap<String, VecDeque<usize>>,
    /// The records that were served or skipped, as indices of `records`.
    taken: BTreeSet<usize>,
    turn: Turn,
}

/// The records that one call of the client used.
#[derive(Default)]
pub struct Turn {
    /// Indices of `records`, in order.
    pub served: Vec<usize>,
    pub unmatched: Vec<String>,
}

impl Tape {
    /// Makes a tape. With `hurried`, `Retry-After` is 0.
    pub fn new(records: Vec<Record>, hurried: bool) -> Self {
        let mut queues: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            queues.entry(record.key()).or_default().push_back(at);
        }
        Self { records, hurried, state: Mutex::new(State { queues, taken: BTreeSet::new(), turn: Turn::default() }) }
    }

    pub fn hosts(&self) -> Vec<String> {
        let hosts: BTreeSet<&String> = self.records.iter().map(|record| &record.host).collect();
        hosts.into_iter().cloned().collect()
    }

    pub fn reply(&self, seen: &Seen) -> Reply {
        if seen.host == "login.microsoftonline.com" {
            return pass();
        }
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let key = key(&seen.method, &seen.host, path, query);
        let mut state = self.state.lock().unwrap();
        let State { queues, taken, turn } = &mut *state;
        let Some(queue) = queues.get_mut(&key) else {
            turn.unmatched.push(key);
            return error(501, "NotRecorded", "the recording has no answer to this");
        };
        // a request with a token gets no challenge
        while seen.authorized
            && queue.len() > 1
            && let Some(at) = queue.pop_front_if(|at| self.records[*at].is_challenge())
        {
            taken.insert(at);
        }
        let at = queue[0];
        if queue.len() > 1 {
            queue.pop_front();
        }
        taken.insert(at);
        turn.served.push(at);
        self.records[at].reply(self.hurried)
    }

    pub fn is_taken(&self, at: usize) -> bool {
        self.state.lock().unwrap().taken.contains(&at)
    }

    pub fn turn(&self) -> Turn {
        std::mem::take(&mut self.state.lock().unwrap().turn)
    }
}
