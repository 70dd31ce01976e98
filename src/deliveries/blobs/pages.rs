//! The pages of faults at storage accounts.

use crate::chain::page::Page;

pub static STORAGE: Page = Page::error(
    8020,
    "the storage account does not exist, or cannot be reached",
    "The account of the blobs is not there, is disabled, or its firewall blocks the nodes (\"AuthorizationFailure\").",
)
.causes(&["the name is mistyped", "the account's firewall blocks the nodes", "a private account's name resolves to its public address"])
.podid(&["podid storage show ACCOUNT"])
.native(&["az storage account show -n ACCOUNT", "az storage account network-rule list --account-name ACCOUNT"]);

pub static KEYS: Page = Page::error(
    8023,
    "the storage account does not take account keys",
    "\"KeyBasedAuthenticationNotPermitted\": a policy or the account's own setting allows tokens only. Tools have to use `--auth-mode login`.",
)
.causes(&["`allowSharedKeyAccess` is false"])
.podid(&["podid storage show ACCOUNT"])
.native(&["az storage blob list --account-name ACCOUNT -c CONTAINER --auth-mode login"]);

pub static CONTAINER: Page =
    Page::error(8021, "the container does not exist in the storage account", "The account answered, and has no container of this name.")
        .causes(&["the name is mistyped", "it was deleted"])
        .podid(&["podid storage container create CONTAINER --account ACCOUNT"])
        .native(&["az storage container list --account-name ACCOUNT --auth-mode login"]);

pub static ROLE: Page = Page::error(
    8022,
    "the identity may not use the blobs",
    "\"AuthorizationPermissionMismatch\": blobs open to a token only by a data role. Contributor and Owner of the account are not enough.",
)
.causes(&["Storage Blob Data Contributor or Reader is missing", "a new role takes up to 10 minutes"])
.podid(&["podid role assign 'Storage Blob Data Contributor' --to identity/IDENTITY --scope storage/ACCOUNT/CONTAINER"])
.native(&["az role assignment list --scope ACCOUNT-ID --include-inherited"]);

pub static ALL: &[&Page] = &[&STORAGE, &KEYS, &CONTAINER, &ROLE];
