//! Plays whole recordings, in their order.

use super::{
    Played, azure_of, calls, play,
    record::{Record, folder, read, say},
    stories,
    tape::Tape,
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Recordings of which podid sends nothing yet: the name of the file, and the reason.
const NOT_PLAYED: &[(&str, &str)] = &[
    ("feature-registration", "podid registers no preview feature"),
    ("provider-registration", "podid registers no resource provider, and tells how"),
];

#[tokio::test]
async fn each_call_interprets_recorded_responses_as_azure_means_them() {
    let Some(folder) = folder("sequences") else { return };
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    assert!(!files.is_empty(), "{} holds no recording", folder.display());
    let (mut wrong, mut calls) = (Vec::new(), 0);
    for file in &files {
        let (made, differences) = of_file(file).await;
        calls += made;
        wrong.extend(differences);
    }
    say(&format!("replay: {calls} calls of podid's client in {} recordings", files.len()));
    assert!(wrong.is_empty(), "{} things differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns how many calls were made, and what differs.
async fn of_file(file: &Path) -> (usize, Vec<String>) {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let tape = Arc::new(Tape::new(read(file), true));
    let fake = azure_of(&tape).await;
    let azure = fake.azure();
    let (mut wrong, mut stories): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut unsent: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (at, record) in tape.records.iter().enumerate() {
        if let Some(reason) = calls::unsent(record) {
            *unsent.entry(reason).or_default().entry(&record.op).or_default() += 1;
        } else if !tape.is_taken(at) && !record.is_challenge() {
            let Played { story, wrong: differences } = play(&azure, &tape, at, is_granted_later(&tape.records, at)).await;
            wrong.extend(differences.into_iter().map(|one| format!("{name}, record {}, {}: {one}", record.seq, record.op)));
            stories.push(story);
        }
    }
    let calls = stories.len();
    let reason = NOT_PLAYED.iter().find(|(listed, _)| *listed == name).map(|(_, reason)| *reason);
    match (calls, reason) {
        (0, None) => wrong.push(format!("{name}: podid sends nothing of it, and it stands in no line of NOT_PLAYED")),
        (0, Some(reason)) => say(&format!("replay: {name}: not played: {reason}")),
        (_, Some(_)) => wrong.push(format!("{name}: is played, so it does not belong in NOT_PLAYED")),
        (_, None) => {
            let kinds = |ops: &BTreeMap<&str, usize>| ops.iter().map(|(op, n)| format!("{n} {op}")).collect::<Vec<_>>().join(", ");
            let unsent: Vec<String> = unsent.iter().map(|(reason, ops)| format!("{} ({reason})", kinds(ops))).collect();
            let rest = if unsent.is_empty() { String::new() } else { format!("; not sent: {}", unsent.join("; ")) };
            say(&format!("replay: {name}: {calls} calls of {} records{rest}", tape.records.len()));
        }
    }
    let source = tape.records.first().map(|record| record.src.as_str()).unwrap_or_default();
    if calls > 0 {
        wrong.extend(stories::differs(&name, source, &stories));
    }
    (calls, wrong)
}

/// Returns whether a missing permission is granted later in the recording for the same request, so that the client must wait for it.
fn is_granted_later(records: &[Record], at: usize) -> bool {
    let same = |record: &&Record| record.key() == records[at].key();
    records[at].status == 403 && records[at..].iter().filter(same).any(Record::is_success)
}
