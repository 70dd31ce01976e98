//! Replays recorded responses of the real Azure to podid's own client, call by call, and checks the value, the waits and the error.
//! PODID_RECORDINGS is the folder of the recordings: `sequences/*.jsonl` are whole recordings, played in their order; `examples.jsonl` has
//! single responses. Rules (`values`, `refusals`, `waits`) determine the expected results, so that other recordings can be played, too;
//! `stories` has the exact results of known recordings.

mod calls;
mod documents;
mod examples;
mod record;
mod refusals;
mod sequences;
mod stories;
mod tape;
mod values;
mod waits;

use super::fake::{Fake, listener};
use crate::azure::{Azure, Error, Result};
use record::Record;
use refusals::{Means, means};
use serde_json::Value;
use std::sync::Arc;
use tape::{Tape, Turn};

/// The result of one call.
struct Played {
    /// A short description, without anything specific to the recording.
    story: String,
    /// One line for each deviation.
    wrong: Vec<String>,
}

async fn azure_of(tape: &Arc<Tape>) -> Fake {
    let answers = tape.clone();
    Fake::of(&tape.hosts(), move |seen, _| answers.reply(seen)).await
}

/// Makes the call that belongs to the record at `at`, and checks the result with the rules.
async fn play(azure: &Azure, tape: &Tape, at: usize, patient: bool) -> Played {
    let asked = &tape.records[at];
    let (on_wait, said) = listener();
    let got = calls::send(azure, asked, patient, on_wait).await;
    let Turn { served, unmatched } = tape.turn();
    let answers: Vec<&Record> = served.iter().map(|at| &tape.records[*at]).collect();
    let mut wrong: Vec<String> = unmatched.iter().map(|key| format!("asked for what is not recorded: {key}")).collect();
    if served.iter().find(|at| !tape.records[**at].is_challenge() || served.len() == 1) != Some(&at) {
        wrong.push(format!("was answered by the records {served:?}"));
    }
    let Some((last, before)) = answers.split_last() else { return Played { story: format!("{}: not sent", asked.op), wrong } };
    let mut sentences = Vec::new();
    for answer in before {
        match waits::sentence(asked, answer, patient) {
            Some(sentence) => sentences.push(sentence),
            None if waits::leads_on(asked, answer, patient) => {}
            None => wrong.push(format!("went on after {} {}", answer.status, answer.code())),
        }
    }
    let waits = sentences.len();
    if matches!(got, Err(Error::NotYet { .. })) {
        // the last response was one to wait after, too
        sentences.extend(waits::sentence(asked, last, patient));
    }
    sentences.dedup();
    // sentences that are repeated with the elapsed time do not count
    let said: Vec<String> = said.lock().unwrap().iter().filter(|sentence| !sentence.contains(" s, up to ")).cloned().collect();
    if said != sentences {
        wrong.push(format!("said {said:?} and not {sentences:?}"));
    }
    wrong.extend(misread(asked, &answers, &got, patient));
    let challenged = if before.iter().any(|answer| answer.is_challenge()) { "challenged, then " } else { "" };
    let waited = if waits > 0 { format!("waited {waits} ×, then ") } else { String::new() };
    Played { story: format!("{}: {challenged}{waited}{}", asked.op, told(asked, &got)), wrong }
}

/// Returns how the result of the call differs from its last response, or from all pages.
fn misread(asked: &Record, answers: &[&Record], got: &Result<Value>, patient: bool) -> Option<String> {
    let last = answers.last()?;
    // a refused recovery keeps its error, whatever the client read after it
    let refusal = answers.iter().rev().find(|answer| answer.op == asked.op).filter(|answer| !answer.is_success());
    let recovered = last.op == "secret.GET" && last.is_success();
    match (refusal.filter(|_| !recovered), got) {
        (Some(refusal), got) => match (means(refusal, patient), got) {
            (Means::Absent, Ok(found)) if *found == values::absent(asked) => None,
            (Means::Absent, _) => Some(format!("an absent thing was expected, and it was {got:?}")),
            (means, Err(error)) => refusals::differs(error, means, refusal),
            (means, Ok(found)) => Some(format!("{means:?} was expected, and it was {found}")),
        },
        (None, Ok(found)) => {
            let expected = values::of(asked, answers);
            (*found != expected).then(|| format!("{expected} was expected, and it was {found}"))
        }
        (None, Err(error)) => {
            let still_on_its_way = waits::sentence(asked, last, patient).is_some() && matches!(error, Error::NotYet { .. });
            (!still_on_its_way).then(|| format!("an answer was expected, and it was {error:?}"))
        }
    }
}

fn told(asked: &Record, got: &Result<Value>) -> String {
    match got {
        Ok(Value::Array(all)) => format!("{} of a list", all.len()),
        Ok(Value::Null) if values::gives_nothing(&asked.op) => "done".to_owned(),
        Ok(Value::Null) => "absent".to_owned(),
        Ok(_) => "found".to_owned(),
        Err(Error::Forbidden { code, action, .. }) => format!("{code} {}", action.as_deref().unwrap_or("unnamed")),
        Err(Error::Conflict { code, .. } | Error::Refused { code, .. } | Error::NotFound { code, .. }) => code.clone(),
        Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    }
}
