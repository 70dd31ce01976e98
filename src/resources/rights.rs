//! What the requests of the Kubernetes kinds need of RBAC: one table beside the code that sends them (`manifest`, `namespace`).
//! tests/rbac.rs holds it to what is really sent: nothing more, nothing less.

use super::namespace;

/// Verbs on a kind of object, as a Role names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// Empty for the core group.
    pub group: &'static str,
    pub resource: &'static str,
    pub verbs: &'static [&'static str],
    pub reach: Reach,
    pub named: Named,
    /// What is lost without it, where podid goes on all the same. None: podid fails, and says which verb it lacks where.
    pub without: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On the object that is the namespace.
    Itself,
    /// On objects in the namespace.
    Within,
    /// On objects of all namespaces at once.
    Everywhere,
}

/// To which names a right can be narrowed down, where a spec tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Any,
    /// Secrets that the driver keeps in step.
    Synced,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Looked at, and compared by a dry run of the apply.
    Look,
    /// That, and applied; also as a dry run of something that is not there yet.
    Make,
    Remove,
}

const LOOK: &[&str] = &["get", "patch"];
const MAKE: &[&str] = &["get", "patch", "create"];
const REMOVE: &[&str] = &["get", "delete"];

/// Kinds that are nothing but their manifest, each with group and resource.
const WHOLE: &[(&str, &str, &str)] = &[
    ("azureidentity", POD_IDENTITY, "azureidentities"),
    ("azureidentitybinding", POD_IDENTITY, "azureidentitybindings"),
    ("secretproviderclass", STORE, "secretproviderclasses"),
];
const STAYS: &str = "a namespace that podid made stays when the app goes";
pub const POD_IDENTITY: &str = "aadpodidentity.k8s.io";
pub const STORE: &str = "secrets-store.csi.x-k8s.io";

/// The Kubernetes kinds, by the first word of their keys.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    std::iter::once("namespace").chain(WHOLE.iter().map(|(kind, ..)| *kind))
}

/// All that a deed needs. A kind that lies in no cluster needs nothing.
pub fn of(kind: &str, deed: Deed) -> Vec<Right> {
    let right = |group, resource, verbs, reach| Right { group, resource, verbs, reach, named: Named::Any, without: None };
    if kind == "namespace" {
        let itself = |verbs| vec![right("", "namespaces", verbs, Reach::Itself)];
        return match deed {
            // its labels are compared without asking
            Deed::Look => itself(&["get"]),
            Deed::Make => itself(MAKE),
            // what is in it that podid did not make keeps it, and so does what podid may not see: to see it is a right that most who
            // only want their app to go should not have (of Secrets, a list is all their values)
            Deed::Remove => {
                let content = namespace::CONTENT.iter().map(|(group, _, _, plural)| right(group, plural, &["list"], Reach::Within));
                let goes = itself(&["delete"]).into_iter().chain(content).map(|r| Right { without: Some(STAYS), ..r });
                itself(&["get"]).into_iter().chain(goes).collect()
            }
        };
    }
    let verbs = match deed {
        Deed::Look => LOOK,
        Deed::Make => MAKE,
        Deed::Remove => REMOVE,
    };
    let found = WHOLE.iter().filter(|(word, ..)| *word == kind);
    let mut rights: Vec<Right> = found.map(|(_, group, resource)| right(group, resource, verbs, Reach::Within)).collect();
    if kind == "azureidentitybinding" && deed != Deed::Remove {
        let list = |reach, without| Right { without: Some(without), ..right(POD_IDENTITY, "azureidentitybindings", &["list"], reach) };
        rights.push(list(Reach::Everywhere, "a second binding of another namespace with the same selector is not noticed"));
        rights.push(list(Reach::Within, "a second binding with the same selector is not noticed"));
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::resource::Side, resources::KINDS};

    #[test]
    fn every_kind_that_lies_in_a_cluster_is_in_the_table() {
        let there: Vec<&str> = KINDS.0.iter().filter(|k| k.side() == Side::Kubernetes).map(|k| k.kind()).collect();
        assert_eq!(kinds().collect::<Vec<_>>(), there);
        assert!(of("identity", Deed::Make).is_empty());
    }
}
