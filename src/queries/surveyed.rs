//! Reads the survey that `inventory`, `who-can`, `why`, `import` and `graph` stand on. Neither a spec nor a state is needed; what Azure does
//! not show is left out.

use crate::{
    access::{self, AzureRight, Question, Reader},
    azure::{self, ArmId, PrincipalKind, Vault},
    chain::texts::field,
    cluster,
    converge::{self, DEFAULT_APP},
    engine::ledger::Ledger,
    exit::Exit,
    failure::Failure,
    inventory::{self, Workload, questions},
    session::Session,
    spec::{known::KnownResources, reference::NameOrId, suggest::nearest},
    state::State,
    survey::{Gap, Scope, Survey, kinds::NAMESPACE},
};
use std::collections::BTreeSet;

/// How many identities are asked for their federated credentials where all workloads are looked at, and how many vaults for their secrets.
/// Each is a request of its own, and a survey should not grow with the number of identities.
const MOST_IDENTITIES: usize = 5;
const MOST_VAULTS: usize = 2;

/// What of a cluster was asked for.
pub struct Wanted<'a> {
    pub cluster: Option<&'a NameOrId>,
    /// None: all namespaces.
    pub namespace: Option<&'a str>,
    /// Which of the identities and vaults that workloads use are asked for their credentials and secrets.
    pub ask: Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Those that most pods use.
    Few,
    All,
    /// None: the caller asks for those that it needs.
    Later,
}

pub struct Surveyed {
    pub survey: Survey,
    /// None: of all namespaces.
    namespace: Option<String>,
    pub workloads: Vec<Workload>,
    /// The managed cluster's name; of one that Azure does not know, the context.
    pub cluster: String,
    pub cluster_id: Option<ArmId>,
    pub context: String,
    pub subscription: Option<String>,
    pub azure: azure::Read,
}

impl Surveyed {
    /// Asks for the federated credentials of these identities, and reads the workloads again with them.
    pub async fn ask_credentials(&mut self, identities: &[ArmId]) {
        self.survey.azure.read_credentials(&self.azure, identities).await;
        self.workloads = inventory::workloads(&self.survey, self.namespace.as_deref());
    }

    /// Asks for the secrets of these vaults, for the names of those that may read one of them, and for the members of groups among these.
    pub async fn ask_readers(&mut self, vaults: &[Vault], secret: &str) {
        self.ask_names(vaults, secret).await;
        let azure = &self.survey.azure;
        let mut groups = BTreeSet::new();
        for vault in vaults {
            // an access policy does not say whether its principal is a group
            let is_group = |reader: &Reader| match (reader.kind.as_deref(), azure.names.get(&reader.principal_id.to_ascii_lowercase())) {
                (Some(kind), _) => kind == "Group",
                (None, known) => known.is_some_and(|one| one.kind == PrincipalKind::Group),
            };
            let readers = access::readers(&self.survey, vault, Some(secret)).into_iter().filter(is_group);
            groups.extend(readers.map(|reader| reader.principal_id));
            if vault.rbac {
                groups.extend(access::denied_groups(azure, AzureRight::ReadSecrets, &vault.id).map(str::to_owned));
            }
        }
        self.survey.azure.read_members(&self.azure, &groups).await;
    }

    /// Asks for the secrets of these vaults, and for the names of those that may read one of them.
    pub async fn ask_names(&mut self, vaults: &[Vault], secret: &str) {
        let is_known = |id: &str| self.survey.azure.identities.iter().any(|one| one.principal_id.eq_ignore_ascii_case(id));
        let readers = vaults.iter().flat_map(|vault| access::readers(&self.survey, vault, Some(secret)));
        let principals: BTreeSet<String> = readers.map(|reader| reader.principal_id).filter(|id| !is_known(id)).collect();
        self.survey.azure.read_secrets(&self.azure, vaults).await;
        if !principals.is_empty() {
            self.survey.azure.read_names(&self.azure, &principals).await;
        }
    }

    /// Asks for the groups of those identities that may read by a group alone.
    pub async fn ask_groups(&mut self, questions: &BTreeSet<Question>) {
        access::ask_readers(&mut self.survey, &self.azure, questions).await;
    }

    /// Asks for the groups by which the cluster's principals may hand out identities, and by which identities may read what pods mount.
    pub async fn ask_rights(&mut self) {
        rights(&mut self.survey, &self.azure, &self.workloads).await;
    }
}

async fn rights(survey: &mut Survey, azure: &azure::Read, workloads: &[Workload]) {
    let operators = inventory::operator_questions(workloads, survey);
    access::ask_holders(survey, azure, &operators).await;
    let questions = questions::of_mounts(workloads.iter(), survey);
    access::ask_readers(survey, azure, &questions).await;
}

/// Reads the survey, then the federated credentials and secrets that workloads use.
pub async fn surveyed(session: &Session, wanted: &Wanted<'_>) -> Result<Surveyed, Failure> {
    session.unless_interrupted(read(session, wanted)).await?
}

async fn read(session: &Session, wanted: &Wanted<'_>) -> Result<Surveyed, Failure> {
    let place = place(session, wanted.cluster).await?;
    let cluster = session.clusters.open(place.context.as_deref()).await.map_err(|error| Failure::from(&error))?;
    let context = cluster.context().to_owned();
    let reader: cluster::Read = cluster.read();
    let azure = session.azure.read();
    let subscription = place.subscription.as_deref().map(ArmId::subscription);
    let mut survey = match &subscription {
        Some(subscription) => {
            let scope = Scope { subscription, cluster: place.id.as_ref(), namespace: wanted.namespace };
            Survey::read(&reader, &azure, &scope).await
        }
        None => Survey::of_cluster(&reader, wanted.namespace).await,
    };
    survey.azure.not_asked.extend(place.gaps);
    let name = place.id.as_ref().map_or_else(|| context.clone(), |id| id.name().to_owned());
    is_there(&survey, wanted.namespace, &name)?;
    let workloads = inventory::workloads(&survey, wanted.namespace);
    let workloads = if complete(&mut survey, &azure, &workloads, wanted.ask).await {
        inventory::workloads(&survey, wanted.namespace)
    } else {
        workloads
    };
    let namespace = wanted.namespace.map(str::to_owned);
    Ok(Surveyed { survey, namespace, workloads, cluster: name, cluster_id: place.id, context, subscription: place.subscription, azure })
}

/// Fails for a namespace that does not exist, which is more likely a typing error than an empty one. Who may not list namespaces is not asked
/// to prove it.
fn is_there(survey: &Survey, namespace: Option<&str>, cluster: &str) -> Result<(), Failure> {
    let all = survey.cluster.of_kind(&NAMESPACE);
    let Some(wanted) = namespace.filter(|_| all.is_whole() && all.iter().next().is_some()) else { return Ok(()) };
    let names: Vec<&str> = all.iter().map(|one| field(one, "/metadata/name")).collect();
    if names.contains(&wanted) {
        return Ok(());
    }
    let near = nearest(wanted, names).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
    let hint = format!("{near}`kubectl get namespaces` lists those of the cluster.");
    Err(Failure::new(Exit::Refused, format!("there is no namespace {wanted} in the cluster {cluster}")).hint(hint))
}

/// Asks for what only some identities and vaults need. Returns whether the workloads may read otherwise now.
async fn complete(survey: &mut Survey, azure: &azure::Read, workloads: &[Workload], ask: Ask) -> bool {
    if ask == Ask::Later {
        return false;
    }
    let all = ask == Ask::All;
    let mut identities = inventory::federated(workloads, survey);
    let mut vaults = inventory::used_vaults(workloads, survey);
    let mut left_out = |what: &str, whose: &str, found: usize, most: usize| {
        if !all && found > most {
            let what = format!("{what} of {} of the {found} {whose} that workloads use", found - most);
            let why =
                format!("each is a request of its own, and at most {most} are sent: name a namespace with -n, or ask for all with --all");
            survey.azure.not_asked.push(Gap { what, why });
        }
    };
    left_out("federated credentials", "identities", identities.len(), MOST_IDENTITIES);
    left_out("secrets", "vaults", vaults.len(), MOST_VAULTS);
    if !all {
        identities.truncate(MOST_IDENTITIES);
        vaults.truncate(MOST_VAULTS);
    }
    survey.azure.read_credentials(azure, &identities).await;
    survey.azure.read_secrets(azure, &vaults).await;
    rights(survey, azure, workloads).await;
    !identities.is_empty()
}

struct Place {
    id: Option<ArmId>,
    /// None: the kubeconfig's current one.
    context: Option<String>,
    subscription: Option<String>,
    gaps: Vec<Gap>,
}

/// Finds the cluster as other commands do. One that Azure does not show is read all the same, unless it was named.
async fn place(session: &Session, named: Option<&NameOrId>) -> Result<Place, Failure> {
    let (account, ledger) = State::peek(&session.state_path(None))?;
    let spec = converge::spec_beside()?.map(|loaded| loaded.spec);
    let subscription = session.subscription(spec.as_ref().and_then(|spec| spec.subscription.as_deref()), account.as_ref());
    let found = converge::cluster_of(session, named).await;
    let failure = match (found, &subscription) {
        (Ok(found), Ok(subscription)) => {
            let subscription = Some(subscription.clone());
            return Ok(Place { id: Some(found.id), context: Some(found.context), subscription, gaps: Vec::new() });
        }
        (Err(failure), _) => failure,
        (Ok(_), Err(failure)) => failure.clone(),
    };
    if named.is_some() || is_ambiguous(session, &ledger) {
        return Err(failure);
    }
    if matches!(failure.kind, Exit::Usage | Exit::State) {
        return Err(failure);
    }
    let gap = Gap { what: "the managed cluster".to_owned(), why: failure.message };
    Ok(Place { id: None, context: session.global.context.clone(), subscription: subscription.ok(), gaps: vec![gap] })
}

/// Whether the state knows several clusters, of which none was chosen.
fn is_ambiguous(session: &Session, ledger: &Ledger) -> bool {
    let app = session.global.app.as_deref().unwrap_or(DEFAULT_APP);
    session.global.context.is_none() && KnownResources::new(ledger, app).clusters().len() > 1
}
