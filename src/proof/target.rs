//! What is to be proved: what an app's deliveries bring to its pods, each with the identity that these pods are bound to, as the state
//! knows them.

use crate::{
    chain::{
        commands::Commands,
        facts::{Bound, Delivered, PodPatch},
        link::{Link, LinkName, Meaning, Symptom},
        view::View,
    },
    cluster::Read,
    deliveries::{self, Delivery},
    engine::{fault::Fault, ledger::Ledger},
    modes::{self, Mode},
};

pub struct Target {
    pub bound: Bound,
    pub delivered: Delivered,
    pub mode: &'static dyn Mode,
    pub delivery: &'static dyn Delivery,
    /// The whole chain, each link after those that it rests on.
    pub links: Vec<Link>,
    /// The container of a storage account that is proved instead of secrets.
    pub(super) storage: Option<String>,
}

impl Target {
    fn new(bound: Bound, delivered: Delivered) -> Result<Self, Fault> {
        let delivery = deliveries::of(&delivered)?;
        Self::by(delivery, bound, delivered)
    }

    pub fn by(delivery: &'static dyn Delivery, bound: Bound, delivered: Delivered) -> Result<Self, Fault> {
        let mode = modes::of(&bound)?;
        let mut links = mode.chain(&bound);
        links.extend(delivery.chain(&delivered, &bound));
        Ok(Self { bound, delivered, mode, delivery, links, storage: None })
    }

    /// `shop/web`
    pub fn shown(&self) -> String {
        format!("{}/{}", self.delivered.namespace, self.delivered.name)
    }

    /// What links are checked with, where neither Azure nor a pod is looked at.
    pub fn view<'v>(&'v self, cluster: &'v Read, commands: &'v Commands) -> View<'v> {
        View { cluster, azure: None, bound: &self.bound, delivered: Some(&self.delivered), pod: None, commands, survey: None }
    }

    /// What the pod of the proof must have.
    pub fn pod(&self) -> PodPatch {
        self.mode.pod(&self.bound).and(self.delivery.pod(&self.delivered))
    }

    /// Where a link stands in the chain.
    pub fn rank(&self, link: LinkName) -> usize {
        self.links.iter().position(|one| one.name == link).unwrap_or(self.links.len())
    }

    /// The first link of the chain that knows a component's text.
    pub fn symptom(&self, text: &str) -> Option<(&Link, &'static Symptom)> {
        self.links.iter().find_map(|link| Some((link, link.symptoms.iter().find(|symptom| symptom.fits(text))?)))
    }

    /// Says what a component's text means, where the chain knows that from the text alone.
    pub fn meaning(&self, text: &str) -> Option<&'static str> {
        match self.symptom(text)?.1.means {
            Meaning::Known { what, .. } => Some(what),
            Meaning::Read(_) | Meaning::Waiting => None,
        }
    }

    /// Whether a text only says that its component waited for an earlier link.
    pub(super) fn is_waiting(&self, text: &str) -> bool {
        self.symptom(text).is_some_and(|(_, symptom)| matches!(symptom.means, Meaning::Waiting))
    }

    /// The components that the chain needs, and a pattern for the names of their pods.
    pub(super) fn components(&self) -> (String, String) {
        let needs = || self.mode.needs().iter().chain(self.delivery.needs());
        let names: Vec<&str> = needs().map(|component| component.name).collect();
        let pods: Vec<&str> = needs().flat_map(|component| component.pods).copied().collect();
        (names.join(", "), pods.join("|"))
    }
}

/// The targets of an app; `namespace` and `name` narrow them down.
pub fn targets(ledger: &Ledger, app: &str, namespace: Option<&str>, name: Option<&str>, commands: &Commands) -> Result<Vec<Target>, Fault> {
    let bound = modes::recall(ledger, app)?;
    let mut found = Vec::new();
    for delivered in deliveries::recall(ledger, app)? {
        if namespace.is_some_and(|n| n != delivered.namespace) || name.is_some_and(|n| n != delivered.name) {
            continue;
        }
        found.push(Target::new(bound_to(&delivered, &bound, commands)?, delivered)?);
    }
    Ok(found)
}

/// The binding of the pods that get the secrets.
fn bound_to(delivered: &Delivered, all: &[Bound], commands: &Commands) -> Result<Bound, Fault> {
    let Delivered { namespace, name, subject, .. } = delivered;
    let gets = |bound: &&Bound| {
        bound.cluster.name.eq_ignore_ascii_case(&delivered.cluster.name)
            && bound.namespace == *namespace
            && subject.as_ref().is_none_or(|subject| *subject == bound.subject)
    };
    let mut bound: Vec<&Bound> = all.iter().filter(gets).collect();
    // several bindings of one identity lead to the same place
    bound.dedup_by(|a, b| a.mode == b.mode && a.name == b.name && a.subject == b.subject);
    match bound.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Fault::refused(
            format!("no binding in namespace {namespace} leads to the secrets of {name}"),
            format!("Bind an identity first: {}.", commands.podid(&["bind", "--namespace", namespace, "--app", &delivered.app])),
        )),
        [first, ..] => {
            let names: Vec<&str> = bound.iter().map(|b| b.name.as_str()).collect();
            let way = match subject {
                Some(subject) => modes::of(first)?.one_identity(subject),
                None => format!(
                    "The mount was written before there were two bindings. Delete one of them (`podid unbind`), or write the workloads into a spec, where each names its identity: {}.",
                    commands.podid(&["up"])
                ),
            };
            let what = format!("several identities in namespace {namespace} could read the secrets of {name}: ");
            Err(Fault::refused(what + &names.join(", "), way))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::{
            facts::{BoundIdentity, VaultFacts},
            link::{IDENTITY, SECRET, UNKNOWN, VAULT},
        },
        engine::{desired::Requester, input::Input},
        resources::world::ClusterTarget,
    };
    use std::collections::BTreeSet;

    fn target(mode: &'static str, delivery: &'static str) -> Target {
        let cluster = ClusterTarget { name: "aks".into(), context: "aks".into(), hosts: Input::Known(Vec::new()) };
        let identity = BoundIdentity { key: None, name: "mid".into(), resource_group: None, resource_id: None, client_id: None };
        let bound = Bound {
            mode,
            app: "shop".into(),
            by: Requester::Spec,
            cluster: cluster.clone(),
            namespace: "shop".into(),
            subject: "web".into(),
            name: "mid".into(),
            identity,
            objects: [].into(),
            keys: Vec::new(),
            flags: Vec::new(),
        };
        let delivered = Delivered {
            delivery,
            app: "shop".into(),
            by: Requester::Spec,
            cluster,
            namespace: "shop".into(),
            name: "web".into(),
            subject: None,
            vault: VaultFacts { name: "kv".into(), resource_group: None, uri: None, rbac: None },
            objects: Vec::new(),
            synced: Vec::new(),
            parameters: [].into(),
            keys: Vec::new(),
        };
        Target::new(bound, delivered).unwrap()
    }

    #[test]
    fn every_chain_goes_from_the_identity_to_the_secrets() {
        for (mode, delivery) in modes::all().flat_map(|mode| deliveries::all().map(move |delivery| (mode, delivery))) {
            let target = target(mode.name(), delivery.name());
            assert!(target.rank(IDENTITY) < target.rank(VAULT));
            assert!(target.rank(VAULT) < target.rank(SECRET));
            assert!(target.rank(SECRET) < target.rank(UNKNOWN), "a link that the chain does not have comes last");
            assert!(target.links.iter().all(|link| !link.title.is_empty()));
        }
    }

    #[test]
    fn each_mode_and_each_delivery_has_a_name_of_its_own() {
        let modes: Vec<&str> = modes::names().collect();
        let deliveries: Vec<&str> = deliveries::all().map(Delivery::name).collect();
        assert_eq!(modes.iter().collect::<BTreeSet<_>>().len(), modes.len());
        assert_eq!(deliveries.iter().collect::<BTreeSet<_>>().len(), deliveries.len());
        assert_eq!(deliveries, ["csi", "flexvolume", "sdk"]);
        assert_eq!((modes[0], deliveries[0]), ("pod-identity", "csi"), "the defaults");
    }

    #[test]
    fn a_text_belongs_to_the_first_link_that_knows_it() {
        let target = target("pod-identity", "csi");
        let link = |text: &str| target.symptom(text).map(|(link, _)| link.name.word);
        assert!(target.is_waiting("nmi: GET http://localhost:2579/host/token: getting assigned identities for pod shop/web"));
        assert_eq!(link("dial tcp 127.0.0.1:2579: connect: connection refused"), Some("token"));
        assert_eq!(link("rpc error: code = Unknown desc = failed: Code=\"ForbiddenByPolicy\""), Some("grant"));
        assert_eq!(link("something else"), None);
    }
}
