//! The kinds of objects that a survey lists in a cluster. Secrets and ConfigMaps are not among them: nobody's values are read.

use crate::cluster::Api;

/// A kind, and where it is listed.
#[derive(Debug, PartialEq, Eq)]
pub struct SurveyedKind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub reach: Reach,
}

/// Where a kind is listed if only workloads of one namespace are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In that namespace.
    Namespace,
    /// In all namespaces, because objects of others count for its pods or serve them; in that namespace where this login may not.
    Everywhere,
    /// It has no namespace.
    Cluster,
}

macro_rules! kinds {
    ($($name:ident: $group:literal $version:literal $kind:literal $plural:literal $reach:ident;)*) => {
        $(pub static $name: SurveyedKind =
            SurveyedKind { group: $group, version: $version, kind: $kind, plural: $plural, reach: Reach::$reach };)*
        pub static ALL: &[&SurveyedKind] = &[$(&$name),*];
    };
}

kinds! {
    POD: "" "v1" "Pod" "pods" Namespace;
    DEPLOYMENT: "apps" "v1" "Deployment" "deployments" Everywhere;
    STATEFUL_SET: "apps" "v1" "StatefulSet" "statefulsets" Namespace;
    DAEMON_SET: "apps" "v1" "DaemonSet" "daemonsets" Everywhere;
    REPLICA_SET: "apps" "v1" "ReplicaSet" "replicasets" Namespace;
    JOB: "batch" "v1" "Job" "jobs" Namespace;
    CRON_JOB: "batch" "v1" "CronJob" "cronjobs" Namespace;
    SERVICE_ACCOUNT: "" "v1" "ServiceAccount" "serviceaccounts" Namespace;
    NAMESPACE: "" "v1" "Namespace" "namespaces" Cluster;
    NODE: "" "v1" "Node" "nodes" Cluster;
    AZURE_IDENTITY: "aadpodidentity.k8s.io" "v1" "AzureIdentity" "azureidentities" Everywhere;
    AZURE_IDENTITY_BINDING: "aadpodidentity.k8s.io" "v1" "AzureIdentityBinding" "azureidentitybindings" Everywhere;
    AZURE_ASSIGNED_IDENTITY: "aadpodidentity.k8s.io" "v1" "AzureAssignedIdentity" "azureassignedidentities" Everywhere;
    EXCEPTION: "aadpodidentity.k8s.io" "v1" "AzurePodIdentityException" "azurepodidentityexceptions" Everywhere;
    CLASS: "secrets-store.csi.x-k8s.io" "v1" "SecretProviderClass" "secretproviderclasses" Namespace;
    CLASS_STATUS: "secrets-store.csi.x-k8s.io" "v1" "SecretProviderClassPodStatus" "secretproviderclasspodstatuses" Namespace;
    CSI_DRIVER: "storage.k8s.io" "v1" "CSIDriver" "csidrivers" Cluster;
    MUTATING_WEBHOOK:
        "admissionregistration.k8s.io" "v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" Cluster;
    CLUSTER_ROLE: "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles" Cluster;
    CLUSTER_ROLE_BINDING: "rbac.authorization.k8s.io" "v1" "ClusterRoleBinding" "clusterrolebindings" Cluster;
}

impl SurveyedKind {
    pub fn api(&self) -> Api {
        Api::new(self.group, self.version, self.kind, self.plural)
    }
}
