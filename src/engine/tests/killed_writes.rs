//! Kills a run at every write of its state, on real files: before a line of the journal, in the middle of it, after it, and while the
//! journal is merged into the state file. The next run must have the same result as an unbroken one.

use super::{
    kills::everything,
    lab::{Graph, Lab},
    toy::{Land, Moment},
};
use crate::{
    engine::ledger::{LedgerChange, LedgerStore},
    state::State,
};
use futures::future::BoxFuture;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What a killed run leaves: the state file, the files next to it, and the world.
#[derive(Clone)]
struct FormerPlace {
    files: BTreeMap<String, Vec<u8>>,
    world: Moment,
    when: &'static str,
}

/// Saves to a real state, and records files and world around each write.
struct Witness {
    state: Arc<dyn LedgerStore>,
    path: PathBuf,
    land: Arc<Land>,
    left: Arc<Mutex<Vec<FormerPlace>>>,
}

const STATE: &str = "podid.state.json";
const JOURNAL: &str = "podid.state.json.journal";

fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(Result::unwrap);
    let read = entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()));
    read.filter(|(name, _)| !name.ends_with(".lock")).collect()
}

fn world(land: &Land) -> Moment {
    let ground = land.ground();
    Moment { ledger: Default::default(), things: ground.things.clone(), made: ground.made.clone() }
}

/// Opens the state and waits for its lock, which a process that another test starts may inherit for a moment.
fn state(path: &Path) -> State {
    State::open(path, Duration::from_secs(20), "podid up").unwrap()
}

impl LedgerStore for Witness {
    fn record(&self, changes: Vec<LedgerChange>) -> BoxFuture<'static, Result<(), String>> {
        let (path, world, left) = (self.path.clone(), world(&self.land), Arc::clone(&self.left));
        let before = files(&path);
        let saving = self.state.record(changes);
        Box::pin(async move {
            saving.await?;
            let after = files(&path);
            let add = |files: BTreeMap<String, Vec<u8>>, when| left.lock().unwrap().push(FormerPlace { files, world: world.clone(), when });
            add(before.clone(), "before a line");
            let begin = before.get(JOURNAL).map_or(0, Vec::len);
            for part in 1..4 {
                let mut torn = after.clone();
                let journal = torn.get_mut(JOURNAL).unwrap();
                journal.truncate(begin + (journal.len() - begin) * part / 4);
                add(torn, "in the middle of a line");
            }
            add(after, "after a line");
            Ok(())
        })
    }

    fn finish(&self) -> BoxFuture<'static, Result<(), String>> {
        let (path, world, left) = (self.path.clone(), world(&self.land), Arc::clone(&self.left));
        let before = files(&path);
        let finishing = self.state.finish();
        Box::pin(async move {
            finishing.await?;
            let after = files(&path);
            let add = |files, when| left.lock().unwrap().push(FormerPlace { files, world: world.clone(), when });
            add(before.clone(), "before the journal goes into the file");
            let mut both = after.clone();
            both.extend(before.get(JOURNAL).map(|journal| (JOURNAL.to_owned(), journal.clone())));
            add(both, "before the journal is removed");
            let mut staged = before.clone();
            staged.insert(format!(".{STATE}.abc.tmp"), after.get(STATE).cloned().unwrap_or_default());
            add(staged, "before the new file is in its place");
            add(after, "at the end");
            Ok(())
        })
    }
}

fn lab(path: &Path, world: &Moment) -> Lab {
    let mut lab = Lab { parallelism: 1, ..Lab::after(&Moment { ledger: state(path).ledger(), ..world.clone() }) };
    lab.land.ground().strict = true;
    lab.consent.delete_data.insert("kv".into());
    lab
}

fn witnessed(path: &Path, world: &Moment) -> (Lab, Arc<Mutex<Vec<FormerPlace>>>) {
    let left = Arc::default();
    let mut lab = lab(path, world);
    let state = state(path).ledger_store();
    lab.ledger_store = Some(Arc::new(Witness { state, path: path.to_owned(), land: Arc::clone(&lab.land), left: Arc::clone(&left) }));
    (lab, left)
}

/// Runs `run` in a world, and again from every situation in which it may leave the world when it is killed.
async fn killed(begin: &FormerPlace, wanted: impl Fn(&Lab) -> Graph, at_least: usize) -> FormerPlace {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join(STATE);
    begin.files.iter().for_each(|(name, bytes)| fs::write(room.path().join(name), bytes).unwrap());
    let (mut whole, left) = witnessed(&path, &begin.world);
    let graph = wanted(&whole);
    let (_, report) = whole.run(&graph).await;
    assert!(report.failed.is_empty() && report.unsaved.is_none(), "{report:?}");
    let left = std::mem::take(&mut *left.lock().unwrap());
    assert!(left.len() >= at_least, "{} places only", left.len());
    for at in &left {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join(STATE);
        at.files.iter().for_each(|(name, bytes)| fs::write(room.path().join(name), bytes).unwrap());
        let mut again = lab(&path, &at.world);
        again.ledger_store = Some(state(&path).ledger_store());
        let graph = wanted(&again);
        let (_, report) = again.run(&graph).await;
        assert!(report.failed.is_empty() && report.unsaved.is_none(), "{}: {report:?}", at.when);
        assert_eq!(again.things(), whole.things(), "killed {}", at.when);
        assert_eq!(again.ledger, whole.ledger, "killed {}", at.when);
        again.ledger_store = None;
        assert_eq!(state(&path).ledger(), whole.ledger, "killed {}: the files", at.when);
    }
    FormerPlace { files: files(&path), world: world(&whole.land), when: "" }
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_write_of_its_state_is_finished_by_the_next() {
    let nothing = Moment { ledger: Default::default(), things: BTreeMap::new(), made: BTreeMap::new() };
    let empty = FormerPlace { files: BTreeMap::new(), world: nothing, when: "" };
    let made = killed(&empty, |_| everything("red", "a"), 60).await;
    let changed = killed(&made, |_| everything("blue", "b"), 40).await;
    let removed = killed(&changed, Lab::nothing, 60).await;
    assert!(removed.world.things.is_empty());
}
