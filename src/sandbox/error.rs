//! Errors of the sandbox itself, with what to do. Refusals of its Azure are answers, not errors.

use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the sandbox in {} is in use by process {pid}; wait for it, or give --sandbox another folder with PODID_SANDBOX_DIR", .dir.display())]
    Busy { dir: PathBuf, pid: u32 },
    #[error("a sandbox is already served from {} (process {pid}, {address}); stop it first, or use the running one", .dir.display())]
    AlreadyServing { dir: PathBuf, pid: u32, address: SocketAddr },
    #[error("nothing serves the sandbox in {}; start it with `podid sandbox serve`", .dir.display())]
    NotServing { dir: PathBuf },
    #[error("{} was written by a newer podid (version {found}, this one knows {known}); use that podid, or start over with `podid sandbox reset`", .path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("{} is damaged ({why}); start over with `podid sandbox reset`", .path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("could not {what} {}: {source}", .path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("could not listen on {address}: {source}; give another address with {flag}")]
    Listen { address: SocketAddr, flag: &'static str, source: std::io::Error },
    #[error(
        "could not create the certificates of the sandbox: {0}; remove ca.pem and keys.json from its folder, and the next start creates them again"
    )]
    Certificate(String),
    /// A file or folder that another user may have created.
    #[error(transparent)]
    Files(#[from] podid_files::Error),
    /// A flag names something that cannot be used.
    #[error("{why}; {hint}")]
    Use { why: String, hint: String },
    /// An external cluster returned an error.
    #[error("{why}; {hint}")]
    Cluster { why: String, hint: String },
    #[error("the sandbox in {} did not answer ({why}); stop it and start it again", .dir.display())]
    Unreachable { dir: PathBuf, why: String },
}

impl Error {
    /// `--bare` was given for a folder whose world has the components of a lab.
    pub(super) fn not_bare(dir: &std::path::Path) -> Self {
        Self::Use {
            why: format!("the world in {} is not bare, and --bare does not change a world that exists", dir.display()),
            hint: "start over with `podid sandbox reset --bare`, or leave --bare out".to_owned(),
        }
    }

    pub(super) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
