//! Many faults as one failure, and what they make of the exit code.

use super::hints;
use crate::{
    chain::commands::Reaches,
    engine::{desired::Desired, execute::Report, fault::Fault, key::Key, observe::Faults, plan::Act},
    exit::Exit,
    failure::{Failure, explain},
    resources::caller,
};

/// Joins what could not be observed into one failure.
pub(super) fn all_faults(desired: &Desired, faults: &Faults, reaches: &Reaches) -> Failure {
    one_failure(faults.iter().map(|(key, fault)| (key, hints::told(desired, key, fault, reaches))))
}

/// Joins failures into one. A cause that several nodes share (no login, an unreachable cluster) is reported once.
pub(super) fn one_failure<'a>(failures: impl Iterator<Item = (&'a Key, Failure)>) -> Failure {
    let mut told: Vec<(Vec<&Key>, Failure)> = Vec::new();
    for (key, failure) in failures {
        match told.iter_mut().find_map(|(keys, f)| f.takes(&failure).then_some(keys)) {
            Some(keys) => keys.push(key),
            None => told.push((vec![key], failure)),
        }
    }
    let mut told = told.into_iter().map(|(keys, mut failure)| {
        match keys.as_slice() {
            [one] if **one != caller::key() => failure.message = format!("{one}: {}", failure.message),
            [_] | [] => {}
            [first, second] => failure.causes.push(format!("it stops {first} and {second}")),
            [first, second, rest @ ..] => failure.causes.push(format!("it stops {first}, {second} and {} more", rest.len())),
        }
        failure
    });
    let Some(mut first) = told.next() else { return Failure::new(Exit::Bug, "a fault without a cause") };
    for other in told {
        first.kind = first.kind.min(other.kind);
        first.causes.push(other.message);
        first.causes.extend(other.causes);
        first.hints.extend(other.hints.into_iter().filter(|h| !first.hints.contains(h)).collect::<Vec<_>>());
    }
    first
}

/// Returns the exit code of the actions that failed: a refusal only if all of them were refused.
pub(super) fn worst(report: &Report) -> Option<Exit> {
    let refused = |(key, _, fault): &(Key, Act, Fault)| explain(key, fault).kind == Exit::Refused;
    let all = report.failed.iter().all(refused);
    (!report.failed.is_empty()).then_some(if all { Exit::Refused } else { Exit::Failed })
}
