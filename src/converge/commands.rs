//! How the commands that hints name reach what this command reached: its spec, its state, its world and its clusters.

use crate::{
    chain::commands::{Commands, Reach, Reaches, Spec},
    cli::DEFAULT_SPEC,
    session::Session,
};
use std::path::Path;

/// How commands are written so that they find this spec, this state and this world.
pub fn commands(session: &Session, spec: Option<&Path>) -> Commands {
    let given = |flag: &str| session.command.split(' ').any(|word| word == flag || word.starts_with(&format!("{flag}=")));
    let global = &session.global;
    let mut flags = Vec::new();
    if given("--sandbox") {
        flags.push("--sandbox".to_owned());
    }
    let path = |path: &Path| path.display().to_string();
    let valued =
        |flag: &str, value: Option<String>| value.filter(|_| given(flag)).map(|value| [flag.to_owned(), value]).into_iter().flatten();
    flags.extend(valued("--sandbox-dir", Some(path(&global.sandbox_dir))));
    flags.extend(valued("--state", global.state.as_deref().map(path)));
    flags.extend(valued("--subscription", global.subscription.clone()));
    let kubeconfig = global.kubeconfig.as_deref().map(path).filter(|_| given("--kubeconfig"));
    let mut to_cluster: Vec<String> =
        valued("--context", global.context.clone()).chain(valued("--kubeconfig", kubeconfig.clone())).collect();
    if given("--any-server") {
        to_cluster.push("--any-server".to_owned());
    }
    let default = Path::new(DEFAULT_SPEC);
    let spec = match spec {
        Some(path) if path != default => Some(Spec::Named(path.display().to_string())),
        Some(_) => Some(Spec::Default),
        // with `--app` the spec that lies here may be of another app
        None => (global.app.is_none() && default.exists()).then_some(Spec::Default),
    };
    Commands { flags, to_cluster, spec, kubeconfig }
}

/// How kubectl and helm reach the cluster, if only one was opened so far.
pub async fn only_reach(session: &Session) -> Reach {
    commands(session, None).reach(session.clusters.only_other_context().await.as_deref())
}

/// How kubectl and helm reach the clusters that were opened so far.
pub async fn reaches(session: &Session) -> Reaches {
    commands(session, None).reaches(&session.clusters.other_contexts().await)
}
