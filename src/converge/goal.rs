//! What a command wants, and what has to be known before anything is looked at: spec, state, app, subscription, cluster.

use super::{
    DEFAULT_APP,
    clusters::{self, Clusters},
    saved::{self, Basis, Saved},
};
use crate::{
    azure,
    engine::{
        desired::{Desired, Intent, Requester},
        key::Key,
        ledger::Ledger,
        plan::{Act, Plan},
        planner,
        resource::Kind as _,
        shape,
    },
    exit::Exit,
    failure::Failure,
    output::prompt,
    resources::{KINDS, identity::Identity, values::SecretSource, vault::Vault},
    session::Session,
    spec::{
        expand,
        known::KnownResources,
        load::{self, Loaded},
        reference::NameOrId,
        request::Request,
    },
    state::{State, format::AzureAccount},
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
        let kept: Vec<_> = plan.actions.iter().filter(absent).filter(|a| a.act == Act::Keep).collect();
        if matches!(request, Request::Bind(_)) || plan.has_changes() || kept.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(Exit::Refused, "nothing was removed");
        let because = kept.iter().filter_map(|a| a.why.as_ref().map(|why| format!("{}: {why}", a.key)));
        Err(because.fold(failure, Failure::because).hint("Remove what needs it first, or name the app that made it with `--app`."))
    }

    /// The data that the command names for deletion: `podid vault secret delete` needs no further consent.
    pub fn data_to_delete(&self, desired: &Desired) -> BTreeSet<Key> {
        let named = matches!(self, Self::Request { remove: true, request: Request::Secret { .. } });
        let absent = desired.nodes.values().filter(|n| named && n.intent == Intent::Absent);
        absent.map(|n| n.key.clone()).collect()
    }

    fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Up { file, .. } | Self::Plan { file, .. } | Self::Down { file } | Self::Rebuild { file } => file.as_ref(),
            Self::Request { .. } | Self::Status => None,
        }
    }

    /// What is left out and could be one of several is asked of a terminal; without one it is refused with the candidates.
    async fn disambiguated(mut self, session: &Session, memory: &KnownResources) -> Result<Self, Failure> {
        let (word, flag, field) = match &mut self {
            Self::Request { request: Request::Bind(bind), .. } => (Identity::KIND, "--identity NAME", &mut bind.identity),
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
            _ => None,
        }
    }

    fn writes(&self) -> bool {
        !matches!(self, Self::Plan { .. } | Self::Status)
    }
}

/// Everything that a pass starts from.
pub struct Inputs {
    pub app: String,
    pub desired: Desired,
    pub ledger: Ledger,
    /// With its lock; None where nothing is written.
    pub state: Option<State>,
    pub azure: azure::Read,
    pub spec_path: Option<PathBuf>,
    /// None: it is not known to the state, and only the cluster was asked.
    pub world: Option<AzureAccount>,
}

pub async fn inputs(session: &Session, goal: &Goal) -> Result<Inputs, Failure> {
    let loaded = load_spec(goal)?;
    let spec_path = loaded.as_ref().map(|l| l.path.clone());
    let spec = loaded.as_ref().map(|l| &l.spec);
    let state = if goal.writes() && !session.global.dry_run.is_on() {
        Some(match goal {
            Goal::Rebuild { .. } => {
                let path = session.state_path(spec_path.as_deref());
                State::renew(&path, session.global.lock_timeout, &session.command)?
            }
            _ => session.open_state(spec_path.as_deref())?,
        })
    } else {
        None
    };
    let (world, ledger) = match &state {
        Some(state) => (state.world(), state.ledger()),
        None => State::peek(&session.state_path(spec_path.as_deref()))?,
    };
    shape::check(&ledger, KINDS).map_err(|fault| Failure::from(&fault))?;
    let app = app_of(session, goal, spec.map(|s| s.metadata.name.as_str()), &ledger)?;
    let subscription = session.subscription(spec.and_then(|s| s.subscription.as_deref()), world.as_ref())?;
    let azure = session.azure.read();
    let kubernetes_only = session.global.only == Some(crate::cli::Only::Kubernetes) && world.is_some();
    let world = if kubernetes_only {
        world
    } else {
        let now = session.world(&azure, &subscription).await?;
        match &state {
            Some(state) => state.settle_account(now.clone())?,
            None => same_world(session, world, now.clone(), spec_path.as_deref())?,
        }
        Some(now)
    };
    let mut memory = KnownResources::new(&ledger, &app);
    if let Some(spec) = spec {
        memory.add_spec(spec, &subscription);
    }
    let goal = &goal.clone().disambiguated(session, &memory).await?;
    let known = clusters::Known { session, spec, azure: &azure, resources: &memory, subscription: &subscription };
    let clusters = Clusters::find(&known, goal).await?;
    let context = expand::Context {
        app: &app,
        subscription: &subscription,
        group: session.global.resource_group.as_deref(),
        default_group: spec.and_then(|s| s.resource_group.as_deref()),
        location: spec.and_then(|s| s.location.as_deref()),
        cluster: clusters.own.as_ref(),
        other_clusters: &clusters.named,
        memory: &memory,
    };
    let desired = desired_of(goal, spec, &context, &ledger)?;
    Ok(Inputs { app, desired, ledger, state, azure, spec_path, world })
}

fn desired_of(
    goal: &Goal,
    spec: Option<&crate::spec::model::Spec>,
    context: &expand::Context<'_>,
    ledger: &Ledger,
) -> Result<Desired, Failure> {
    let failed = |fault| Failure::from(&fault);
    // a single command stands beside the spec and does not do what the spec says
    let from_spec = || spec.map(|s| expand::spec(s, context)).transpose().map_err(failed);
    Ok(match goal {
        Goal::Request { request, remove } => expand::request(request, *remove, context).map_err(failed)?,
        Goal::Down { .. } => planner::all_absent(context.app, ledger, from_spec()?, KINDS).map_err(failed)?,
        Goal::Up { .. } | Goal::Plan { .. } => {
            let mut desired = from_spec()?.unwrap_or_else(|| Desired::new(context.app, Requester::Spec));
            planner::prune(&mut desired, ledger);
            desired
        }
        Goal::Status => planner::remembered(context.app, ledger),
        Goal::Rebuild { .. } => from_spec()?.unwrap_or_else(|| Desired::new(context.app, Requester::Spec)),
    })
}

fn load_spec(goal: &Goal) -> Result<Option<Loaded>, Failure> {
    let default = Path::new(crate::cli::DEFAULT_SPEC);
    match (goal, goal.file()) {
        (Goal::Status, _) => Ok(None),
        (_, Some(file)) => Ok(Some(load::load(file)?)),
        (Goal::Request { .. }, None) => spec_beside(),
        // these know from flags and state what there is; a spec that lies there is heard first
        (Goal::Down { .. } | Goal::Rebuild { .. }, None) => {
            default.exists().then(|| load::load(default)).transpose().map_err(Failure::from)
        }
        (_, None) => Ok(Some(load::load(default)?)),
    }
}

/// The spec in the working directory, from which a single command takes its app, resource group, location and cluster.
pub(crate) fn spec_beside() -> Result<Option<Loaded>, Failure> {
    let default = Path::new(crate::cli::DEFAULT_SPEC);
    let loaded = default.exists().then(|| load::load_beside(default)).transpose();
    loaded.map_err(|error| {
        Failure::from(error).hint(format!(
            "Single commands read {} in the working directory for the app, resource group and cluster: correct it, or run the command in another folder.",
            crate::cli::DEFAULT_SPEC
        ))
    })
}

/// `--app`, then the spec's name; single commands have `default`; `down` takes the only app there is.
fn app_of(session: &Session, goal: &Goal, spec: Option<&str>, ledger: &Ledger) -> Result<String, Failure> {
    if let Some(app) = session.global.app.as_deref().or(spec) {
        return Ok(app.to_owned());
    }
    match goal {
        Goal::Down { .. } | Goal::Status => only_app(ledger),
        _ => Ok(DEFAULT_APP.to_owned()),
    }
}

pub fn only_app(ledger: &Ledger) -> Result<String, Failure> {
    match ledger.apps().as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Failure::new(Exit::Refused, "the state holds no app, and no spec was given")
            .hint("Name the spec with `-f FILE`, the state with `--state FILE`, or rebuild it: `podid state rebuild -f FILE`.")),
        several => Err(Failure::new(Exit::Refused, format!("the state holds more than one app: {}", several.join(", ")))
            .hint("Name one with `--app APP`, or the spec with `-f FILE`.")),
    }
}

fn same_world(session: &Session, file: Option<AzureAccount>, now: AzureAccount, spec: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) if !file.is(&now) => {
            let path = session.state_path(spec);
            Err(crate::state::Error::OtherAccount { path, file: Box::new(file), wanted: Box::new(now) }.into())
        }
        _ => Ok(()),
    }
}
