//! The settings of pod identity: fields of a workload, and flags of `podid bind`.

use crate::spec::{
    names::{dns_subdomain, label_value},
    settings::{Flag, Rule, Setting, Word},
};

pub const NAME: &str = "names.azureIdentity";
pub const BINDING: &str = "names.azureIdentityBinding";
pub const SELECTOR: &str = "selector";
pub const OPERATOR_SCOPE: &str = "operatorScope";

/// The words of `operatorScope` that are wider than the identity.
pub const RESOURCE_GROUP: &str = "resourceGroup";
pub const SUBSCRIPTION: &str = "subscription";

pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        field: SELECTOR,
        rule: Rule::Text(label_value),
        flag: Some(Flag {
            name: "selector",
            value: "SELECTOR",
            help: "Value of the pod label aadpodidbinding; default: name of the AzureIdentity",
            unbinds: false,
            is_rare: false,
        }),
    },
    Setting {
        field: NAME,
        rule: Rule::Text(dns_subdomain),
        flag: Some(Flag {
            name: "name",
            value: "NAME",
            help: "Name of the AzureIdentity; default: name of the managed identity",
            unbinds: true,
            is_rare: false,
        }),
    },
    Setting {
        field: BINDING,
        rule: Rule::Text(dns_subdomain),
        flag: Some(Flag {
            name: "binding",
            value: "BINDING",
            help: "Name of the AzureIdentityBinding; default: NAME-binding",
            unbinds: true,
            is_rare: false,
        }),
    },
    Setting {
        field: OPERATOR_SCOPE,
        rule: Rule::Words(&[
            Word { spec: "identity", flag: "identity", help: "The identity itself" },
            Word { spec: RESOURCE_GROUP, flag: "resource-group", help: "The identity's resource group" },
            Word { spec: SUBSCRIPTION, flag: "subscription", help: "The subscription" },
        ]),
        flag: Some(Flag {
            name: "operator-scope",
            value: "OPERATOR_SCOPE",
            help: "Scope at which the cluster gets the role Managed Identity Operator",
            unbinds: false,
            is_rare: true,
        }),
    },
];
