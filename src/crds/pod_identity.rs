//! aadpodidentity.k8s.io/v1, as AAD Pod Identity has it since 1.8 (`pkg/apis/aadpodidentity/v1/types.go` and the chart's `crds/crd.yaml`).
//! The casing is that of 1.6 and later. Nothing is required, nothing has a default, no value is judged.

use super::definition::{Definition, Deprecated, POD_IDENTITY, Version};
use super::schema::{Embedded, Metadata, Nullable, Schema, object};
use std::collections::BTreeMap;

object! {
    /// An identity of Azure that pods may get, if an AzureIdentityBinding leads them to it.
    AzureIdentity {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        spec: AzureIdentitySpec = "spec",
        status: AzureIdentityStatus = "status",
    }

    /// Which identity of Azure it is.
    AzureIdentitySpec {
        /// Not used.
        metadata: Metadata = "metadata",
        /// 0 (also when left out): a user-assigned managed identity. 1: a service principal with a secret. 2: one with a certificate.
        of_type: i64 = "type",
        /// ARM id of the managed identity. For type 0.
        resource_id: String = "resourceID",
        /// Client id of the identity. NMI compares it with the one that a pod asks for, byte by byte.
        client_id: String = "clientID",
        /// The Secret that holds the service principal's secret or certificate. For types 1 and 2.
        client_password: SecretReference = "clientPassword",
        /// Tenant of the service principal. For types 1 and 2.
        tenant_id: String = "tenantID",
        /// Further tenants of the service principal.
        auxiliary_tenant_ids: Nullable<Vec<String>> = "auxiliaryTenantIDs",
        /// What a token is for, if the request does not say. For types 1 and 2.
        ad_resource_id: String = "adResourceID",
        /// Host of the Azure Active Directory. For types 1 and 2.
        ad_endpoint: String = "adEndpoint",
        /// Not used.
        replicas: Nullable<i32> = "replicas",
    }

    /// A Secret in any namespace.
    SecretReference {
        /// Name of the Secret.
        name: String = "name",
        /// Namespace of the Secret.
        namespace: String = "namespace",
    }

    /// Not used.
    AzureIdentityStatus {
        metadata: Metadata = "metadata",
        available_replicas: i32 = "availableReplicas",
    }

    /// Gives an AzureIdentity to the pods that carry a label.
    AzureIdentityBinding {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        spec: AzureIdentityBindingSpec = "spec",
        status: AzureIdentityBindingStatus = "status",
    }

    /// Which pods get which identity.
    AzureIdentityBindingSpec {
        /// Not used.
        metadata: Metadata = "metadata",
        /// Name of the AzureIdentity, in the namespace of the binding.
        azure_identity: String = "azureIdentity",
        /// Value of the pods' label aadpodidbinding, in just this case.
        selector: String = "selector",
        /// Not used.
        weight: i64 = "weight",
    }

    /// Not used.
    AzureIdentityBindingStatus {
        metadata: Metadata = "metadata",
        available_replicas: i32 = "availableReplicas",
    }

    /// One identity for one pod. MIC writes it.
    AzureAssignedIdentity {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        spec: AzureAssignedIdentitySpec = "spec",
        status: AzureAssignedIdentityStatus = "status",
    }

    /// Which pod got which identity by which binding.
    AzureAssignedIdentitySpec {
        /// Not used.
        metadata: Metadata = "metadata",
        /// The AzureIdentity as it was.
        azure_identity_ref: Embedded<AzureIdentity> = "azureIdentityRef",
        /// The AzureIdentityBinding as it was.
        azure_binding_ref: Embedded<AzureIdentityBinding> = "azureBindingRef",
        /// Name of the pod.
        pod: String = "pod",
        /// Namespace of the pod.
        pod_namespace: String = "podNamespace",
        /// Name of the pod's node.
        nodename: String = "nodename",
        /// Not used.
        replicas: Nullable<i32> = "replicas",
    }

    /// How far the assignment is.
    AzureAssignedIdentityStatus {
        metadata: Metadata = "metadata",
        /// Created, then Assigned once the node has the identity, then Unassigned.
        status: String = "status",
        available_replicas: i32 = "availableReplicas",
    }

    /// Pods of its namespace whose requests for tokens are passed on as they are.
    AzurePodIdentityException {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        spec: AzurePodIdentityExceptionSpec = "spec",
        status: AzurePodIdentityExceptionStatus = "status",
    }

    /// Which pods are excepted.
    AzurePodIdentityExceptionSpec {
        /// Not used.
        metadata: Metadata = "metadata",
        /// A pod is excepted when any one of these labels is on it.
        pod_labels: BTreeMap<String, String> = "podLabels",
    }

    /// Not used.
    AzurePodIdentityExceptionStatus {
        metadata: Metadata = "metadata",
        status: String = "status",
    }
}

pub fn definitions() -> Vec<Definition> {
    const AGE: (&str, &str, &str) = ("Age", "date", ".metadata.creationTimestamp");
    let of = |kind, plural, columns, schema| Definition {
        group: POD_IDENTITY.0,
        kind,
        plural,
        unapproved: true,
        columns,
        versions: vec![Version { name: POD_IDENTITY.1, schema, deprecated: Deprecated::No }],
    };
    vec![
        of("AzureAssignedIdentity", "azureassignedidentities", &[], AzureAssignedIdentity::schema()),
        of(
            "AzureIdentity",
            "azureidentities",
            &[("Type", "string", ".spec.type"), ("ClientID", "string", ".spec.clientID"), AGE],
            AzureIdentity::schema(),
        ),
        of(
            "AzureIdentityBinding",
            "azureidentitybindings",
            &[("AzureIdentity", "string", ".spec.azureIdentity"), ("Selector", "string", ".spec.selector"), AGE],
            AzureIdentityBinding::schema(),
        ),
        of("AzurePodIdentityException", "azurepodidentityexceptions", &[], AzurePodIdentityException::schema()),
    ]
}
