//! The links of FlexVolume, and what kubelet and the driver report when one is broken. Of an error of Key Vault the driver's script leaves
//! only the message (`sed 's/.*Message=//'` in deployment/flexvol-installer/kv).

use super::{examine, pages};
use crate::chain::{
    facts::{Bound, Delivered},
    ground,
    link::{ABSENT, Heals, Link, LinkName, Meaning, Symptom, UNKNOWN, VERSION},
    stage::{Otherwise, Reached, Stage, Until},
};

const TEMPLATE: LinkName = LinkName::new("template", &pages::TEMPLATE);
const DRIVER: LinkName = LinkName::new("driver", &pages::DRIVER);

pub(super) fn links(delivered: &Delivered, bound: &Bound) -> Vec<Link> {
    let mut links = ground::of_vault(delivered, bound);
    links.extend([
        Link::new(TEMPLATE, "the options of the FlexVolume in the pod template", Vec::new())
            .symptoms(OF_TEMPLATE)
            .examine(examine::TEMPLATE)
            .apart(),
        Link::new(DRIVER, "the FlexVolume driver on the pod's node", Vec::new()).symptoms(OF_DRIVER).examine(examine::DRIVER).apart(),
        Link::new(VERSION, "the mounted versions", Vec::new()),
        ground::container(),
    ]);
    links
}

pub(super) fn of_volume() -> Vec<&'static Symptom> {
    OF_TEMPLATE.iter().chain(OF_DRIVER).chain(ground::of_objects()).collect()
}

const OF_TEMPLATE: &[Symptom] = &[Symptom {
    any_of: &[
        "validation failed, ",
        "-vaultName is not set",
        "-vaultObjectNames is not set",
        "-tenantId is not set",
        "do not have the same number of items",
        "-vaultObjectType is invalid",
        "Invalid vault name",
    ],
    none_of: &[],
    only_if: None,
    page: None,
    means: Meaning::Known {
        heals: Heals::Never,
        what: "the FlexVolume driver cannot read the options of the volume",
        hint: |_, _| "Correct `flexVolume.options` in the pod template; the driver's README lists them.".into(),
    },
}];

const OF_DRIVER: &[Symptom] = &[
    Symptom {
        any_of: &["no volume plugin matched", "driver executable"],
        none_of: &[],
        only_if: None,
        page: None,
        means: Meaning::Known {
            heals: Heals::Within(ABSENT),
            what: "the FlexVolume driver is not on the pod's node",
            hint: |view, _| {
                format!(
                    "Install it ({}), or use another delivery; `kubectl get pods -n kv -o wide` shows on which nodes it is.",
                    view.commands.podid(&["cluster", "install", "flexvolume", "--context", &view.bound.cluster.context])
                )
            },
        },
    },
    Symptom {
        // driver-call.go of kubelet, when the script printed something else than JSON
        any_of: &["looking for beginning of value"],
        none_of: &[],
        only_if: Some(|text| ["failed to unmarshal output for command", "invalid character '/'"].iter().any(|part| text.contains(part))),
        page: Some(&pages::SCRIPT),
        means: Meaning::Known {
            heals: Heals::Never,
            what: "the FlexVolume driver cannot run on the pod's node",
            hint: |_, _| {
                "Its script needs `jq` and `findmnt` on the node: use a node image that has them (Ubuntu, Azure Linux), or `delivery: csi`."
                    .into()
            },
        },
    },
    // NMI had no token for the pod yet; the driver does not repeat why
    Symptom {
        any_of: &["nmi response failed with status code"],
        // the CSI driver's provider does
        none_of: &["response body"],
        only_if: None,
        page: Some(&crate::chain::pages::TOKEN),
        means: Meaning::Waiting,
    },
];

/// The pod starts only after the mount. Which versions were written the driver tells nobody.
pub(super) fn stages(delivered: &Delivered) -> Vec<Stage> {
    let files: Vec<String> = delivered.objects.iter().map(|object| object.file().to_owned()).collect();
    let reached = move || Reached {
        detail: format!("{}; FlexVolume does not report versions", files.join(", ")),
        versions: files.iter().map(|file| (file.clone(), None)).collect(),
    };
    vec![Stage {
        step: "mounted",
        waits_for: "waiting until the driver has mounted the secrets".into(),
        in_vain: "the pod did not get its secrets".into(),
        until: Until::runs(reached),
        link: UNKNOWN,
        otherwise: Otherwise::Chain,
        telling: &[],
        over: &[],
        report: None,
    }]
}
