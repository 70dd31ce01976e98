//! The pages of faults of FlexVolume.

use crate::chain::page::Page;

pub static TEMPLATE: Page = Page::error(
    8014,
    "the FlexVolume driver cannot read the options of the volume",
    "The options stand in the pod template. Lists in them are separated by semicolons, and all have the same number of items.",
)
.causes(&[
    "a required option is missing: keyvaultname, keyvaultobjectnames, keyvaultobjecttypes, tenantid",
    "commas separate the items of a list",
])
.podid(&["podid app wire deployment/NAME -n NAMESPACE"])
.native(&["kubectl get deployment NAME -n NAMESPACE -o yaml"]);

pub static DRIVER: Page = Page::error(
    1130,
    "the FlexVolume driver is not on the pod's node",
    "Kubelet finds a FlexVolume driver as a program in a folder of the node: \"no volume plugin matched\". A DaemonSet puts it there.",
)
.causes(&["it is not installed", "its DaemonSet asks for the node label beta.kubernetes.io/os, which new nodes do not have"])
.podid(&["podid cluster install flexvolume --cluster CLUSTER"])
.native(&["kubectl get pods -n kv -o wide"]);

pub static SCRIPT: Page = Page::error(
    1131,
    "the FlexVolume driver cannot run on the pod's node",
    "Kubelet expects JSON, and got something else: \"invalid character '/' looking for beginning of value\". The driver is a shell script that needs `jq` and `findmnt`.",
)
.causes(&["`jq` or `sudo` is not in the node's image", "an option has a value that breaks the script's JSON"])
.native(&["kubectl debug node/NODE -it --image=busybox -- chroot /host which jq findmnt"]);

pub static ALL: &[&Page] = &[&TEMPLATE, &DRIVER, &SCRIPT];
