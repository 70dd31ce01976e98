//! Explains what AKS refuses: quotas, versions, and settings that do not go together.

use super::message::Failure;
use crate::{azure::Error, exit::Exit};

/// Codes of quotas; some are about cores, one about the number of clusters.
const QUOTAS: &[&str] = &[
    "QuotaExceeded",
    "ManagedClusterCountExceedsQuotaLimit",
    "InsufficientVCPUQuota",
    "ErrCode_InsufficientVCPUQuota",
    "InsufficientCoresQuota",
];

pub(super) fn explained(error: &Error) -> Option<Failure> {
    let (Error::Refused { code, message, .. } | Error::Conflict { code, message } | Error::NotFound { code, message }) = error else {
        return None;
    };
    let of = |what: &str| Failure::new(Exit::Failed, what).because(message.clone());
    Some(match code.as_str() {
        "NoRegisteredProviderFound" => of("this podid asks for an API version that Azure does not know, no longer or not yet")
            .hint("Install the newest podid. If it is the newest already, the region or the cloud does not have this version yet."),
        code if QUOTAS.contains(&code) => of(&format!("a quota of the subscription is exceeded ({code})"))
            .hint("Use another region with `--location`, fewer nodes with `--node-count`, or another size with `--vm-size`; or ask for a higher quota: `az vm list-usage -l LOCATION -o table` shows those of cores.")
            .hint("There is also a quota of clusters for each region, so it need not be about cores."),
        "K8sVersionNotSupported" => of("AKS does not offer this Kubernetes version")
            .hint("See the offered ones with `az aks get-versions -l LOCATION -o table`; without `--kubernetes-version`, AKS chooses."),
        "ServicePrincipalNotFound" => of("Entra does not know the service principal of the cluster")
            .hint("Check its client id with `az ad sp show --id CLIENT-ID`. A new one takes a few minutes: run the same command again."),
        _ if message.starts_with("PodIdentity addon requires managed identity") => of("the pod identity add-on needs a cluster with a managed identity")
            .hint("Change the cluster with `az aks update -g GROUP -n CLUSTER --enable-managed-identity`, or install MIC and NMI instead of the add-on."),
        _ if message.contains("set to disable local accounts") => of("the cluster only takes Entra logins: its local accounts are disabled")
            .hint("Leave `--admin` out."),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, message: &str) -> Option<String> {
        let error = Error::Refused { status: 400, code: code.to_owned(), message: message.to_owned() };
        explained(&error).map(|failure| format!("{} / {} / {}", failure.message, failure.causes.join(" "), failure.hints.join(" ")))
    }

    #[test]
    fn a_quota_is_told_with_what_to_change() {
        let text = "Operation results in exceeding quota limits for managed clusters. Maximum allowed: 5, Current usage: 5";
        let told = told("ManagedClusterCountExceedsQuotaLimit", text).unwrap();
        assert!(
            told.contains("quota") && told.contains(text) && told.contains("`--location`") && told.contains("need not be about cores"),
            "{told}"
        );
    }

    #[test]
    fn a_version_that_azure_does_not_know_is_podids() {
        let told = told("NoRegisteredProviderFound", "No registered resource provider found for location 'x' and API version 'y'").unwrap();
        assert!(told.starts_with("this podid asks for an API version"), "{told}");
    }

    #[test]
    fn a_refusal_by_its_text_has_a_way_out_and_others_are_left_alone() {
        assert!(told("BadRequest", "PodIdentity addon requires managed identity.").unwrap().contains("--enable-managed-identity"));
        let text = "Getting static credential isn't allowed because this cluster is set to disable local accounts.";
        assert!(told("BadRequest", text).unwrap().contains("`--admin`"));
        assert_eq!(told("BadRequest", "something else"), None);
    }
}
