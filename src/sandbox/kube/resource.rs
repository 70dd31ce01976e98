//! The kinds that are served: the built-in ones, and those that CRDs define. Does not look at other objects.

use super::names::Naming;
use super::schema::{self, Type};
use super::status::About;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// The verbs of custom kinds, in the order in which the API server lists them.
const CUSTOM_VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const REVIEW_VERBS: &[&str] = &["create"];

#[derive(Clone, Debug)]
pub struct Resource {
    pub group: String,
    pub version: String,
    /// The version that objects are stored in.
    pub storage: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub verbs: &'static [&'static str],
    pub subresources: Vec<Subresource>,
    pub naming: Naming,
    pub ty: Type,
    /// The version's entry in the CRD, for a custom kind.
    pub custom: Option<Arc<Value>>,
    /// Whether `metadata.generation` counts changes of the spec.
    pub has_generation: bool,
    /// The warning of a deprecated version.
    pub warning: Option<String>,
    /// Objects are stored, but nothing in the sandbox acts on them; clients that create one get a warning.
    pub inert: bool,
}

#[derive(Clone, Debug)]
pub struct Subresource {
    pub name: String,
    pub group: String,
    pub version: String,
    pub kind: String,
    pub verbs: &'static [&'static str],
}

impl Resource {
    pub fn about(&self) -> About<'_> {
        About { group: &self.group, plural: &self.plural }
    }
    /// For example `pods` or `azureidentities.aadpodidentity.k8s.io`: the first part of storage keys.
    pub fn qualified(&self) -> String {
        self.about().qualified()
    }
    pub fn api_version(&self) -> String {
        group_version(&self.group, &self.version)
    }
    pub fn storage_api_version(&self) -> String {
        group_version(&self.group, &self.storage)
    }
    pub fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|s| s.name == subresource)
    }
    pub fn crd_schema(&self) -> Option<&Value> {
        self.custom.as_ref().map(|version| &version["schema"]["openAPIV3Schema"])
    }
}

pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// All kinds that are served, in the order of discovery.
#[derive(Debug, Default)]
pub struct Catalog {
    pub resources: Vec<Arc<Resource>>,
    by_path: BTreeMap<(String, String, String), usize>,
    /// The OpenAPI documents of these kinds with their hashes, by path after `/openapi/`; rendered on first use.
    pub documents: OnceLock<BTreeMap<String, (String, String)>>,
}

impl Catalog {
    pub fn new<'a>(crds: impl Iterator<Item = &'a Value>) -> Self {
        let mut resources = built_in();
        for crd in crds {
            resources.extend(from_crd(crd));
        }
        let by_path = resources.iter().enumerate().map(|(i, r)| ((r.group.clone(), r.version.clone(), r.plural.clone()), i)).collect();
        Self { resources: resources.into_iter().map(Arc::new).collect(), by_path, documents: OnceLock::new() }
    }
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let i = self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))?;
        self.resources.get(*i).cloned()
    }
    /// Finds a kind by `plural.group`, in its storage version.
    pub fn stored(&self, qualified: &str) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| r.version == r.storage && r.qualified() == qualified && r.verbs != REVIEW_VERBS).cloned()
    }
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| r.kind == kind && r.api_version() == api_version).cloned()
    }
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.resources.iter().any(|r| r.group == group && r.version == version)
    }
    /// Returns the groups with their versions, the preferred one first.
    pub fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for r in &self.resources {
            match groups.iter_mut().find(|(group, _)| *group == r.group) {
                Some((_, versions)) if versions.contains(&r.version) => {}
                Some((_, versions)) => versions.push(r.version.clone()),
                None => groups.push((r.group.clone(), vec![r.version.clone()])),
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by_key(|v| rank(v));
        }
        groups
    }
}

/// Orders v1 before v1beta1 before v1alpha1 (apimachinery, `version.CompareKubeAwareVersionStrings`).
fn rank(version: &str) -> (u8, String) {
    let stage = if version.contains("alpha") { 2 } else { u8::from(version.contains("beta")) };
    (stage, version.to_owned())
}

fn sub(name: &str, kind: &str, verbs: &'static [&'static str]) -> Subresource {
    let (group, version) = match name {
        "token" => ("authentication.k8s.io", "v1"),
        "eviction" => ("policy", "v1"),
        "scale" => ("autoscaling", "v1"),
        _ => ("", ""),
    };
    Subresource { name: name.into(), group: group.into(), version: version.into(), kind: kind.into(), verbs }
}

const STATUS_VERBS: &[&str] = &["get", "patch", "update"];

/// Describes a kind: group, version, kind, plural, short names, namespaced, type.
fn resource(group: &str, version: &str, kind: &str, plural: &str, short: &[&str], namespaced: bool, ty: &str) -> Resource {
    Resource {
        group: group.into(),
        version: version.into(),
        storage: version.into(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short: short.iter().map(|s| (*s).to_owned()).collect(),
        categories: Vec::new(),
        namespaced,
        verbs: ALL_VERBS,
        subresources: Vec::new(),
        naming: Naming::Subdomain,
        ty: Type::named(ty),
        custom: None,
        has_generation: false,
        warning: None,
        inert: false,
    }
}

fn built_in() -> Vec<Resource> {
    let core = |kind: &str, plural: &str, short: &[&str], namespaced| resource("", "v1", kind, plural, short, namespaced, kind);
    let with_status = |r: Resource| {
        let status = sub("status", &r.kind, STATUS_VERBS);
        Resource { subresources: vec![status], ..r }
    };
    let review = |group: &str, kind: &str, plural: &str, namespaced| Resource {
        verbs: REVIEW_VERBS,
        ..resource(group, "v1", kind, plural, &[], namespaced, kind)
    };
    let rbac = |kind: &str, plural: &str, namespaced| Resource {
        naming: Naming::Segment,
        ..resource("rbac.authorization.k8s.io", "v1", kind, plural, &[], namespaced, kind)
    };
    let apps = |kind: &str, plural: &str, short: &[&str]| {
        let mut r = with_status(resource("apps", "v1", kind, plural, short, true, kind));
        if kind != "DaemonSet" {
            r.subresources.insert(0, sub("scale", "Scale", STATUS_VERBS));
        }
        Resource { has_generation: true, categories: vec!["all".into()], ..r }
    };
    let mut namespaces = with_status(core("Namespace", "namespaces", &["ns"], false));
    namespaces.naming = Naming::Label;
    namespaces.subresources.push(sub("finalize", "Namespace", &["update"]));
    // Namespaces have no deletecollection.
    namespaces.verbs = &["create", "delete", "get", "list", "patch", "update", "watch"];
    let mut pods = with_status(core("Pod", "pods", &["po"], true));
    pods.categories = vec!["all".into()];
    pods.has_generation = true;
    pods.subresources.extend([
        sub("attach", "PodAttachOptions", &["create", "get"]),
        sub("binding", "Binding", &["create"]),
        sub("eviction", "Eviction", &["create"]),
        sub("exec", "PodExecOptions", &["create", "get"]),
        sub("log", "Pod", &["get"]),
        sub("portforward", "PodPortForwardOptions", &["create", "get"]),
    ]);
    pods.subresources.sort_by(|a, b| a.name.cmp(&b.name));
    let mut accounts = core("ServiceAccount", "serviceaccounts", &["sa"], true);
    accounts.subresources.push(sub("token", "TokenRequest", &["create"]));
    let mut crds = with_status(resource(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd", "crds"],
        false,
        "CustomResourceDefinition",
    ));
    crds.categories = vec!["api-extensions".into()];
    crds.has_generation = true;
    let events = Resource { storage: "v1".into(), ..resource("events.k8s.io", "v1", "Event", "events", &["ev"], true, "EventsEvent") };
    let inert = |r: Resource| Resource { inert: true, has_generation: true, ..with_status(r) };
    let batch = |kind: &str, plural: &str, short: &[&str]| Resource {
        categories: vec!["all".into()],
        has_generation: true,
        ..with_status(resource("batch", "v1", kind, plural, short, true, kind))
    };
    let network =
        |kind: &str, plural: &str, short: &[&str], namespaced| resource("networking.k8s.io", "v1", kind, plural, short, namespaced, kind);
    // The sandbox does not enforce these limits, so clients can only read them.
    let read = |r: Resource| Resource { verbs: &["get", "list", "watch"], ..r };
    let mut services = with_status(core("Service", "services", &["svc"], true));
    services.categories = vec!["all".into()];
    services.naming = Naming::Service;
    let mut ingresses = inert(network("Ingress", "ingresses", &["ing"], true));
    ingresses.has_generation = true;
    let mut policies = Resource { inert: true, has_generation: true, ..network("NetworkPolicy", "networkpolicies", &["netpol"], true) };
    policies.subresources.clear();
    let mut slices = resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", &[], true, "EndpointSlice");
    slices.has_generation = true;
    let budgets = inert(resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], true, "PodDisruptionBudget"));
    let claims = Resource { has_generation: false, ..inert(core("PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], true)) };
    let webhooks = "MutatingWebhookConfiguration";
    let mut webhooks = resource("admissionregistration.k8s.io", "v1", webhooks, "mutatingwebhookconfigurations", &[], false, webhooks);
    webhooks.categories = vec!["api-extensions".into()];
    vec![
        core("ConfigMap", "configmaps", &["cm"], true),
        core("Endpoints", "endpoints", &["ep"], true),
        core("Event", "events", &["ev"], true),
        read(core("LimitRange", "limitranges", &["limits"], true)),
        namespaces,
        with_status(core("Node", "nodes", &["no"], false)),
        claims,
        pods,
        read(core("ResourceQuota", "resourcequotas", &["quota"], true)),
        core("Secret", "secrets", &[], true),
        accounts,
        services,
        resource("apps", "v1", "ControllerRevision", "controllerrevisions", &[], true, "ControllerRevision"),
        apps("DaemonSet", "daemonsets", &["ds"]),
        apps("Deployment", "deployments", &["deploy"]),
        apps("ReplicaSet", "replicasets", &["rs"]),
        apps("StatefulSet", "statefulsets", &["sts"]),
        events,
        review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
        review("authentication.k8s.io", "TokenReview", "tokenreviews", false),
        review("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
        review("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
        review("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
        review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", false),
        batch("CronJob", "cronjobs", &["cj"]),
        batch("Job", "jobs", &[]),
        network("IngressClass", "ingressclasses", &[], false),
        ingresses,
        policies,
        budgets,
        rbac("ClusterRoleBinding", "clusterrolebindings", false),
        rbac("ClusterRole", "clusterroles", false),
        rbac("RoleBinding", "rolebindings", true),
        rbac("Role", "roles", true),
        resource("storage.k8s.io", "v1", "CSIDriver", "csidrivers", &[], false, "CSIDriver"),
        resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", &["sc"], false, "StorageClass"),
        Resource { has_generation: true, ..webhooks },
        crds,
        resource("coordination.k8s.io", "v1", "Lease", "leases", &[], true, "Lease"),
        slices,
    ]
}

fn from_crd(crd: &Value) -> Vec<Resource> {
    let spec = &crd["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<String>>();
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let storage = versions.iter().find(|v| v["storage"] == true).map(|v| text(&v["name"])).unwrap_or_default();
    let kind = text(&spec["names"]["kind"]);
    versions
        .iter()
        .filter(|version| version["served"] == true)
        .map(|version| {
            let group = text(&spec["group"]);
            let name = text(&version["name"]);
            let deprecated = version["deprecated"] == true;
            let warning = deprecated.then(|| {
                version["deprecationWarning"].as_str().map(str::to_owned).unwrap_or_else(|| {
                    let better = versions.iter().find(|v| v["served"] == true && v["deprecated"] != true && rank(&text(&v["name"])).0 == 0);
                    let tail = better.map(|v| format!("; use {group}/{} {kind}", text(&v["name"]))).unwrap_or_default();
                    format!("{group}/{name} {kind} is deprecated{tail}")
                })
            });
            let mut subresources = Vec::new();
            if version["subresources"]["status"].is_object() {
                subresources.push(sub("status", &kind, STATUS_VERBS));
            }
            if version["subresources"]["scale"].is_object() {
                subresources.push(sub("scale", "Scale", STATUS_VERBS));
            }
            Resource {
                version: name,
                storage: storage.clone(),
                list_kind: spec["names"]["listKind"].as_str().map_or_else(|| format!("{kind}List"), str::to_owned),
                plural: text(&spec["names"]["plural"]),
                singular: spec["names"]["singular"].as_str().map_or_else(|| kind.to_lowercase(), str::to_owned),
                short: list(&spec["names"]["shortNames"]),
                categories: list(&spec["names"]["categories"]),
                namespaced: spec["scope"] == "Namespaced",
                verbs: CUSTOM_VERBS,
                subresources,
                naming: Naming::Subdomain,
                ty: schema::of_crd(&version["schema"]["openAPIV3Schema"], true),
                custom: Some(Arc::new(version.clone())),
                has_generation: true,
                warning,
                inert: false,
                kind: kind.clone(),
                group,
            }
        })
        .collect()
}

/// The annotation that approves a CRD in a group of the Kubernetes project.
pub const APPROVED: &str = "api-approved.kubernetes.io";

/// Returns whether a group belongs to the Kubernetes project.
pub fn protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')))
}

/// Writes the status that a CRD has once it is served.
pub fn set_established(crd: &mut Value, now: &str) {
    let spec = crd["spec"].clone();
    if crd["status"]["conditions"].as_array().is_some_and(|c| !c.is_empty()) {
        return;
    }
    let stored: Vec<&Value> =
        spec["versions"].as_array().into_iter().flatten().filter(|v| v["storage"] == true).map(|v| &v["name"]).collect();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message});
    let mut conditions = vec![
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    if protected(spec["group"].as_str().unwrap_or_default()) {
        let mark = crd["metadata"]["annotations"][APPROVED].as_str().unwrap_or_default();
        conditions.push(if mark.starts_with("unapproved") {
            let message = format!("not approved: {mark:?}");
            let mut refused = condition("KubernetesAPIApprovalPolicyConformant", "UnapprovedAnnotation", &message);
            refused["status"] = json!("False");
            refused
        } else {
            condition("KubernetesAPIApprovalPolicyConformant", "ApprovedAnnotation", &format!("approved in {mark}"))
        });
    }
    crd["status"] = json!({
        "conditions": conditions,
        "acceptedNames": spec["names"],
        "storedVersions": stored,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stable_version_is_preferred() {
        let crd = json!({"spec": {"group": "g", "names": {"kind": "K", "plural": "ks"}, "scope": "Namespaced", "versions": [
            {"name": "v1alpha1", "served": true, "deprecated": true, "schema": {}}, {"name": "v1", "served": true, "storage": true, "schema": {}},
        ]}});
        let catalog = Catalog::new([crd].iter());
        let (_, versions) = catalog.groups().into_iter().find(|(g, _)| g == "g").unwrap();
        assert_eq!(versions, ["v1", "v1alpha1"]);
        let old = catalog.find("g", "v1alpha1", "ks").unwrap();
        assert_eq!(old.warning.as_deref(), Some("g/v1alpha1 K is deprecated; use g/v1 K"));
    }
}
