//! What kubelet, the driver and its Azure provider report of a volume (texts of secrets-store-csi-driver 0.0.5 to 1.6, and of its Azure
//! provider 0.0.1 to 1.8).

use super::pages;
use crate::chain::{
    ground,
    link::{ABSENT, Heals, Link, RESTART, Symptom},
    pages as common,
    view::View,
};
use std::time::Duration;

/// A class that was just written may be unknown to the driver's cache for a moment.
const CACHE: Duration = Duration::from_secs(10);

pub fn of_volume() -> Vec<&'static Symptom> {
    [OF_CLASS, OF_DRIVER, OF_PROVIDER].into_iter().flatten().chain(ground::of_objects()).collect()
}

fn class_again(view: &View<'_>, link: &Link) -> String {
    format!("Write it again: {}.", view.again(&link.again))
}

pub const OF_CLASS: &[Symptom] = &[
    Symptom::known(
        &[
            "nodePublishSecretRef secret is not set",
            "nodePublishSecretRef secret is not provided",
            "only one identity mode",
            "cannot enable both pod identity and",
            "failed to create auth config",
            "clientID is required for identity binding",
            "no identity mode is enabled",
            "no valid identity access mode",
            "no valid credentials",
            "No credentials provided for AAD application",
        ],
        Heals::Never,
        "the SecretProviderClass does not set exactly one identity mode",
        class_again,
    )
    .page(&pages::CLASS_MODE),
    Symptom::known(
        &[
            "could not find clientid in secrets",
            "could not find clientsecret in secrets",
            "failed to get NodePublishSecretRef",
            "fetching NodePublishSecretRef",
            "nodePublishSecretRef not found",
            "NodePublishSecretRefNotFound",
            "failed to get node publish secret",
        ],
        Heals::Within(RESTART),
        "the Secret that the volume names for a service principal is not there, or not what the provider reads",
        |view, _| {
            format!(
                "It needs the keys `clientid` and `clientsecret`, and the label secrets-store.csi.k8s.io/used=true: `kubectl get secrets -n {} --show-labels`.",
                view.bound.namespace
            )
        },
    )
    .page(&pages::PASSWORD),
    Symptom::known(
        &[
            "failed to get secretproviderclass",
            "failed to get secret provider class",
            "could not find secretproviderclass",
            "could not find a matching SecretProviderClass",
            "secretproviderclasses.secrets-store.csi.x-k8s.io \"",
            "secretproviderclass.secrets-store.csi.x-k8s.io \"",
        ],
        Heals::Within(CACHE),
        "the driver does not find the SecretProviderClass",
        class_again,
    )
    .unless(&["is forbidden"])
    .page(&pages::CLASS_MISSING),
    Symptom::known(
        &["Multiple user assigned identities exist"],
        Heals::Never,
        "the SecretProviderClass names no identity of the node, which has several",
        class_again,
    )
    .page(&common::NODE_IDENTITY),
    Symptom::known(&["message larger than max"], Heals::Never, "the SecretProviderClass mounts more than the driver can pass on", |_, _| {
        "Divide its objects among several classes.".into()
    })
    .page(&pages::TOO_LARGE),
    Symptom::known(
        &[
            "keyvaultName is not provided",
            "keyvaultName is not set",
            "tenantId is not provided",
            "tenantId is not set",
            "subscriptionId is not set",
            "resourceGroup is not set",
            "secretProviderClass is not set",
            "objects is not set",
            "objects array is empty",
            "failed to yaml unmarshal",
            "unmarshal failed for keyVaultObjects",
            "Invalid vault name",
            "must be between 3 and 24 chars",
            "cloudName ",
            "provider not set in ",
            "parameters not set in ",
            "failed to parse usePodIdentity flag",
            "failed to parse useVMManagedIdentity flag",
            "failed to parse useAzureTokenProxy flag",
            "Invalid vaultObjectTypes",
            "invalid objectFormat",
            "invalid objectEncoding",
            "PFX format only supported",
            "objectEncoding only supported",
            "file permission must be a valid octal number",
            "file name must",
            "invalid path: must",
            "invalid filepath: ",
            "failed to validate secret object",
            "failed validation for secret object",
            "file matching objectName",
            "in secretObjects.data",
            "Only 'tls.key' and 'tls.crt' are supported",
            "Only tls.key and tls.crt are supported",
            "failed to get cert data from file",
            "failed to parse key for type pkcs1",
            "failed to get certificate. unknown content type",
        ],
        Heals::Never,
        "the provider cannot read the SecretProviderClass",
        class_again,
    )
    .only_if(|text| !text.contains("cloudname ") || text.contains("is not valid"))
    .page(&pages::CLASS_UNREADABLE),
];

pub const OF_DRIVER: &[Symptom] = &[
    Symptom::known(
        &[
            "not found in the list of registered CSI drivers",
            "no CSIDriver object",
            "not supported by driver secrets-store.csi.k8s.io",
            "CSI driver secrets-store.csi.k8s.io not found",
            "deploy a CSIDriver object to set podInfoOnMount",
            // the same in the provider since 1.8
            "pod name is not provided",
            "pod namespace is not provided",
        ],
        Heals::Within(ABSENT),
        "the Secrets Store CSI driver is not on the pod's node",
        |view, _| {
            format!(
                "Enable the add-on azure-keyvault-secrets-provider of the cluster {}, or install the driver's chart; `kubectl get csinodes` shows which nodes have it.",
                view.bound.cluster.name
            )
        },
    ),
    Symptom::known(&[":9808: bind:", ":8095: bind:"], Heals::Never, "another program has a port of the CSI driver on the node", |_, _| {
        "Look for a second installation: `kubectl get daemonsets -A | grep -E 'secrets-store|csi'`.".into()
    }),
    Symptom::known(
        &["code = Unavailable", "csi.sock"],
        Heals::Within(RESTART),
        "the CSI driver does not answer on the pod's node",
        |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep secrets-store`.".into(),
    )
    .unless(PROVIDER_TEXTS)
    .only_if(|text| ["secrets-store", "mountvolume", "kubernetes.io/csi"].iter().any(|part| text.contains(part))),
];

const PROVIDER_TEXTS: &[&str] = &[
    "error connecting to provider",
    "azure.sock",
    "provider not found",
    "failed to find provider",
    "failed to lookup provider client",
    "provider healthcheck failed",
    "Minimum supported azure provider version",
    ":8989: bind:",
    ":8898: bind:",
];

pub const OF_PROVIDER: &[Symptom] =
    &[Symptom::known(PROVIDER_TEXTS, Heals::Within(RESTART), "the driver's Azure provider does not answer on the pod's node", |_, _| {
        "Look whether it runs on that node: `kubectl get pods -A -o wide | grep provider-azure`.".into()
    })];

pub const OF_SYNC: &[Symptom] = &[Symptom::known(
    &[
        "secrets is forbidden",
        "cannot create resource \"secrets\"",
        "cannot patch resource \"secrets\"",
        "cannot update resource \"secrets\"",
        "cannot list resource \"secrets\"",
        "cannot get resource \"secrets\"",
        "cannot watch resource \"secrets\"",
    ],
    Heals::Never,
    "the CSI driver may not write Kubernetes Secrets",
    |_, _| "With its Helm chart set `secrets-store-csi-driver.syncSecret.enabled=true`; the AKS add-on has that right always.".into(),
)
// somebody else lacks rights at Secrets, too
.only_if(|text| text.contains("secrets-store"))];

#[cfg(test)]
mod tests {
    use super::{super::names::DRIVER as DRIVER_NAME, *};
    use crate::chain::link::Meaning;

    #[test]
    fn a_driver_that_is_missing_ends_a_proof_within_seconds() {
        let text = format!("MountVolume.SetUp failed: driver name {DRIVER_NAME} not found in the list of registered CSI drivers");
        let symptom = OF_DRIVER.iter().find(|symptom| symptom.fits(&text)).unwrap();
        let Meaning::Known { heals, .. } = symptom.means else { panic!("it means one thing") };
        assert!(heals.is_over(Duration::from_secs(8)));
    }

    #[test]
    fn a_provider_that_died_is_not_taken_for_the_driver() {
        let tables = [("class", OF_CLASS), ("driver", OF_DRIVER), ("provider", OF_PROVIDER), ("sync", OF_SYNC)];
        let of = |text: &str| tables.iter().find(|(_, table)| table.iter().any(|s| s.fits(text))).map(|(link, _)| *link);
        let dead = |socket: &str| {
            format!(
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix {socket}: connect: connection refused\""
            )
        };
        assert_eq!(of(&dead("/var/run/secrets-store-csi-providers/azure.sock")), Some("provider"));
        assert_eq!(of(&dead("/var/lib/kubelet/plugins/csi-secrets-store/csi.sock")), Some("driver"));
        assert_eq!(of("error connecting to provider \"azure\": provider not found: provider \"azure\""), Some("provider"));
    }
}
