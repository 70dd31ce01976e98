//! `podid mount`.

use super::{Command, Error, Global, check, vault::SourceArgs};
use crate::{
    azure::ObjectKind,
    deliveries::{self, Delivery, delivery::Asked},
    modes,
    resources::{
        secret_provider_class::{Object, Synced},
        values::SecretSource,
    },
    spec::{
        mounts, names,
        reference::NameOrId,
        request::{self, Request, Sync},
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
                                             as the file conn.txt, and as a key of the Secret claims-api
  podid mount apply -n shop --name web --vault kv-shop --secret site=site.pem,permission=0400 \\
    --sync web-tls:tls.crt=site.pem --sync web-tls:tls.key=site.pem --sync-type web-tls=kubernetes.io/tls
                                             the certificate `site` with its private key, and as a TLS Secret";

const DELETE: &str = "\
Examples:
  podid mount delete -n dev-claims-podid --name claims-api";

const ADD: &str = "\
Examples:
  podid mount add smtp-password -n dev-claims-podid --name claims-api --vault kv-claims --generate
  podid mount add smtp-password -n dev-claims-podid --name claims-api --vault kv-claims \\
    --alias smtp.txt --sync claims-api:SMTP --file smtp.txt
                                             as the file smtp.txt, and as a key of the Secret claims-api";

const KEEP: &str = "\
Examples:
  podid mount keep -n dev-claims-podid --name claims-api
  podid mount keep -n dev-claims-podid --name claims-api --remove

The CSI driver creates a synced Secret with the first pod that mounts the class, and deletes it with
the last one. Pods that only read the Secret as variables cannot start without it.";

#[derive(Debug, Subcommand)]
pub(super) enum Mount {
    /// Create a SecretProviderClass: the secrets of a vault that pods get as files
    #[command(after_help = APPLY)]
    Apply(Apply),
    /// Set a new secret and add it to a SecretProviderClass that podid created
    #[command(after_help = ADD)]
    Add(Box<Add>),
    /// Keep the synced Secrets of a class alive by a small pod that mounts it
    #[command(after_help = KEEP)]
    Keep(Keep),
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
    /// Name or full id of the pods' managed identity, where several are bound in the namespace
    #[arg(long, value_parser = check::identity_or_id, hide_short_help = true)]
    identity: Option<NameOrId>,
    /// How the pods get the secrets: as files of the CSI driver or of FlexVolume, or by the app itself
    #[arg(long, value_name = "DELIVERY", value_parser = PossibleValuesParser::new(deliveries::all().map(Delivery::name)), hide_short_help = true)]
    delivery: Option<String>,
    /// Name of a secret, and of the file that holds it in the pod; repeatable. Also `,version=V`, `,encoding=utf-8|base64|hex`,
    /// `,format=pem|pfx` and `,permission=MODE` (octal)
    #[arg(long = "secret", value_name = "NAME[=ALIAS]", required_unless_present_any = ["keys", "certificates"], value_parser = secret)]
    secrets: Vec<Object>,
    /// Name of a key, whose public half is mounted; as --secret
    #[arg(long = "key", value_name = "NAME[=ALIAS]", value_parser = key)]
    keys: Vec<Object>,
    /// Name of a certificate, which is mounted without its private key; as --secret
    #[arg(long = "cert", value_name = "NAME[=ALIAS]", value_parser = certificate)]
    certificates: Vec<Object>,
    /// Sync a file into a key of a Kubernetes Secret; repeatable
    #[arg(long, value_name = "K8SSECRET:KEY=ALIAS", value_parser = sync)]
    sync: Vec<Sync>,
    /// Type of a synced Secret, such as kubernetes.io/tls; repeatable. Default: Opaque
    #[arg(long, value_name = "K8SSECRET=TYPE", value_parser = sync_type)]
    sync_type: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Name of the secret
    #[arg(value_name = "SECRET", value_parser = check::secret)]
    secret: String,
    #[command(flatten)]
    which: ClassArgs,
    /// Name of the file that holds it in the pod; default: the name of the secret
    #[arg(long, value_name = "FILE", value_parser = alias)]
    alias: Option<String>,
    /// Sync it into a key of a Kubernetes Secret, too
    #[arg(long, value_name = "K8SSECRET:KEY", value_parser = sync_key)]
    sync: Option<(String, String)>,
    #[command(flatten)]
    from: SourceArgs,
}

#[derive(Debug, Args)]
pub(super) struct Keep {
    /// Namespace of the pods
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: String,
    /// Name of the SecretProviderClass
    #[arg(long, value_parser = check::dns_subdomain)]
    name: String,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
    /// Remove the pod again
    #[arg(long)]
    remove: bool,
}

fn alias(text: &str) -> Result<String, String> {
    names::alias(text).map(|()| text.to_owned())
}

fn sync_key(text: &str) -> Result<(String, String), String> {
    let (secret, key) = text.split_once(':').ok_or("expected K8SSECRET:KEY, such as `claims-api:CONN`")?;
    names::dns_subdomain(secret).map_err(|rule| format!("the Secret's name: {rule}"))?;
    names::secret_key(key)?;
    Ok((secret.to_owned(), key.to_owned()))
}

fn secret(text: &str) -> Result<Object, String> {
    object(ObjectKind::Secret, text)
}

fn key(text: &str) -> Result<Object, String> {
    object(ObjectKind::Key, text)
}

fn certificate(text: &str) -> Result<Object, String> {
    object(ObjectKind::Cert, text)
}

/// `NAME[=ALIAS][,version=V][,encoding=E][,format=F][,permission=MODE]`. A comma that begins none of these belongs to the alias.
fn object(kind: ObjectKind, text: &str) -> Result<Object, String> {
    let mut object = Object { kind, ..Object::default() };
    let mut named = String::new();
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("version", value)) if !named.is_empty() => object.version = Some(value.to_owned()),
            Some(("encoding", value)) if !named.is_empty() => object.encoding = Some(value.to_owned()),
            Some(("format", value)) if !named.is_empty() => object.format = Some(value.to_owned()),
            Some(("permission", value)) if !named.is_empty() => object.permission = Some(value.to_owned()),
            _ if named.is_empty() => named.push_str(part),
            _ => named.extend([",", part]),
        }
    }
    let (name, alias) = named.split_once('=').map_or((named.as_str(), None), |(name, alias)| (name, Some(alias)));
    names::secret(name)?;
    alias.map_or(Ok(()), names::alias)?;
    object.name = name.to_owned();
    object.alias = alias.map(str::to_owned);
    mounts::check_object(0, &object).map_err(|breach| match breach.hint {
        Some(hint) => format!("{}. {hint}", breach.message),
        None => breach.message,
    })?;
    Ok(object)
}

fn sync_type(text: &str) -> Result<(String, String), String> {
    let (secret, of_type) = text.split_once('=').ok_or("expected K8SSECRET=TYPE, such as `web-tls=kubernetes.io/tls`")?;
    names::dns_subdomain(secret).map_err(|rule| format!("the Secret's name: {rule}"))?;
    Ok((secret.to_owned(), of_type.to_owned()))
}

fn sync(text: &str) -> Result<Sync, String> {
    let parts = text.split_once(':').and_then(|(secret, rest)| rest.split_once('=').map(|(key, alias)| (secret, key, alias)));
    let (secret, key, alias) = parts.ok_or("expected K8SSECRET:KEY=ALIAS, such as `claims-api:CONN=sqldbconn`")?;
    names::dns_subdomain(secret).map_err(|rule| format!("the Secret's name: {rule}"))?;
    names::secret_key(key)?;
    names::alias(alias)?;
    Ok(Sync { secret: secret.into(), key: key.into(), alias: alias.into(), of_type: None })
}

impl Mount {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let request = |which: ClassArgs| {
            let ClassArgs { namespace, name, vault, cluster } = which;
            request::Mount { namespace, name, vault, group: global.resource_group.clone(), cluster, ..request::Mount::default() }
        };
        Ok(match self {
            Self::Apply(Apply { which, mode, identity, delivery, mut secrets, keys, certificates, mut sync, sync_type }) => {
                secrets.extend(keys);
                secrets.extend(certificates);
                typed(&mut sync, &sync_type)?;
                agree(&secrets, &sync)?;
                fits(delivery.as_deref(), &secrets, &sync)?;
                let request = Request::Mount(Box::new(request::Mount { mode, identity, delivery, secrets, sync, ..request(which) }));
                Command::Change { request, remove: false }
            }
            Self::Add(add) => {
                let Add { secret, which, alias, sync, from } = *add;
                let ClassArgs { namespace, name, vault, cluster } = which;
                let add = request::MountAdd {
                    namespace,
                    class: name,
                    vault,
                    group: global.resource_group.clone(),
                    object: Object { name: secret, alias, ..Object::default() },
                    // asked only where the secret does not exist yet
                    source: from.given().unwrap_or(SecretSource::Prompt),
                    sync,
                    cluster,
                };
                Command::Change { request: Request::MountAdd(Box::new(add)), remove: false }
            }
            Self::Keep(Keep { namespace, name, cluster, remove }) => {
                Command::Change { request: Request::Keep(request::Keep { namespace, class: name, cluster }), remove }
            }
            Self::Delete(which) => Command::Change { request: Request::Mount(Box::new(request(which))), remove: true },
        })
    }
}

/// Checks that the delivery can do what is asked of it.
fn fits(delivery: Option<&str>, secrets: &[Object], sync: &[Sync]) -> Result<(), Error> {
    let Ok(delivery) = deliveries::named(delivery) else { return Ok(()) };
    let asked = |object: &Object| sync.iter().any(|one| one.alias == object.file());
    let asked: Vec<Asked<'_>> = secrets
        .iter()
        .map(|object| Asked { name: &object.name, alias: object.alias.as_deref(), is_synced: asked(object), is_variable: false })
        .collect();
    delivery.check(&asked).map_err(|wrong| Error::usage(wrong.message, wrong.hint.unwrap_or_default()))
}

/// Sets the types of the Secrets that `--sync` names.
fn typed(sync: &mut [Sync], types: &[(String, String)]) -> Result<(), Error> {
    for (secret, of_type) in types {
        if !sync.iter().any(|one| one.secret == *secret) {
            return Err(Error::usage(
                format!("--sync-type {secret}=... refers to a Secret that no --sync names"),
                "Name its keys with --sync K8SSECRET:KEY=ALIAS.",
            ));
        }
        sync.iter_mut().filter(|one| one.secret == *secret).for_each(|one| one.of_type = Some(of_type.clone()));
    }
    Ok(())
}

/// Checks that no file and no key of a Secret occurs twice, and that every key has a file.
fn agree(secrets: &[Object], sync: &[Sync]) -> Result<(), Error> {
    let mut files = BTreeSet::new();
    for secret in secrets {
        let file = secret.file();
        if !files.insert(file) {
            return Err(Error::usage(
                format!("two secrets would be mounted as the file `{file}`"),
                "Give one of them another alias: --secret NAME=ALIAS.",
            ));
        }
    }
    let mut keys = BTreeSet::new();
    for Sync { secret, key, alias, .. } in sync {
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
    let synced = |one: &Sync| Synced {
        secret: one.secret.clone(),
        key: one.key.clone(),
        file: one.alias.clone(),
        of_type: one.of_type.clone(),
        env: None,
    };
    let synced: Vec<Synced> = sync.iter().map(synced).collect();
    mounts::check_synced(&synced, secrets)
        .map_err(|breach| Error::usage(breach.message, breach.hint.as_deref().unwrap_or("See `podid mount apply --help`.")))
}
