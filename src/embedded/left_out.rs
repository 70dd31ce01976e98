//! Replaces the sandbox in a podid that was built without it.

use super::definitions::definitions;
use crate::{
    cli::{Global, Invocation, SandboxCommand},
    exit::Exit,
    failure::Failure,
    output::{Terminal, Text},
};
use std::path::PathBuf;

/// A sandbox that cannot exist.
pub enum Sandbox {}

/// How a client reaches the sandbox, with which credentials.
pub struct Access {
    pub proxy: String,
    pub ca: PathBuf,
    pub tenant: String,
    pub client_id: String,
    pub client_secret: String,
    pub subscription: String,
    pub kubeconfig: PathBuf,
}

fn missing() -> Failure {
    Failure::new(Exit::Usage, "this podid was built without the sandbox")
        .hint("Install it with its default features: `cargo install podid`.")
}

impl Sandbox {
    #[expect(clippy::unused_async, reason = "as where there is a sandbox")]
    pub async fn open(_: &Global) -> Result<Self, Failure> {
        Err(missing())
    }

    pub fn access(&self) -> &Access {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "as where there is a sandbox")]
    pub async fn close(self) {
        match self {}
    }
}

/// Runs `sandbox crds`, which needs no sandbox; every other command fails.
pub async fn command(_: &Invocation, command: &SandboxCommand, terminal: &Terminal) -> Result<Exit, Failure> {
    match command {
        SandboxCommand::Crds => {
            terminal.answer(Text::of_lines(&definitions()?)).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
            Ok(Exit::Done)
        }
        _ => Err(missing()),
    }
}
