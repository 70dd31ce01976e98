//! What a command wants. Everything else about a run follows from it.

use super::saved::{self, Basis, Saved};
use crate::{
    azure::RoleAssignment,
    engine::{
        desired::{Desired, Intent, Requester},
        fault::Fault,
        key::Key,
        plan::{Act, Plan},
        resource::Kind as _,
    },
    exit::Exit,
    failure::Failure,
    output::prompt,
    resources::{
        Cloud,
        identity::Identity,
        orphan::{self, Orphan},
        values::SecretSource,
        vault::Vault,
    },
    session::Session,
    spec::{known::KnownResources, reference::NameOrId, request::Request},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug)]
pub enum Goal {
    Up {
        file: Option<PathBuf>,
        verify: bool,
        saved: Option<Box<Saved>>,
    },
    Plan {
        file: Option<PathBuf>,
        out: Option<PathBuf>,
        exit_code: bool,
    },
    Down {
        file: Option<PathBuf>,
    },
    Request {
        request: Request,
        remove: bool,
    },
    /// Removes role assignments whose principal no longer exists (`role prune`).
    Prune {
        orphans: Vec<RoleAssignment>,
    },
    /// Looks at what the state knows, without a spec.
    Status,
    /// Looks at everything of the app as if nothing were remembered (`state rebuild`).
    Rebuild {
        file: Option<PathBuf>,
    },
}

impl Goal {
    pub fn up(file: Option<PathBuf>, plan: Option<&Path>, verify: bool) -> Result<Self, Failure> {
        let saved = plan.map(saved::read).transpose()?.map(Box::new);
        if let (None, Some(saved), Some(path)) = (&file, &saved, plan)
            && !Path::new(crate::cli::DEFAULT_SPEC).exists()
        {
            let failure = Failure::new(Exit::Usage, format!("no spec was given, and there is no {}", crate::cli::DEFAULT_SPEC));
            return Err(saved.spec_hint(path).into_iter().fold(failure, Failure::hint));
        }
        Ok(Self::Up { file, verify, saved })
    }

    pub fn check_saved(&self, now: &Plan, basis: &Basis<'_>) -> Result<(), Failure> {
        match self {
            Self::Up { saved: Some(saved), .. } => saved.check(now, basis),
            _ => Ok(()),
        }
    }

    /// A removal by name that would remove nothing because something needs the thing is a refusal, not a success.
    pub fn check_removal(&self, plan: &Plan) -> Result<(), Failure> {
        let Self::Request { remove: true, request } = self else { return Ok(()) };
        let absent = |a: &&crate::engine::plan::Action| a.work.node.as_ref().is_some_and(|n| n.intent == Intent::Absent);
        let refused = |a: &&crate::engine::plan::Action| plan.refused.iter().any(|refused| refused.key == a.key);
        let kept: Vec<_> = plan.actions.iter().filter(absent).filter(|a| a.act == Act::Keep && !refused(a)).collect();
        if matches!(request, Request::Bind(_)) || plan.has_changes() || kept.is_empty() {
            return Ok(());
        }
        let keys: Vec<&str> = kept.iter().map(|a| a.key.as_str()).collect();
        let failure = Failure::new(Exit::Refused, format!("could not remove {}", keys.join(", ")));
        let because = kept.iter().filter_map(|a| a.why.as_ref().map(|why| format!("{}: {why}", a.key)));
        Err(because
            .fold(failure, Failure::because)
            .hint("Remove the resources that need it first, or give the app that created it: `--app APP`."))
    }

    /// The data that the command names for deletion: `podid vault secret delete` and `podid storage container delete` need no further
    /// consent.
    pub fn data_to_delete(&self, desired: &Desired) -> BTreeSet<Key> {
        let named = matches!(self, Self::Request { remove: true, request: Request::Secret { .. } | Request::Container { .. } });
        let absent = desired.nodes.values().filter(|n| named && n.intent == Intent::Absent);
        absent.map(|n| n.key.clone()).collect()
    }

    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Up { file, .. } | Self::Plan { file, .. } | Self::Down { file } | Self::Rebuild { file } => file.as_ref(),
            Self::Request { .. } | Self::Prune { .. } | Self::Status => None,
        }
    }

    /// What a goal without a spec and without a request wants.
    pub(super) fn own_graph(&self, app: &str) -> Result<Desired, Fault> {
        let mut desired = Desired::new(app, Requester::Command);
        if let Self::Prune { orphans } = self {
            for found in orphans {
                let orphan = Orphan { id: found.id.clone(), scope: found.scope.clone() };
                desired.add::<Cloud, _>(orphan::key(found), &orphan, Intent::Absent)?;
            }
        }
        Ok(desired)
    }

    /// What is left out and could be one of several is asked of a terminal; without one it is refused with the candidates.
    pub(super) async fn disambiguated(mut self, session: &Session, memory: &KnownResources) -> Result<Self, Failure> {
        let (word, flag, field) = match &mut self {
            Self::Request { request: Request::Bind(bind), .. } => (Identity::KIND, "--identity NAME", &mut bind.identity),
            Self::Request { request: Request::Federate(wanted), .. } => (Identity::KIND, "NAME", &mut wanted.identity),
            Self::Request { request: Request::Mount(mount), .. } => (Vault::KIND, "--vault NAME", &mut mount.vault),
            _ => return Ok(self),
        };
        let candidates = memory.candidates(word);
        if field.is_none() && candidates.len() > 1 {
            let names: Vec<String> =
                candidates.iter().map(|id| format!("{} ({})", id.name(), id.group_name().unwrap_or_default())).collect();
            let at = session.ask(move |terminal, _| prompt::select(terminal, word, &names, flag)).await?;
            *field = candidates.get(at).cloned().map(NameOrId::Id);
        }
        Ok(self)
    }

    /// Whether what is wanted is made by this very run, so that the values of secrets are needed; the others only look at what there is.
    pub fn makes(&self) -> bool {
        matches!(self, Self::Up { .. } | Self::Request { remove: false, .. })
    }

    /// The secret that a single command sets.
    pub fn sets(&self) -> Option<&SecretSource> {
        match self {
            Self::Request { request: Request::Secret { source, .. }, remove: false } => source.as_ref(),
            Self::Request { request: Request::Rotate(rotate), remove: false } => rotate.source.as_ref(),
            Self::Request { request: Request::MountAdd(add), remove: false } => Some(&add.source),
            _ => None,
        }
    }

    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Plan { .. } | Self::Status)
    }
}
