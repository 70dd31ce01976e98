//! The objects of a cluster.

use super::{
    kinds::{self, Reach, SurveyedKind},
    list::{Gap, List, first_line},
};
use crate::cluster::{Error, Read};
use futures::future::join_all;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

#[derive(Debug, Default)]
pub struct ClusterSurvey {
    /// By the kind's name.
    lists: BTreeMap<&'static str, List<Value>>,
    /// Places of objects in their lists, by kind and by `NAMESPACE/NAME`. Made at the first look-up: each pod looks for its account.
    index: OnceLock<BTreeMap<&'static str, HashMap<String, usize>>>,
}

static NONE: List<Value> = List { items: Vec::new(), gap: None };

impl ClusterSurvey {
    pub async fn read(cluster: &Read, namespace: Option<&str>) -> Self {
        let listed = kinds::ALL.iter().map(|kind| async { (kind.kind, list(cluster, kind, namespace).await) });
        Self { lists: join_all(listed).await.into_iter().collect(), index: OnceLock::new() }
    }

    /// A survey of these objects.
    #[cfg(test)]
    pub fn of(objects: impl IntoIterator<Item = Value>) -> Self {
        let mut lists: BTreeMap<&'static str, List<Value>> = BTreeMap::new();
        for object in objects {
            let kind = kinds::ALL.iter().find(|kind| object["kind"] == kind.kind);
            if let Some(kind) = kind {
                lists.entry(kind.kind).or_default().items.push(object);
            }
        }
        Self { lists, index: OnceLock::new() }
    }

    /// Marks a list as one that could not be read.
    #[cfg(test)]
    pub fn hide(&mut self, kind: &SurveyedKind, why: &str) {
        self.lists.insert(kind.kind, List::missing(kind.plural, why));
        self.index = OnceLock::new();
    }

    /// The objects of a kind. Empty and whole where the cluster does not know the kind.
    pub fn of_kind(&self, kind: &SurveyedKind) -> &List<Value> {
        self.lists.get(kind.kind).unwrap_or(&NONE)
    }

    pub fn named(&self, kind: &SurveyedKind, namespace: &str, name: &str) -> Option<&Value> {
        let at = self.index.get_or_init(|| indexed(&self.lists)).get(kind.kind)?.get(&format!("{namespace}/{name}"))?;
        self.of_kind(kind).items.get(*at)
    }

    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.lists.values().filter_map(|list| list.gap.as_ref())
    }
}

fn indexed(lists: &BTreeMap<&'static str, List<Value>>) -> BTreeMap<&'static str, HashMap<String, usize>> {
    let place = |object: &Value| format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    let of = |list: &List<Value>| list.iter().enumerate().map(|(at, object)| (place(object), at)).collect();
    lists.iter().map(|(kind, list)| (*kind, of(list))).collect()
}

async fn list(cluster: &Read, kind: &SurveyedKind, namespace: Option<&str>) -> List<Value> {
    let api = kind.api();
    let within = namespace.filter(|_| kind.reach == Reach::Namespace);
    match (cluster.list_once(&api, within).await, namespace) {
        // the component that brings the kind is not installed
        (Err(Error::KindMissing { .. }), _) => List::default(),
        (Err(Error::Forbidden { message, .. }), Some(namespace)) if kind.reach == Reach::Everywhere => {
            let here = cluster.list_once(&api, Some(namespace)).await;
            let what = format!("{} of other namespaces than {namespace}", kind.plural);
            match here {
                Ok(items) => List { items, gap: Some(Gap { what, why: first_line(&message) }) },
                here => List::of(kind.plural, here),
            }
        }
        (found, _) => List::of(kind.plural, found),
    }
}

/// A text field of an object; empty if it has none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
