//! The storage accounts of a spec, and what workloads use of them.

use super::super::{
    complaint::{Complaint, Verdict, maybe, named, wrong},
    model::{StorageSpec, StorageUse},
    names,
    suggest::nearest,
};
use std::collections::BTreeSet;

pub(super) fn check(all: &[StorageSpec]) -> Verdict {
    references(all)?;
    for (at, account) in all.iter().enumerate() {
        let path = format!("storage[{at}]");
        if all[..at].iter().any(|other| names::same(&other.name, &account.name)) {
            let message = format!("the storage account `{}` is already in the spec", names::name_in(&account.name));
            return Err(wrong(format!("{path}.name"), message));
        }
        maybe(&format!("{path}.location"), names::location, account.location.as_ref())?;
        maybe(&format!("{path}.sku"), names::storage_sku, account.sku.as_ref())?;
        let mut once = BTreeSet::new();
        for (at, container) in account.containers.iter().enumerate() {
            let path = format!("{path}.containers[{at}]");
            named(&path, names::container, &container.name)?;
            if !once.insert(&container.name) {
                return Err(wrong(path, format!("the container `{}` is already in this storage account", container.name)));
            }
        }
    }
    Ok(())
}

/// Only where the accounts are.
pub(super) fn references(all: &[StorageSpec]) -> Verdict {
    for (at, account) in all.iter().enumerate() {
        named(&format!("storage[{at}].name"), names::storage_account_or_id, &account.name)?;
        maybe(&format!("storage[{at}].resourceGroup"), names::group_or_id, account.resource_group.as_ref())?;
    }
    Ok(())
}

/// `path`: of the workload.
pub(super) fn uses(path: &str, uses: &[StorageUse], all: &[StorageSpec]) -> Verdict {
    for (at, used) in uses.iter().enumerate() {
        let path = format!("{path}.storage[{at}]");
        let accounts = || all.iter().map(|account| names::name_in(&account.name));
        let Some(account) = all.iter().find(|account| names::same(&account.name, &used.account)) else {
            let message = format!("the spec has no storage account `{}`", used.account);
            let complaint = wrong(format!("{path}.account"), message);
            return Err(match all {
                [] => complaint.hint("Add `storage: [{name: NAME, containers: [CONTAINER]}]`."),
                _ => suggest(complaint, "storage accounts", &used.account, accounts()),
            });
        };
        let containers = || account.containers.iter().map(|container| container.name.as_str());
        if !containers().any(|name| name == used.container) {
            let message =
                format!("the storage account `{}` has no container `{}` in the spec", names::name_in(&account.name), used.container);
            let complaint = wrong(format!("{path}.container"), message);
            return Err(match containers().next() {
                None => complaint.hint(format!("Add `containers: [{}]` to the storage account.", used.container)),
                Some(_) => suggest(complaint, "containers", &used.container, containers()),
            });
        }
        let twice = |other: &StorageUse| names::same(&other.account, &used.account) && other.container == used.container;
        if uses[..at].iter().any(twice) {
            return Err(wrong(format!("{path}.container"), "this workload already uses the container; `access: write` includes reading"));
        }
    }
    Ok(())
}

fn suggest<'a>(complaint: Complaint, what: &str, typed: &str, known: impl Iterator<Item = &'a str> + Clone) -> Complaint {
    let meant = nearest(typed, known.clone()).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
    complaint.hint(format!("{meant}The {what} are: {}.", known.collect::<Vec<_>>().join(", ")))
}
