//! `podid cluster credentials`: merges the kubeconfig of a managed cluster into the user's, as `az aks get-credentials` does.

mod merge;

use crate::{
    azure::LoginMode,
    cli::{Credentials, Format},
    cluster::is_private_server,
    converge::{answer, render},
    exit::Exit,
    failure::Failure,
    files::{
        self,
        whole::{self, Accept},
    },
    output::prompt,
    session::Session,
};
use merge::Merge;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

pub async fn credentials(session: &Session, wanted: &Credentials) -> Result<Exit, Failure> {
    let id = super::looks::cluster_id(session, &wanted.name, wanted.group.as_deref())?;
    let path = target(session, wanted)?;
    let text = session.azure.cluster_credential(&id, wanted.admin).await.map_err(|e| Failure::from(&e))?;
    let mode = session.azure.login_mode().await.unwrap_or(LoginMode::Az);
    let unreadable = |file: &str| Failure::new(Exit::Failed, format!("could not use {file}: it is not a kubeconfig"));
    let mut new: Value = serde_saphyr::from_str(text.expose_secret()).map_err(|_| unreadable("the credential that Azure returned"))?;
    merge::convert_login(&mut new, mode, &|name| std::env::var(name).ok());
    let context = session.global.context.clone().unwrap_or_else(|| match wanted.admin {
        true => format!("{}-admin", id.name()),
        false => id.name().to_owned(),
    });
    merge::rename_context(&mut new, &context);
    let existing = read(&path)?;
    let mut config: Value = match &existing {
        Some(text) if !text.trim().is_empty() => serde_saphyr::from_str(text).map_err(|_| unreadable(&path.display().to_string()))?,
        _ => json!({}),
    };
    let Merge { conflicts } = merge::merge(&mut config, &new);
    if session.global.dry_run.is_on() {
        answer(session, format!("would merge {context:?} as the current context into {}", path.display()))?;
        return Ok(Exit::Done);
    }
    if !conflicts.is_empty() && !wanted.overwrite {
        overwrite(session, &path, conflicts).await?;
    }
    warn_of_others(session, &path);
    let text = merge::written(&config).ok_or_else(|| Failure::new(Exit::Bug, "the merged kubeconfig cannot be written"))?;
    write(&path, &text)?;
    let is_private = is_private(&new);
    if is_private {
        session.terminal.say(format!(
            "{} is a private cluster: this context works only in its virtual network, or in one that is peered with it and linked to its private DNS zone",
            id.name()
        ));
    }
    let document = json!({ "context": context, "file": path, "cluster": id, "private": is_private });
    match session.global.output {
        Format::Table => answer(session, format!("Merged {context:?} as current context in {}", path.display()))?,
        Format::Json | Format::Yaml => answer(session, render(session, &document))?,
    }
    Ok(Exit::Done)
}

/// Whether a kubeconfig leads to a private cluster.
fn is_private(config: &Value) -> bool {
    let servers = config["clusters"].as_array().into_iter().flatten().filter_map(|one| one.pointer("/cluster/server")?.as_str());
    servers.into_iter().any(is_private_server)
}

/// Asks before entries are replaced; without a terminal the flag has to say so.
async fn overwrite(session: &Session, path: &Path, conflicts: Vec<String>) -> Result<(), Failure> {
    let conflict = format!("{} already has other entries of these names: {}", path.display(), conflicts.join(", "));
    if !session.terminal.can_ask() && !session.global.yes {
        return Err(Failure::new(Exit::Refused, conflict)
            .hint("Replace them with `--overwrite`, choose another name with `--context NAME`, or another file with `--file FILE`."));
    }
    session.terminal.say(conflict);
    let yes = session.global.yes;
    session.ask(move |terminal, stopped| prompt::consent(terminal, "Replace them?", yes, stopped)).await
}

/// The file to write: the flag, then the first one that kubectl would read.
fn target(session: &Session, wanted: &Credentials) -> Result<PathBuf, Failure> {
    if let Some(file) = &wanted.file {
        return Ok(file.clone());
    }
    if session.global.sandbox {
        return Err(Failure::new(Exit::Refused, "no file given for the credentials of a cluster of the sandbox")
            .hint("Give one with `--file FILE`; the sandbox keeps a kubeconfig of its own clusters in its folder."));
    }
    let first = |list: String| std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty());
    let given = session.global.kubeconfig.as_ref().map(|path| path.display().to_string());
    let home = || std::env::var("HOME").or_else(|_| std::env::var("USERPROFILE")).ok().map(|home| Path::new(&home).join(".kube/config"));
    given
        .or_else(|| std::env::var("KUBECONFIG").ok())
        .and_then(first)
        .or_else(home)
        .ok_or_else(|| Failure::new(Exit::Refused, "no kubeconfig given, and there is no home folder").hint("Give one with `--file FILE`."))
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    whole::read_text(path, whole::CONFIG_LIMIT, Accept::Regular).map(Some).map_err(|e| failed(path, &e))
}

fn failed(path: &Path, error: &files::Error) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("could not use the kubeconfig {}: {}", path.display(), error.cause()));
    error.way_out().into_iter().fold(failure, Failure::hint)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    // a link stays a link: the file that it leads to is replaced
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::create_dir_all(folder).map_err(|e| failed(&path, &files::Error::io("create the folder of", folder)(e)))?;
    }
    files::replace(&path, |file| file.write_all(text.as_bytes())).map(drop).map_err(|e| failed(&path, &e))
}

/// The new file is only readable by its owner; whoever could read the old one may have.
fn warn_of_others(session: &Session, path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o077).unwrap_or_default();
        if mode != 0 {
            session
                .terminal
                .complain(format!("warning: {} was readable by other users; from now on it is only by you (mode 0600)", path.display()));
        }
    }
}
