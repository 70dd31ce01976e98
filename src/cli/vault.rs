//! `podid vault`, its grants and its secrets. No secret's value is ever an argument: every process of the machine can read those.

use super::{Command, Error, Global, ReadCommand, check};
use crate::{
    resources::values::SecretSource,
    spec::{
        model::Model,
        reference::{NameOrId, Principal},
        request::Request,
    },
};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const GRANT: &str = "\
Examples:
  podid vault grant --vault kv-claims --to identity/claims-api-mid
                                             to read secrets, in the way that this vault has
  podid vault grant --vault kv-claims --to identity/claims-api-mid --secrets get,list
                                             by an access policy; refused on a vault with Azure RBAC";

const SET: &str = "\
Examples:
  podid vault secret set sqldbconn --vault kv-claims --file conn.txt
  pass show sqldbconn | podid vault secret set sqldbconn --vault kv-claims --stdin
  podid vault secret set sqldbconn --vault kv-claims --generate=40";

pub(super) const NO_VALUE: &str =
    "Give it by --file FILE, --env VARIABLE, --stdin or --prompt, or let podid make one by --generate=LENGTH.";

#[derive(Debug, Subcommand)]
pub(super) enum Vault {
    /// Create a key vault
    Create(CreateArgs),
    /// Show a vault: its model, and who may read it
    Show(VaultName),
    /// List the vaults of a group or subscription
    List,
    /// Let an identity read a vault's secrets
    #[command(after_help = GRANT)]
    Grant(Grant),
    /// Take that right away again
    Revoke(Grant),
    /// Secrets: set, list, show, delete
    #[command(subcommand)]
    Secret(Secret),
}

#[derive(Debug, Args)]
pub(super) struct VaultName {
    /// Name or full id
    #[arg(short, long, value_parser = check::vault_or_id)]
    name: NameOrId,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    named: VaultName,
    /// Location; default: the resource group's
    #[arg(short, long, value_parser = check::location)]
    location: Option<String>,
    /// How it gives rights; default: rbac
    #[arg(long, value_enum)]
    model: Option<VaultModel>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VaultModel {
    /// By Azure roles
    Rbac,
    /// By access policies
    AccessPolicy,
}

#[derive(Debug, Args)]
pub(super) struct Grant {
    /// Name or full id of the vault
    #[arg(long, value_parser = check::vault_or_id)]
    vault: NameOrId,
    /// Who: `identity/NAME`, an identity's id, `cluster/NAME`, `caller`, an object id, or `user/`, `group/` or `service-principal/` with one
    #[arg(long, value_name = "WHO", value_parser = check::principal)]
    to: Principal,
    /// Permissions of an access policy: get,list; default: what reading needs
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',', value_parser = check::permission)]
    secrets: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(super) struct InVault {
    /// Name or full id of the vault
    #[arg(long, value_parser = check::vault_or_id)]
    vault: NameOrId,
}

#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Set a secret; no new version if the value is the same
    #[command(after_help = SET)]
    Set(Set),
    /// List a vault's secrets
    List(InVault),
    /// Show a secret, without its value unless it is to be revealed
    Show(Show),
    /// Delete a secret that podid made
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
    /// Print the value too
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    which: SecretName,
    #[command(flatten)]
    from: SourceArgs,
    // taken so that it is not printed by a complaint about an unknown argument
    #[arg(long, hide = true, num_args = 0.., allow_hyphen_values = true)]
    value: Option<Vec<std::ffi::OsString>>,
    #[arg(hide = true, id = "more", num_args = 0..)]
    more: Vec<std::ffi::OsString>,
}

/// Where the value comes from; none: asked on the terminal.
#[derive(Debug, Args)]
#[group(id = "source", multiple = false)]
struct SourceArgs {
    /// From a regular file, its bytes as they are; pipes and `-` are for --stdin
    #[arg(long, value_name = "FILE", value_parser = file)]
    file: Option<PathBuf>,
    /// From an environment variable
    #[arg(long, value_name = "VARIABLE", value_parser = check::variable)]
    env: Option<String>,
    /// Made by podid where there is none yet; a value that is there is kept
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, require_equals = true, default_missing_value = "32",
          value_parser = clap::value_parser!(u32).range(8..=4096))]
    generate: Option<u32>,
    /// From standard input
    #[arg(long)]
    stdin: bool,
    /// Asked on the terminal, also where there is a value (the default)
    #[arg(long)]
    prompt: bool,
}

impl SourceArgs {
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
        let grant = |Grant { vault, to, secrets }: Grant, group| Request::Grant { vault, group, to, secrets };
        Ok(match self {
            Self::Create(CreateArgs { named, location, model }) => {
                let model = model.map(|model| match model {
                    VaultModel::Rbac => Model::Rbac,
                    VaultModel::AccessPolicy => Model::AccessPolicy,
                });
                Command::Change { request: Request::Vault { name: named.name, group, location, model }, remove: false }
            }
            Self::Show(named) => Command::Read(ReadCommand::Vault { name: named.name, group }),
            Self::List => Command::Read(ReadCommand::Vaults { group }),
            Self::Grant(args) => Command::Change { request: grant(args, group), remove: false },
            Self::Revoke(args) => Command::Change { request: grant(args, group), remove: true },
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
            // where the value came from does not matter to a removal
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
    Error::usage("a secret's value is never an argument: every process of this machine could read it there", NO_VALUE)
}
