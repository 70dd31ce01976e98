//! Which permissions are given in which namespace, from what the commands need.

use crate::{
    cli::Rbac,
    resources::{
        access::{Named, Reach, Right},
        secret_provider_class::SecretProviderClass,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What is proved in a namespace, where a spec says it. None of it is known of a namespace that only a flag names.
#[derive(Default)]
pub struct Known {
    pub classes: Option<Vec<SecretProviderClass>>,
}

pub type Places = BTreeMap<String, Known>;

/// Namespace (None: the whole cluster), group, resource and names.
pub type On = (Option<String>, String, String, Vec<String>);

/// What is given where.
#[derive(Default)]
pub struct Granted {
    pub rules: BTreeMap<On, BTreeSet<&'static str>>,
    pub left_out: Vec<Right>,
}

pub fn granted(asked: &Rbac, places: &Places, needs: &[Right]) -> Granted {
    let mut granted = Granted::default();
    // what another of the commands cannot do without is given anyway
    let is_given = |right: &Right| {
        let covers = |other: &&Right| {
            other.without.is_none()
                && other.named == Named::Any
                && (&other.group, &other.resource, &other.reach) == (&right.group, &right.resource, &right.reach)
        };
        let verbs: BTreeSet<&str> = needs.iter().filter(covers).flat_map(|other| other.verbs).copied().collect();
        right.verbs.iter().all(|verb| verbs.contains(verb))
    };
    for right in needs.iter().filter(|right| right.without.is_none() || !is_given(right)) {
        if right.without.is_some() && !asked.optional {
            granted.leave_out(right.clone());
            continue;
        }
        let own_names = || if let Named::These(names) = &right.named { names.clone() } else { Vec::new() };
        match &right.reach {
            Reach::Everywhere => {
                granted.give(None, right, own_names());
                continue;
            }
            Reach::Namespace(namespace) => {
                granted.give((!asked.make_namespaces).then(|| namespace.clone()), right, own_names());
                continue;
            }
            Reach::Itself | Reach::Within => {}
        }
        for (namespace, known) in places {
            // what is to make the namespace cannot lie in it
            let at = (!asked.make_namespaces).then(|| namespace.clone());
            match (&right.reach, names(right, known)) {
                (Reach::Itself, _) => granted.give(at, right, vec![namespace.clone()]),
                (_, Names::These(names)) if names.is_empty() => {}
                (_, Names::These(names)) => granted.give(at, right, names),
                (_, Names::Any) => granted.give(at, right, Vec::new()),
                (_, Names::Unknown) if asked.optional => granted.give(at, right, Vec::new()),
                (_, Names::Unknown) => granted.leave_out(
                    right
                        .clone()
                        .optional("a workload that reads a secret through a Kubernetes Secret is not proved; name the spec with -f"),
                ),
            }
        }
    }
    granted
}

impl Granted {
    fn give(&mut self, namespace: Option<String>, right: &Right, names: Vec<String>) {
        self.rules.entry((namespace, right.group.to_string(), right.resource.to_string(), names)).or_default().extend(right.verbs);
    }

    fn leave_out(&mut self, right: Right) {
        if !self.left_out.contains(&right) {
            self.left_out.push(right);
        }
    }
}

enum Names {
    Any,
    These(Vec<String>),
    /// Only a spec would tell whether, and of which.
    Unknown,
}

fn names(right: &Right, known: &Known) -> Names {
    match &right.named {
        Named::Any => return Names::Any,
        Named::These(names) => return Names::These(names.clone()),
        Named::Synced => {}
    }
    // Secrets are not asked for on suspicion
    let Some(classes) = &known.classes else { return Names::Unknown };
    let synced: BTreeSet<String> = classes.iter().flat_map(|class| class.synced.iter().map(|s| s.secret.clone())).collect();
    Names::These(synced.into_iter().collect())
}
