//! What is there and has no place in a spec, or no workload; and the components that a spec names.

use super::{Import, fields::words, unread};
use crate::{
    chain::texts::field,
    components,
    inventory::{document::running, workload::Token},
    resources::{running::rivals, service_account},
    spec::request::Bind,
    survey::kinds::{AZURE_IDENTITY, AZURE_IDENTITY_BINDING, CLASS, EXCEPTION, SERVICE_ACCOUNT, SurveyedKind},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Import<'_> {
    /// What no workload of the spec has.
    pub(super) fn others(&mut self, binds: &[Bind]) {
        let bound: BTreeSet<String> = binds.iter().flat_map(words).collect();
        let mut told = self.classes_left();
        for (namespace, name, object) in self.objects(&AZURE_IDENTITY) {
            let why = match object.pointer("/spec/type").and_then(Value::as_i64) {
                Some(1 | 2) => "it is a service principal, and a spec has managed identities",
                _ if bound.contains(&format!("{namespace}/{name}")) => continue,
                _ => "no AzureIdentityBinding of its namespace leads to it",
            };
            told.push(format!("AzureIdentity {namespace}/{name}: {why}"));
        }
        for (namespace, name, object) in self.objects(&AZURE_IDENTITY_BINDING) {
            let identity = field(object, "/spec/azureIdentity");
            if !bound.contains(&format!("{namespace}/{name}")) && !bound.contains(&format!("{namespace}/{identity}")) {
                let why = format!("it leads to {identity:?}, which is no managed identity of its namespace");
                told.push(format!("AzureIdentityBinding {namespace}/{name}: {why}"));
            }
        }
        for (namespace, name, object) in self.objects(&SERVICE_ACCOUNT) {
            let Some(id) = service_account::client_id(object) else { continue };
            if !bound.contains(&format!("{namespace}/{name}")) {
                let why = unread(&self.survey.azure.identities).unwrap_or_else(|| "is not in the subscription".to_owned());
                told.push(format!("ServiceAccount {namespace}/{name}: the identity with the client id {id:?} {why}"));
            }
        }
        for (namespace, name, _) in self.objects(&EXCEPTION) {
            told.push(format!("AzurePodIdentityException {namespace}/{name}: `podid exception` handles these"));
        }
        for workload in self.workloads {
            for mount in &workload.mounts {
                let how = match mount.token {
                    Token::Node(_) => "as an identity of its node",
                    Token::Password => "as a service principal",
                    Token::Identities(_) | Token::Unknown => continue,
                };
                told.push(format!("{} reads its secrets {how}, which is none of podid's modes", workload.shown()));
            }
        }
        self.left_out.extend(told);
    }

    fn classes_left(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (namespace, name, object) in self.objects(&CLASS) {
            let why = if self.classes.contains(&format!("{namespace}/{name}")) {
                continue;
            } else if field(object, "/spec/provider") != "azure" {
                "it is of another provider than azure".to_owned()
            } else if self.mounts.iter().any(|mount| (mount.namespace.as_str(), mount.name.as_str()) == (namespace, name)) {
                "no workload mounts it as a bound identity".to_owned()
            } else {
                let why = unread(&self.survey.azure.vaults).unwrap_or_else(|| "is not in the subscription".to_owned());
                format!("its vault {:?} {why}", field(object, "/spec/parameters/keyvaultName"))
            };
            told.push(format!("SecretProviderClass {namespace}/{name}: {why}"));
        }
        told
    }

    /// The objects of a kind that are meant, with namespace and name.
    fn objects(&self, kind: &SurveyedKind) -> Vec<(&str, &str, &Value)> {
        let all =
            self.survey.cluster.of_kind(kind).iter().map(|one| (field(one, "/metadata/namespace"), field(one, "/metadata/name"), one));
        all.filter(|(namespace, ..)| self.place.namespace.is_none_or(|wanted| wanted == *namespace)).collect()
    }

    /// The components that run, each with what installed it. Where there are two of one, a spec would be refused.
    pub(super) fn components(&mut self) -> BTreeMap<&'static str, String> {
        let all = running(self.survey);
        let mut found = BTreeMap::new();
        for component in components::all() {
            let own: Vec<_> = all.iter().filter(|(name, _)| *name == component.name()).map(|(_, one)| one.clone()).collect();
            let Some(first) = own.first() else { continue };
            if rivals(&own).is_some() {
                self.left_out.insert(format!("the component {}: it is installed twice, which podid refuses", component.name()));
                continue;
            }
            found.insert(component.name(), format!("{} installed by {}", component.name(), first.installer));
        }
        found
    }
}
