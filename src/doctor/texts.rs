//! The texts of components that the chain knows, for a text that somebody pasted: every link of every mode and delivery is asked, without
//! any workload or cluster. What `verify` and `doctor` learn, this learns.

use super::beyond;
use crate::{
    chain::{
        facts::{Bound, BoundIdentity, Delivered, Parameters, VaultFacts},
        link::{Link, Meaning as Means, Symptom, folded},
        page::Page,
    },
    deliveries::{self, Delivery as _},
    engine::{desired::Requester, input::Input},
    modes,
    resources::world::ClusterTarget,
};

/// What a pasted text means.
pub struct Meaning {
    pub page: &'static Page,
    /// Its link: its word, and what it is.
    pub link: Option<(&'static str, String)>,
    /// The modes and deliveries that have the link.
    pub of: Vec<&'static str>,
    /// The line in which it was found, and the part that told it.
    pub line: String,
    pub part: &'static str,
    /// What it says; None: it depends on the workload, or the component only waited for an earlier link.
    pub what: Option<&'static str>,
    /// podid's command that makes the link again.
    pub again: Option<String>,
}

struct Known {
    symptom: &'static Symptom,
    page: &'static Page,
    link: Option<(&'static str, String)>,
    of: &'static str,
    again: Option<String>,
}

/// A workload of which only the words in capitals are known that stand for names.
fn nameless(mode: &'static str, delivery: &'static str) -> (Bound, Delivered) {
    let cluster = ClusterTarget { name: "CLUSTER".into(), context: "CLUSTER".into(), hosts: Input::Known(Vec::new()) };
    let identity =
        BoundIdentity { key: None, name: "IDENTITY".into(), resource_group: Some("GROUP".into()), resource_id: None, client_id: None };
    let (app, by, namespace) = ("APP".to_owned(), Requester::Command, "NAMESPACE".to_owned());
    let bound = Bound {
        mode,
        app: app.clone(),
        by,
        cluster: cluster.clone(),
        namespace: namespace.clone(),
        subject: "NAME".into(),
        name: "NAME".into(),
        identity,
        objects: [].into(),
        keys: Vec::new(),
        flags: Vec::new(),
    };
    let vault = VaultFacts { name: "VAULT".into(), resource_group: Some("GROUP".into()), uri: None, rbac: None };
    let delivered = Delivered {
        delivery,
        app,
        by,
        cluster,
        namespace,
        name: "NAME".into(),
        subject: None,
        vault,
        objects: Vec::new(),
        synced: Vec::new(),
        parameters: Parameters::new(),
        keys: Vec::new(),
    };
    (bound, delivered)
}

fn of_links(links: Vec<Link>, of: &'static str) -> impl Iterator<Item = Known> {
    links.into_iter().flat_map(move |link| {
        let again = (!link.again.is_empty()).then(|| format!("podid {}", link.again.join(" ")));
        let symptoms = link.symptoms.iter();
        let known = move |symptom: &'static Symptom| Known {
            symptom,
            page: symptom.page.unwrap_or(link.page),
            link: Some((link.name.word, link.title.clone())),
            of,
            again: again.clone(),
        };
        symptoms.map(known)
    })
}

fn all() -> Vec<Known> {
    let mut all = Vec::new();
    for mode in modes::all() {
        let (bound, _) = nameless(mode.name(), "");
        all.extend(of_links(mode.chain(&bound), mode.name()));
    }
    let (bound, _) = nameless("", "");
    for delivery in deliveries::all() {
        let (_, delivered) = nameless("", delivery.name());
        all.extend(of_links(delivery.chain(&delivered, &bound), delivery.name()));
    }
    let (_, blobs) = nameless("", "");
    all.extend(of_links(deliveries::blobs::Blobs.chain(&blobs, &bound), "storage"));
    let beyond = beyond::TEXTS.iter().filter_map(|symptom| Some(Known { symptom, page: symptom.page?, link: None, of: "", again: None }));
    all.extend(beyond);
    all
}

/// What a text means, line by line, the most telling first: a long part tells more than a short one.
pub fn meanings(text: &str) -> Vec<Meaning> {
    let mut found: Vec<Meaning> = Vec::new();
    let known = all();
    for line in messages(text) {
        let folded = folded(&line);
        for one in &known {
            let Some(part) = one.symptom.found(&folded) else { continue };
            if let Some(same) = found.iter_mut().find(|same| same.page.code == one.page.code) {
                if !one.of.is_empty() && !same.of.contains(&one.of) {
                    same.of.push(one.of);
                }
                if part.len() > same.part.len() {
                    same.part = part;
                }
                continue;
            }
            let what = match one.symptom.means {
                Means::Known { what, .. } => Some(what),
                Means::Read(_) | Means::Waiting => None,
            };
            found.push(Meaning {
                page: one.page,
                link: one.link.clone(),
                of: if one.of.is_empty() { Vec::new() } else { vec![one.of] },
                line: line.clone(),
                part,
                what,
                again: one.again.clone(),
            });
        }
    }
    // what only waited comes after what it waited for
    let waits = |meaning: &Meaning| known.iter().any(|k| k.page.code == meaning.page.code && matches!(k.symptom.means, Means::Waiting));
    found.sort_by_key(|meaning| (waits(meaning), std::cmp::Reverse(meaning.part.len())));
    found
}

/// The messages of a text. A message has several lines where an error lists a request and its answer, or where a terminal or a mail wrapped
/// it; what tells the cause from something that looks like it may be in another line.
fn messages(text: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        match messages.last_mut().filter(|_| !begins(&words)) {
            Some(message) => {
                message.push(' ');
                message.push_str(&words);
            }
            None => messages.push(words),
        }
    }
    messages
}

/// Whether a line is the first one of a message: as klog, logrus, JSON and a container runtime write it, or as kubectl lists an event.
fn begins(line: &str) -> bool {
    let mut bytes = line.bytes();
    let is_klog =
        matches!(bytes.next(), Some(b'E' | b'W' | b'I' | b'F')) && line.get(1..5).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let is_time = line.get(..5).is_some_and(|start| start.ends_with('-') && start[..4].bytes().all(|b| b.is_ascii_digit()));
    let is_event = line.split(' ').take(4).any(|word| matches!(word, "Warning" | "Normal"));
    is_klog || is_time || is_event || ["{\"", "time=", "level=", "panic:"].iter().any(|start| line.starts_with(start))
}

/// The codes that texts lead to.
#[cfg(test)]
fn codes() -> impl Iterator<Item = crate::chain::page::Code> {
    all().into_iter().map(|known| known.page.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::catalog;

    fn first(text: &str) -> u16 {
        meanings(text).first().map(|meaning| meaning.page.code.0).unwrap_or_default()
    }

    /// Texts as the components, Entra and Key Vault really write them, in the details of several versions.
    #[test]
    fn texts_of_the_field_lead_to_their_codes() {
        let texts: &[(&str, u16)] = &[
            ("AADSTS70021: No matching federated identity record found for presented assertion. Assertion Issuer: 'https://x/'.", 3020),
            (
                "ClientAssertionCredential authentication failed. AADSTS700211: No matching federated identity record found for presented assertion issuer 'https://eastus.oic.prod-aks.azure.com/t/g/'.",
                3021,
            ),
            (
                "AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:web'.",
                3022,
            ),
            (
                "AADSTS700212: No matching federated identity record found for presented assertion audience 'api://AKSIdentityBinding'.",
                3023,
            ),
            (
                "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-01-01T00:00:00Z, assertion valid from …",
                4011,
            ),
            ("AADSTS700016: Application with identifier '/subscriptions/x' was not found in the directory 'Contoso'.", 4012),
            ("AADSTS90061: Request to External OIDC endpoint failed.", 4014),
            ("AADSTS7000222: The provided client secret keys for app 'x' are expired.", 4025),
            (
                "E0412 nmi.go:1] failed to get identities, error: getting assigned identities for pod shop/web-0 in CREATED state failed after 16 attempts, retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors",
                4004,
            ),
            ("getting assigned identities for pod shop/web-0 in ASSIGNED state failed after 20 attempts, retry duration [5]s", 3006),
            ("no azure identity found for request clientID 4f4e##### REDACTED #####2b3c", 4006),
            ("failed to match pod IP 10.240.0.4 with pod in the informer cache", 2013),
            (
                "F0101 main.go:86] AAD Pod Identity is not supported for Kubenet. Review https://azure.github.io/aad-pod-identity/docs/configure/aad_pod_identity_on_kubenet/",
                1113,
            ),
            (
                "Code=\"LinkedAuthorizationFailed\" Message=\"The client 'c' with object id 'o' has permission to perform action 'Microsoft.Compute/virtualMachineScaleSets/write' on scope 's'; however, it does not have permission to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action'\"",
                5010,
            ),
            (
                "compute.VirtualMachineScaleSetsClient#Get: Failure responding: StatusCode=403 -- Original Error: Code=\"AuthorizationFailed\" Message=\"The client 'c' does not have authorization to perform action 'Microsoft.Compute/virtualMachineScaleSets/read' over scope '/subscriptions/…'\"",
                5010,
            ),
            (
                "ignoring azure identity default/demo, error: invalid resource id: \"\", must match /subscriptions/<subid>/resourcegroups/<resourcegroup>/providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>",
                3002,
            ),
            ("{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}", 4003),
            ("ResourceIdentity identityId '/subscriptions/x' cannot be duplicated in the provided identityIds list", 3008),
            ("dial tcp 127.0.0.1:2579: connect: connection refused", 1110),
            (
                "Get \"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\": dial tcp 169.254.169.254:80: i/o timeout",
                4018,
            ),
            ("nmi response failed with status code: 404, response body: getting assigned identities for pod", 4004),
            (
                "MountVolume.SetUp failed for volume \"s\" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name secrets-store.csi.k8s.io not found in the list of registered CSI drivers",
                1120,
            ),
            (
                "rpc error: code = Unknown desc = failed to mount secrets store objects for pod shop/web, err: error connecting to provider \"azure\": provider not found: provider \"azure\"",
                1121,
            ),
            ("failed to get secretproviderclass shop/web, error: SecretProviderClass.secrets-store.csi.x-k8s.io \"web\" not found", 8012),
            ("failed to get credentials, nodePublishSecretRef secret is not set", 8011),
            ("only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy", 8011),
            ("keyvaultName is not provided", 8013),
            ("unmarshal failed for keyVaultObjects at index 0", 8013),
            ("failed to parse workload identity tokens, error: service account tokens not found", 1123),
            ("token for audience api://AzureADTokenExchange not found", 1123),
            (
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
                4019,
            ),
            ("file matching objectName conn not found in the pod", 8013),
            ("grpc: received message larger than max (5242880 vs. 4194304)", 8015),
            (
                "secrets is forbidden: User \"system:serviceaccount:kube-system:secrets-store-csi-driver\" cannot create resource \"secrets\" in API group",
                8502,
            ),
            (
                "StatusCode=403 -- Original Error: autorest/azure: Service returned an error. Status=403 Code=\"Forbidden\" Message=\"The user, group or application 'appid=a;oid=b;iss=c' does not have secrets get permission on key vault 'kv;location=westus'.\" InnerError={\"code\":\"ForbiddenByPolicy\"}",
                6001,
            ),
            (
                "Caller is not authorized to perform action on resource.\\r\\nIf role assignments, deny assignments or role definitions were changed recently",
                6001,
            ),
            ("Client address is not authorized and caller is not a trusted service. InnerError={\"code\":\"ForbiddenByFirewall\"}", 7002),
            ("dial tcp: lookup kv-shop.vault.azure.net on 10.0.0.10:53: no such host", 7003),
            ("Get \"https://kv.vault.azure.net/secrets/conn/?api-version=7.0\": dial tcp 20.1.2.3:443: i/o timeout", 7005),
            ("SecretNotFound: A secret with (name/id) conn was not found in this key vault.", 8001),
            ("Operation get is not permitted on this object.", 8002),
            ("AKV10032: Invalid issuer. Expected one of https://sts.windows.net/a/, found https://sts.windows.net/b/.", 7006),
            ("StatusCode=429 Code=\"TooManyRequests\"", 7004),
            (
                "Get \"https://kv.vault.azure.net/secrets/conn/?api-version=7.4\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
                7010,
            ),
            (
                "Error creating: Internal error occurred: failed calling webhook \"mutation.azure-workload-identity.io\": failed to call webhook: Post \"https://azure-wi-webhook-webhook-service.kube-system.svc:443/mutate-v1-pod?timeout=10s\": no endpoints available for service \"azure-wi-webhook-webhook-service\"",
                1102,
            ),
            (
                "failed calling webhook \"mutation.azure-workload-identity.io\": Post \"https://azure-wi-webhook-webhook-service…\": context deadline exceeded",
                1102,
            ),
            ("WorkloadIdentityCredential authentication unavailable. The workload options are not fully configured.", 4022),
            ("WorkloadIdentityCredential: no client ID specified. Check pod configuration or set ClientID in the options", 4022),
            ("The client_id parameter or AZURE_CLIENT_ID environment variable must be set", 4017),
            (
                "Failed to pull image \"r.azurecr.io/web:1\": failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
                2008,
            ),
            ("Back-off pulling image \"nginx:nope\"", 2008),
            ("0/3 nodes are available: 3 Insufficient cpu.", 2002),
            ("admission webhook \"validation.gatekeeper.sh\" denied the request: [azurepolicy-k8sazurev2hostnetworking] nmi", 1005),
            ("invalid character '/' looking for beginning of value", 1131),
            ("no volume plugin matched name: azure/kv", 1130),
            (
                "PodIdentityAddonIdentitiesAssignmentError: Cluster identity has no assignment permission over identity 'resourceId: x'. Please grant at least 'Managed Identity Operator' permission",
                3009,
            ),
            ("Cannot set policies to a vault with '--enable-rbac-authorization' specified", 6005),
            ("ConflictError: A vault with the same name already exists in deleted state.", 7007),
            ("no matches for kind \"AzureIdentity\" in version \"aadpodidentity.k8s.io/v1\"", 1009),
            ("User \"system:serviceaccount:shop:web\" cannot use-managed-identity resource", 3031),
        ];
        let wrong: Vec<String> = texts
            .iter()
            .filter(|(text, code)| first(text) != *code)
            .map(|(text, code)| format!("{code}: {text}: {:?}", meanings(text).iter().map(|m| (m.page.code.0, m.part)).collect::<Vec<_>>()))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// `CODE` or `-`, then a text as a component of some version writes it, whose line breaks are `\\n`.
    fn field_texts() -> impl Iterator<Item = (u16, String)> {
        include_str!("texts/field.txt").lines().map(|line| {
            let (code, text) = line.split_once(' ').unwrap();
            (code.parse().unwrap_or_default(), text.replace("\\n", "\n"))
        })
    }

    /// The headers and the quoting of logs and events, and wrapped lines, change nothing.
    #[test]
    fn texts_of_many_versions_lead_to_their_codes_however_they_are_printed() {
        let mut wrong = Vec::new();
        for (code, text) in field_texts() {
            let line = text.replace('\n', " ");
            let mut printed = vec![
                text.clone(),
                format!("E0101 12:00:00.000000       1 server.go:12] {line}"),
                serde_json::json!({ "level": "error", "ts": "2026-01-01T00:00:00Z", "msg": &text }).to_string(),
                format!("  Warning  FailedMount  2m (x12 over 20m)  kubelet  {line}"),
                format!("2026-01-01T12:00:00.123456789Z stderr F {line}"),
                format!("E0101 12:00:00.000000 1 server.go:51] \"failed\" err={}", serde_json::json!(line)),
                line.to_uppercase(),
            ];
            if code != 0 {
                printed.push(format!("I0101 12:00:00.000000 1 x.go:1] started\n{line}\nE0101 12:00:00.000000 1 x.go:1] something else"));
                printed.push(wrapped(&line));
            }
            wrong.extend(
                printed.into_iter().filter(|text| first(text) != code).map(|text| {
                    format!("{code}: {text}: {:?}", meanings(&text).iter().map(|m| (m.page.code.0, m.part)).collect::<Vec<_>>())
                }),
            );
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn wrapped(line: &str) -> String {
        let mut lines = vec![String::new()];
        for word in line.split(' ') {
            if lines.last().is_some_and(|line| line.len() + word.len() > 70) {
                lines.push("    ".to_owned());
            }
            let last = lines.last_mut().unwrap();
            last.push_str(word);
            last.push(' ');
        }
        lines.join("\n")
    }

    #[test]
    fn casing_does_not_count_and_numbers_are_whole() {
        assert_eq!(first("aadsts700213"), 3022);
        assert_eq!(first("AADSTS7002139: something else"), 0);
        assert_eq!(first("hello"), 0);
    }

    #[test]
    fn what_only_waited_comes_last() {
        let text = "getting assigned identities for pod shop/web in CREATED state failed after 16 attempts\nLinkedAuthorizationFailed";
        let codes: Vec<u16> = meanings(text).iter().map(|meaning| meaning.page.code.0).collect();
        assert_eq!(codes, [5010, 4004]);
    }

    #[test]
    fn every_text_has_a_page() {
        let pages = catalog::pages();
        for code in codes() {
            assert!(pages.contains_key(&code), "{code}");
        }
    }
}
