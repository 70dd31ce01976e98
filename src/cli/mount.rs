//! `podid mount`.

use super::{Command, Error, Global, check};
use crate::{
    modes,
    spec::{
        names,
        reference::NameOrId,
        request::{self, Mounted, Request, Sync},
        suggest::nearest,
    },
};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use std::collections::BTreeSet;

const APPLY: &str = "\
Examples:
  podid mount apply -n dev-claims-podid --name claims-api --vault kv-claims --secret sqldbconn
  podid mount apply -n dev-claims-podid --name claims-api --vault kv-claims \\
    --secret sqldbconn=conn.txt --sync claims-api:CONN=conn.txt
                                             as the file conn.txt, and as a key of the Secret claims-api";

const DELETE: &str = "\
Examples:
  podid mount delete -n dev-claims-podid --name claims-api";

#[derive(Debug, Subcommand)]
pub(super) enum Mount {
    /// Create a SecretProviderClass: the secrets of a vault that pods get as files
    #[command(after_help = APPLY)]
    Apply(Apply),
    /// Delete a SecretProviderClass that podid created
    #[command(after_help = DELETE)]
    Delete(ClassArgs),
}

#[derive(Debug, Args)]
pub(super) struct ClassArgs {
    /// Namespace of the pods
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: String,
    /// Name of the SecretProviderClass
    #[arg(long, value_parser = check::dns_subdomain)]
    name: String,
    /// Name or full id of the vault; default: the only one in spec and state
    #[arg(long, value_parser = check::vault_or_id)]
    vault: Option<NameOrId>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    which: ClassArgs,
    /// How the pods get their identity; default: as those bound in the namespace, or else pod-identity
    #[arg(long, value_name = "MODE", value_parser = PossibleValuesParser::new(modes::names()), hide_short_help = true)]
    mode: Option<String>,
    /// Name of a secret, and of the file that holds it in the pod; repeatable
    #[arg(long = "secret", value_name = "NAME[=ALIAS]", required = true, value_parser = mounted)]
    secrets: Vec<Mounted>,
    /// Sync a file into a key of a Kubernetes Secret; repeatable
    #[arg(long, value_name = "K8SSECRET:KEY=ALIAS", value_parser = sync)]
    sync: Vec<Sync>,
}

fn mounted(text: &str) -> Result<Mounted, String> {
    let (name, alias) = text.split_once('=').map_or((text, None), |(name, alias)| (name, Some(alias)));
    names::secret(name)?;
    alias.map_or(Ok(()), names::alias)?;
    Ok(Mounted { name: name.into(), alias: alias.map(str::to_owned) })
}

fn sync(text: &str) -> Result<Sync, String> {
    let parts = text.split_once(':').and_then(|(secret, rest)| rest.split_once('=').map(|(key, alias)| (secret, key, alias)));
    let (secret, key, alias) = parts.ok_or("expected K8SSECRET:KEY=ALIAS, such as `claims-api:CONN=sqldbconn`")?;
    names::dns_subdomain(secret).map_err(|rule| format!("the Secret's name: {rule}"))?;
    names::secret_key(key)?;
    names::alias(alias)?;
    Ok(Sync { secret: secret.into(), key: key.into(), alias: alias.into() })
}

impl Mount {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let request = |which: ClassArgs| {
            let ClassArgs { namespace, name, vault, cluster } = which;
            request::Mount { namespace, name, vault, group: global.resource_group.clone(), cluster, ..request::Mount::default() }
        };
        Ok(match self {
            Self::Apply(Apply { which, mode, secrets, sync }) => {
                agree(&secrets, &sync)?;
                let request = Request::Mount(request::Mount { mode, secrets, sync, ..request(which) });
                Command::Change { request, remove: false }
            }
            Self::Delete(which) => Command::Change { request: Request::Mount(request(which)), remove: true },
        })
    }
}

/// Checks that no file and no key of a Secret occurs twice, and that every key has a file.
fn agree(secrets: &[Mounted], sync: &[Sync]) -> Result<(), Error> {
    let mut files = BTreeSet::new();
    for secret in secrets {
        let file = secret.alias.as_deref().unwrap_or(&secret.name);
        if !files.insert(file) {
            return Err(Error::usage(
                format!("two secrets would be mounted as the file `{file}`"),
                "Give one of them another alias: --secret NAME=ALIAS.",
            ));
        }
    }
    let mut keys = BTreeSet::new();
    for Sync { secret, key, alias } in sync {
        if !files.contains(alias.as_str()) {
            let meant = nearest(alias, files.iter().copied()).map(|near| format!("Did you mean `{near}`? "));
            let known: Vec<&str> = files.iter().copied().collect();
            let hint = format!("{}The files are: {}.", meant.unwrap_or_default(), known.join(", "));
            // the part after `=` may be a value that somebody meant to set
            return Err(Error::usage(format!("--sync {secret}:{key}=... refers to a file that no --secret mounts"), hint));
        }
        if !keys.insert((secret, key)) {
            return Err(Error::usage(format!("key `{key}` of the Secret `{secret}` is synced twice"), "Give one of them another key."));
        }
    }
    Ok(())
}
