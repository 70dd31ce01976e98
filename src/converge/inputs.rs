//! What has to be known before anything is observed: spec, state, app, subscription, clusters, and the graph that follows from them.

use super::{
    clusters::{self, Clusters},
    goal::Goal,
};
use crate::{
    azure,
    engine::{
        desired::{Desired, Requester},
        ledger::Ledger,
        planner, shape,
    },
    exit::Exit,
    failure::Failure,
    resources::KINDS,
    session::Session,
    spec::{
        expand,
        known::KnownResources,
        load::{self, Loaded},
    },
    state::{State, format::AzureAccount},
};
use std::path::{Path, PathBuf};

/// The app of single commands where neither flag nor spec names one.
pub(crate) const DEFAULT_APP: &str = "default";

/// What a run starts from.
pub struct Inputs {
    pub app: String,
    pub desired: Desired,
    pub ledger: Ledger,
    /// The state with its lock; None where nothing is written.
    pub state: Option<State>,
    pub azure: azure::Read,
    pub spec_path: Option<PathBuf>,
    /// None where the state does not have it and only the cluster is asked.
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
    let goal = &goal.clone().with_place_of_exception(&azure, &clusters, &memory).await?;
    session.know_clusters(&ledger);
    let named = clusters.named.iter().map(|(_, cluster)| cluster);
    // a context that the user names has to exist
    let given = session.global.context.as_deref().or(spec.and_then(|s| s.cluster.as_ref()?.context.as_deref()));
    let known = clusters.own.iter().chain(named).filter(|cluster| given != Some(cluster.context.as_str()));
    known.for_each(|cluster| session.clusters.know(&cluster.context, &cluster.id));
    let workloads = spec.map(|spec| spec.workloads.as_slice()).unwrap_or_default();
    let modes: Vec<_> = workloads.iter().map(|w| (w.namespace.as_str(), w.mode.as_deref())).collect();
    let context = expand::Context {
        app: &app,
        subscription: &subscription,
        group: session.global.resource_group.as_deref(),
        default_group: spec.and_then(|s| s.resource_group.as_deref()),
        location: spec.and_then(|s| s.location.as_deref()),
        cluster: clusters.own.as_ref(),
        other_clusters: &clusters.named,
        memory: &memory,
        bound: &[],
        modes: &modes,
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
        Goal::Prune { .. } => goal.own_graph(context.app).map_err(failed)?,
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
        (Goal::Request { .. } | Goal::Prune { .. }, None) => spec_beside(),
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
        [] => Err(Failure::new(Exit::Refused, "no app given: the state has no app, and there is no spec")
            .hint("Give the spec with `-f FILE` or the state with `--state FILE`, or rebuild the state: `podid state rebuild -f FILE`.")),
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
