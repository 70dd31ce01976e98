//! What the webhook, the API server that asks it, and the SDKs in a pod report (azure-workload-identity 1.6; azidentity, Azure.Identity).

use super::pages;
use crate::chain::{
    ground::NO_METADATA,
    link::{Heals, Link, Meaning, RESTART, Symptom},
    pages as common,
    view::View,
};

fn make_again(view: &View<'_>, _: &Link) -> String {
    let namespace = &view.bound.namespace;
    format!("Give the pod template the label and make the pods again: `kubectl rollout restart deployment -n {namespace}`.")
}

pub const OF_ACCOUNT: &[Symptom] = &[Symptom::known(
    &["error looking up service account", "serviceaccount \"", "serviceaccounts \""],
    Heals::Never,
    "the service account of the pods does not exist",
    |view, link| format!("Make it again: {}.", view.again(&link.again)),
)
.only_if(|text| text.contains("\" not found"))];

/// A webhook that does not answer keeps all pods with the label from being created: <https://github.com/Azure/AKS/issues/4139>
pub const OF_WEBHOOK: &[Symptom] = &[
    Symptom::known(
        &[
            "admission webhook \"mutation.azure-workload-identity.io\" denied",
            "cannot inject proxy sidecar",
            "Expected value to be between 3600 and 86400",
            "failed to get service account token expiration",
            "failed to parse proxy sidecar port",
        ],
        Heals::Never,
        "the webhook of Workload ID refuses the pod",
        |_, _| "Correct the annotation azure.workload.identity/… of the pod or its service account.".into(),
    )
    .unless(&["AADSTS", "serviceaccount \""])
    .page(&pages::WEBHOOK_DENIES),
    Symptom::known(
        &["mutation.azure-workload-identity.io", "azure-wi-webhook-webhook-service", "certs are not ready yet"],
        Heals::Within(RESTART),
        "the webhook of Workload ID does not answer, so no pod with the label is created",
        |_, _| "Look whether its pods are ready: `kubectl get pods -A -l azure-workload-identity.io/system=true`.".into(),
    )
    .unless(&["denied the request"])
    .page(&pages::WEBHOOK_SILENT),
];

/// The pod's check, or the SDK of an app, found no token file.
pub const OF_POD: &[Symptom] = &[
    Symptom::new(
        &[
            "AZURE_FEDERATED_TOKEN_FILE",
            "/azure-identity-token",
            "no token file specified",
            "no client ID specified. Check pod configuration",
            "no tenant ID specified. Check pod configuration",
            "The workload options are not fully configured",
            "WorkloadIdentityCredential authentication unavailable",
            "federatedTokenFilePath are required parameters",
        ],
        Meaning::Waiting,
    )
    .unless(&["AADSTS", "AZURE_FEDERATED_TOKEN_FILE=/"])
    .only_if(|text| {
        !text.contains("azure-identity-token") || ["no such file", "not found", "could not find"].iter().any(|why| text.contains(why))
    })
    .page(&pages::NO_TOKEN_FILE),
    Symptom::known(
        &["The client_id parameter or AZURE_CLIENT_ID environment variable must be set", "The client_id parameter is required"],
        Heals::Never,
        "the migration sidecar does not know which identity is meant",
        make_again,
    )
    .page(&pages::PROXY),
    Symptom::known(NO_METADATA, Heals::Never, "the app asks the metadata service, and not Entra, for its token", make_again)
        .page(&common::METADATA),
    Symptom::known(&["169.254.169.254"], Heals::Never, "the app asks the metadata service, and not Entra, for its token", make_again)
        .unless(&["AADSTS", "getting assigned identities", "no azure identity found", "iptables", "latest/meta-data"])
        .page(&common::METADATA),
];
