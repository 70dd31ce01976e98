//! The rules of `spec::names` as value parsers.

use crate::{
    deliveries::blobs::Place,
    spec::{
        names::{self, Checked},
        reference::{self, FederatedSubject, NameOrId, Principal, Scope},
    },
};
use std::time::Duration;

fn checked(rule: fn(&str) -> Checked, text: &str) -> Result<String, String> {
    rule(text).map(|()| text.to_owned())
}

macro_rules! parsers {
    ($($name:ident),* $(,)?) => {
        $(pub(super) fn $name(text: &str) -> Result<String, String> {
            checked(names::$name, text)
        })*
    };
}

parsers!(
    container,
    dns_label,
    dns_subdomain,
    federated_credential,
    group_or_id,
    guid,
    image,
    key,
    location,
    resource_group,
    role,
    secret,
    storage_sku,
    variable,
);

macro_rules! references {
    ($($name:ident),* $(,)?) => {
        $(pub(super) fn $name(text: &str) -> Result<NameOrId, String> {
            names::$name(text).map(|()| NameOrId::new(text))
        })*
    };
}

references!(cluster_or_id, identity_or_id, storage_account_or_id, vault_or_id);

/// A container of a storage account as ACCOUNT/CONTAINER, also as a scope writes it: storage/ACCOUNT/CONTAINER.
pub(super) fn blob_place(text: &str) -> Result<Place, String> {
    let (account, container) = text.strip_prefix("storage/").unwrap_or(text).split_once('/').ok_or("it is not ACCOUNT/CONTAINER")?;
    names::storage_account(account)?;
    names::container(container)?;
    Ok(Place { account: account.to_owned(), container: container.to_owned() })
}

pub(super) fn principal(text: &str) -> Result<Principal, String> {
    text.parse()
}

pub(super) fn scope(text: &str) -> Result<Scope, String> {
    text.parse()
}

pub(super) fn federated_subject(text: &str) -> Result<FederatedSubject, String> {
    text.parse()
}

pub(super) fn issuer(text: &str) -> Result<String, String> {
    checked(reference::issuer, text)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    names::duration(text)
}

/// Accepts any casing, as az does.
pub(super) fn permission(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    checked(names::permission, &text)
}

pub(super) fn key_permission(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    checked(names::key_permission, &text)
}

pub(super) fn certificate_permission(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    checked(names::certificate_permission, &text)
}

pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("the value is empty".into()) } else { Ok(text.to_owned()) }
}
