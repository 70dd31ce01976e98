//! A command of another program that podid prints with all its names is run by a case of runs.rs, or is in not-run.txt with the reason.

use super::{
    hints::{OF_ERRORS, OF_LINT, WORKS},
    runs::{Case, Does, with_addon, with_flexvolume, with_policies, with_roles, with_workload_id},
};
use crate::common::printed::{self, is_complete, is_mention, shape};
use std::collections::{BTreeMap, BTreeSet};

const NOT_RUN: &str = include_str!("not-run.txt");

#[test]
fn every_form_of_a_command_is_run_or_has_a_reason_why_not() {
    let cases: Vec<Case> =
        [with_policies(), with_roles(), with_workload_id(), with_addon(), with_flexvolume()].into_iter().flatten().collect();
    let of_cases =
        cases.iter().flat_map(|case| case.does).filter(|(_, does)| !matches!(does, Does::NotRun)).map(|(form, _)| (*form).to_owned());
    let of_hints = OF_LINT.into_iter().chain(OF_ERRORS).map(str::to_owned);
    let run: BTreeSet<String> = of_cases.chain(of_hints).chain(WORKS.map(shape)).collect();
    let not_run: BTreeSet<&str> = NOT_RUN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut printed = BTreeMap::new();
    for program in ["az", "kubectl", "helm"] {
        let all = printed::of(program).into_iter().filter(|one| !is_mention(&one.command));
        printed.extend(all.map(|one| (shape(&one.command), one)));
    }
    let is_known = |form: &&String| run.contains(*form) || not_run.contains(form.as_str());
    let new: Vec<String> = printed
        .iter()
        .filter(|(form, one)| is_complete(&one.command) && !is_known(form))
        .map(|(form, one)| format!("{form}\n    `{}` of {}", one.command, one.at))
        .collect();
    assert!(new.is_empty(), "neither run by a case of printed/runs.rs nor in printed/not-run.txt:\n{}", new.join("\n"));
    let old: Vec<&&str> = not_run.iter().filter(|form| !printed.contains_key(**form) || run.contains(**form)).collect();
    assert!(old.is_empty(), "printed/not-run.txt has what is not printed any more, or is run: {old:#?}");
}
