//! `podid vault`, its grants and its secrets. A secret's value is never an argument, because every process of the machine can read
//! arguments.

use super::{
    Command, Error, Global, ReadCommand, check,
    error::NO_VALUE,
    migrate_vault::{MIGRATE, MigrateVault},
};
use crate::{
    resources::{
        values::SecretSource,
        vault::{SKUS, VaultOptions},
    },
    spec::{
        reference::{NameOrId, Principal},
        request::{Permissions, Request, Rotate},
        vault_model::Model,
    },
};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const GRANT: &str = "\
Examples:
  podid vault grant --vault kv-claims --to identity/claims-api-mid
                                             to read secrets, by the permission model of the vault
  podid vault grant --vault kv-claims --to identity/claims-api-mid --secrets get,list
                                             by an access policy; refused for a vault with Azure RBAC
  podid vault grant --vault kv-claims --to identity/claims-api-mid --secrets get --certificates get
                                             to read secrets and certificates, by either model";

const CREATE: &str = "\
Examples:
  podid vault create -g podid-lab -n kv-claims
  podid vault create -g podid-lab -n kv-claims --model access-policy
  podid vault create -g podid-lab -n kv-claims --sku premium --retention 7 --purge-protection";

const SHOW: &str = "\
Examples:
  podid vault show -n kv-claims";

const REVOKE: &str = "\
Examples:
  podid vault revoke --vault kv-claims --to identity/claims-api-mid";

const LIST_SECRETS: &str = "\
Examples:
  podid vault secret list --vault kv-claims";

const SHOW_SECRET: &str = "\
Examples:
  podid vault secret show sqldbconn --vault kv-claims";

const DELETE_SECRET: &str = "\
Examples:
  podid vault secret delete sqldbconn --vault kv-claims --delete-data kv-claims/sqldbconn";

const SET: &str = "\
Examples:
  podid vault secret set sqldbconn --vault kv-claims --file conn.txt
  pass show sqldbconn | podid vault secret set sqldbconn --vault kv-claims --stdin
  podid vault secret set sqldbconn --vault kv-claims --generate=40";

const ROTATE: &str = "\
Examples:
  podid vault secret rotate sqldbconn --vault kv-claims
                                             a value as the spec says, or a generated one
  podid vault secret rotate sqldbconn --vault kv-claims --file new.txt --restart --disable-old

Pods see a new version only if the CSI driver rotates; variables keep the old value until the pod
restarts. --restart restarts what would keep it otherwise.";

#[derive(Debug, Subcommand)]
pub(super) enum Vault {
    /// Create a key vault
    #[command(after_help = CREATE)]
    Create(CreateArgs),
    /// Show a vault, its permission model, and who can read it
    #[command(after_help = SHOW)]
    Show(VaultName),
    /// List the vaults of a resource group or subscription
    List,
    /// Allow an identity to read the secrets of a vault
    #[command(after_help = GRANT)]
    Grant(Grant),
    /// Remove that permission
    #[command(after_help = REVOKE)]
    Revoke(Grant),
    /// Change a vault from access policies to Azure RBAC: roles first, then the switch
    #[command(after_help = MIGRATE)]
    MigrateToRbac(MigrateVault),
    /// Set, list, show and delete secrets
    #[command(subcommand)]
    Secret(Secret),
}

#[derive(Debug, Args)]
pub(super) struct VaultName {
    /// Name or full id of the vault
    #[arg(short, long, value_parser = check::vault_or_id)]
    name: NameOrId,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    named: VaultName,
    /// Azure region; default: that of the resource group
    #[arg(short, long, value_parser = check::location)]
    location: Option<String>,
    /// Permission model; default: rbac
    #[arg(long, value_enum)]
    model: Option<VaultModel>,
    /// Pricing tier; premium keeps keys in hardware. Default: standard
    #[arg(long, value_name = "SKU", value_parser = clap::builder::PossibleValuesParser::new(SKUS.iter().copied()))]
    sku: Option<String>,
    /// Days for which deleted objects are kept; can only be set on creation. Default: 90
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u8).range(7..=90))]
    retention: Option<u8>,
    /// Let nobody purge deleted objects before that; can never be turned off
    #[arg(long)]
    purge_protection: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VaultModel {
    /// Azure role assignments
    Rbac,
    /// Access policies
    AccessPolicy,
}

#[derive(Debug, Args)]
pub(super) struct Grant {
    /// Name or full id of the vault
    #[arg(long, value_parser = check::vault_or_id)]
    vault: NameOrId,
    /// Principal: `identity/NAME`, an identity's id, `cluster/NAME`, `caller`, an object id, `user/` with an object id or user principal name, `group/` with an object id or display name, or `service-principal/` with an object id
    #[arg(long, value_name = "WHO", value_parser = check::principal)]
    to: Principal,
    /// Permissions on secrets, such as get,list; default, also without --keys and --certificates: those that reading needs
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',', value_parser = check::permission)]
    secrets: Option<Vec<String>>,
    /// Permissions on keys; with Azure RBAC only `get`, as the role Key Vault Crypto User
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',', value_parser = check::key_permission)]
    keys: Option<Vec<String>>,
    /// Permissions on certificates; with Azure RBAC only `get`, as the role Key Vault Certificate User
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',', value_parser = check::certificate_permission)]
    certificates: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(super) struct InVault {
    /// Name or full id of the vault
    #[arg(long, value_parser = check::vault_or_id)]
    vault: NameOrId,
}

#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Set a secret; the same value makes no new version
    #[command(after_help = SET)]
    Set(Set),
    /// Set a new version of a secret and wait until every pod that mounts it has it
    #[command(after_help = ROTATE)]
    Rotate(RotateArgs),
    /// List the secrets of a vault
    #[command(after_help = LIST_SECRETS)]
    List(InVault),
    /// Show a secret, without its value unless --reveal is given
    #[command(after_help = SHOW_SECRET)]
    Show(Show),
    /// Delete a secret that podid created
    #[command(after_help = DELETE_SECRET)]
    Delete(SecretName),
}

#[derive(Debug, Args)]
pub(super) struct SecretName {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = check::secret)]
    secret: String,
    #[command(flatten)]
    place: InVault,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    which: SecretName,
    /// Print the value, too
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    which: SecretName,
    #[command(flatten)]
    from: SourceArgs,
    // taken here, so that an error about an unknown argument does not print it
    #[arg(long, hide = true, num_args = 0.., allow_hyphen_values = true)]
    value: Option<Vec<std::ffi::OsString>>,
    #[arg(hide = true, id = "more", num_args = 0..)]
    more: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    set: Set,
    /// Restart the workloads that would keep the old value
    #[arg(long)]
    restart: bool,
    /// Disable the old version at the end
    #[arg(long)]
    disable_old: bool,
}

/// The source of the value. Without one, podid asks on the terminal.
#[derive(Debug, Args)]
#[group(id = "source", multiple = false)]
pub(super) struct SourceArgs {
    /// Read the value from a regular file, byte by byte; use --stdin for pipes
    #[arg(long, value_name = "FILE", value_parser = file)]
    file: Option<PathBuf>,
    /// Read the value from an environment variable
    #[arg(long, value_name = "VARIABLE", value_parser = check::variable)]
    env: Option<String>,
    /// Generate a value if the secret does not exist; an existing value is kept
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, require_equals = true, default_missing_value = "32",
          value_parser = clap::value_parser!(u32).range(8..=4096))]
    generate: Option<u32>,
    /// Read the value from stdin
    #[arg(long)]
    stdin: bool,
    /// Ask for the value on the terminal, even if one exists (the default)
    #[arg(long)]
    prompt: bool,
}

impl SourceArgs {
    /// None: no flag names one.
    pub(super) fn given(self) -> Option<SecretSource> {
        let Self { file, env, generate, stdin, prompt } = &self;
        let is_given = file.is_some() || env.is_some() || generate.is_some() || *stdin || *prompt;
        is_given.then(|| self.source())
    }

    fn source(self) -> SecretSource {
        match self {
            Self { file: Some(file), .. } => SecretSource::File(file),
            Self { env: Some(variable), .. } => SecretSource::Env(variable),
            Self { generate: Some(length), .. } => SecretSource::Generate(length),
            Self { stdin: true, .. } => SecretSource::Stdin,
            _ => SecretSource::Ask,
        }
    }
}

impl Vault {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let group = global.resource_group.clone();
        let grant = |Grant { vault, to, secrets, keys, certificates }: Grant, group| Request::Grant {
            vault,
            group,
            to,
            permissions: Permissions { secrets, keys, certificates },
        };
        Ok(match self {
            Self::Create(CreateArgs { named, location, model, sku, retention, purge_protection }) => {
                let options = VaultOptions { sku, retention_days: retention, purge_protection: purge_protection.then_some(true) };
                let model = model.map(|model| match model {
                    VaultModel::Rbac => Model::Rbac,
                    VaultModel::AccessPolicy => Model::AccessPolicy,
                });
                Command::Change { request: Request::Vault { name: named.name, group, location, model, options }, remove: false }
            }
            Self::Show(named) => Command::Read(ReadCommand::Vault { name: named.name, group }),
            Self::List => Command::Read(ReadCommand::Vaults { group }),
            Self::Grant(args) => Command::Change { request: grant(args, group), remove: false },
            Self::Revoke(args) => Command::Change { request: grant(args, group), remove: true },
            Self::MigrateToRbac(migrate) => Command::MigrateVault(migrate),
            Self::Secret(secret) => secret.command(group)?,
        })
    }
}

impl Secret {
    fn command(self, group: Option<String>) -> Result<Command, Error> {
        let request = |SecretName { secret, place }: SecretName, source| Request::Secret {
            vault: place.vault,
            group: group.clone(),
            name: secret,
            source,
        };
        Ok(match self {
            Self::Set(Set { value: Some(_), .. }) => return Err(value_given()),
            Self::Set(Set { more, .. }) if !more.is_empty() => return Err(value_given()),
            Self::Set(Set { which, from, .. }) => Command::Change { request: request(which, Some(from.source())), remove: false },
            Self::Rotate(RotateArgs { set: Set { value: Some(_), .. }, .. }) => return Err(value_given()),
            Self::Rotate(RotateArgs { set: Set { more, .. }, .. }) if !more.is_empty() => return Err(value_given()),
            Self::Rotate(RotateArgs { set: Set { which, from, .. }, restart, disable_old }) => Command::Rotate(Rotate {
                vault: which.place.vault,
                group,
                name: which.secret,
                source: from.given(),
                replaces: String::new(),
                restart,
                disable_old,
            }),
            // the source of the value does not matter for a deletion
            Self::Delete(which) => Command::Change { request: request(which, None), remove: true },
            Self::List(InVault { vault }) => Command::Read(ReadCommand::Secrets { vault, group }),
            Self::Show(Show { which, reveal }) => {
                Command::Read(ReadCommand::Secret { vault: which.place.vault, group, name: which.secret, reveal })
            }
        })
    }
}

fn file(text: &str) -> Result<PathBuf, String> {
    if text == "-" { Err("not a file; `--stdin` reads the value from standard input".into()) } else { Ok(text.into()) }
}

fn value_given() -> Error {
    Error::usage("do not pass a secret's value as an argument: every process of this machine can read it", NO_VALUE)
}
