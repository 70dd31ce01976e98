//! The settings of the add-on: those of pod identity, but for the binding's name, which AKS chooses, and the consent to kubenet.

use crate::{
    modes::aad,
    spec::settings::{Flag, Rule, Setting, Word},
};

pub(super) const KUBENET: &str = "kubenet";
pub(super) const ALLOWED: &str = "allow";

pub(super) static SETTINGS: &[Setting] = &[
    aad::SELECTOR_SETTING,
    aad::NAME_SETTING,
    aad::OPERATOR_SETTING,
    Setting {
        field: KUBENET,
        rule: Rule::Words(&[
            Word { spec: "refuse", flag: "refuse", help: "Refuse a cluster with kubenet" },
            Word { spec: ALLOWED, flag: ALLOWED, help: "Accept that a pod with NET_RAW can get the tokens of others" },
        ]),
        flag: Some(Flag {
            name: "kubenet",
            value: "KUBENET",
            help: "Whether the add-on may run on a cluster with kubenet",
            unbinds: false,
            is_rare: true,
        }),
    },
];
