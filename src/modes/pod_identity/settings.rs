//! The settings of pod identity: fields of a workload, and flags of `podid bind`.

use crate::{
    modes::aad,
    spec::{
        names::dns_subdomain,
        settings::{Flag, Rule, Setting},
    },
};

pub(super) static SETTINGS: &[Setting] = &[
    aad::SELECTOR_SETTING,
    aad::NAME_SETTING,
    Setting {
        field: aad::BINDING_NAME,
        rule: Rule::Text(dns_subdomain),
        flag: Some(Flag {
            name: "binding",
            value: "BINDING",
            help: "Name of the AzureIdentityBinding; default: NAME-binding",
            unbinds: true,
            is_rare: false,
        }),
    },
    aad::OPERATOR_SETTING,
    aad::CONTRIBUTOR_SETTING,
    aad::NAMESPACED_SETTING,
];
