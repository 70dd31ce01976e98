//! secrets-store.csi.x-k8s.io/v1, as the Secrets Store CSI driver has it (`apis/v1`, `config/crd/bases`); v1alpha1 has the same spec, is
//! served and deprecated.

use super::definition::{Definition, Deprecated, SECRETS_STORE, Version};
use super::schema::{Metadata, Schema, object};
use std::collections::BTreeMap;

object! {
    /// What a volume of the Secrets Store CSI driver holds, and from which provider.
    SecretProviderClass {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        spec: SecretProviderClassSpec = "spec",
        status: SecretProviderClassStatus = "status",
    }

    /// Provider, its parameters, and the Secrets that are made of the volume's files.
    SecretProviderClassSpec {
        /// Name of the provider, such as azure.
        provider: String = "provider",
        /// What the provider wants to know. Every value is a string, numbers and booleans too.
        parameters: BTreeMap<String, String> = "parameters",
        /// Secrets that are kept as long as a pod has the volume.
        secret_objects: Vec<SecretObject> = "secretObjects",
    }

    /// A Secret that is made of files of the volume.
    SecretObject {
        /// Name of the Secret.
        secret_name: String = "secretName",
        /// Type of the Secret, such as Opaque.
        of_type: String = "type",
        /// Labels of the Secret.
        labels: BTreeMap<String, String> = "labels",
        /// Annotations of the Secret.
        annotations: BTreeMap<String, String> = "annotations",
        /// Its keys.
        data: Vec<SecretObjectData> = "data",
    }

    /// One key of a Secret.
    SecretObjectData {
        /// Name of the file, which is the object's alias if it has one.
        object_name: String = "objectName",
        /// The key.
        key: String = "key",
    }

    /// Has no fields.
    SecretProviderClassStatus {}

    /// As it was before v1.
    OldSecretProviderClass {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        spec: SecretProviderClassSpec = "spec",
        status: OldSecretProviderClassStatus = "status",
    }

    /// Not used.
    OldSecretProviderClassStatus {
        by_pod: Vec<ByPodStatus> = "byPod",
    }

    /// Not used.
    ByPodStatus {
        id: String = "id",
        namespace: String = "namespace",
    }

    /// What was mounted into one pod. The driver writes it.
    SecretProviderClassPodStatus {
        api_version: String = "apiVersion",
        kind: String = "kind",
        metadata: Metadata = "metadata",
        status: SecretProviderClassPodStatusStatus = "status",
    }

    /// The pod, its class, and the versions of the objects.
    SecretProviderClassPodStatusStatus {
        pod_name: String = "podName",
        secret_provider_class_name: String = "secretProviderClassName",
        mounted: bool = "mounted",
        /// Folder of the volume on the node.
        target_path: String = "targetPath",
        objects: Vec<StatusObject> = "objects",
    }

    /// An object as it was mounted.
    StatusObject {
        /// Type and name, such as secret/password.
        id: String = "id",
        version: String = "version",
    }
}

pub fn definitions() -> Vec<Definition> {
    let of = |kind, plural, v1, old| Definition {
        group: SECRETS_STORE.0,
        kind,
        plural,
        unapproved: false,
        columns: &[],
        versions: vec![Version { name: SECRETS_STORE.1, schema: v1, deprecated: Deprecated::No }, old],
    };
    let old = |schema, deprecated| Version { name: "v1alpha1", schema, deprecated };
    let instead = "secrets-store.csi.x-k8s.io/v1alpha1 is deprecated. Use secrets-store.csi.x-k8s.io/v1 instead.";
    let class = old(OldSecretProviderClass::schema(), Deprecated::With(instead));
    let status = SecretProviderClassPodStatus::schema;
    vec![
        of("SecretProviderClass", "secretproviderclasses", SecretProviderClass::schema(), class),
        of("SecretProviderClassPodStatus", "secretproviderclasspodstatuses", status(), old(status(), Deprecated::Yes)),
    ]
}
