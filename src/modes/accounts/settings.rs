//! The settings that the modes of Workload ID have: fields of a workload, and flags of `podid bind`.

use crate::spec::{
    names::dns_subdomain,
    settings::{Flag, Rule, Setting, Word},
};

pub const SERVICE_ACCOUNT: &str = "serviceAccount.name";
pub const CREATE: &str = "serviceAccount.create";

pub const ACCOUNT_SETTING: Setting = Setting {
    field: SERVICE_ACCOUNT,
    rule: Rule::Text(dns_subdomain),
    flag: Some(Flag {
        name: "service-account",
        value: "NAME",
        help: "Name of the pods' service account; default: name of the managed identity",
        unbinds: true,
        is_rare: false,
    }),
};

pub const CREATE_SETTING: Setting = Setting {
    field: CREATE,
    rule: Rule::Words(&[
        Word { spec: "true", flag: "true", help: "podid creates it where it does not exist" },
        Word { spec: "false", flag: "false", help: "Somebody else creates it, such as a chart; podid only annotates it" },
    ]),
    flag: Some(Flag {
        name: "create-service-account",
        value: "CREATE",
        help: "Whether podid creates the service account",
        unbinds: false,
        is_rare: true,
    }),
};

pub const SETTINGS: &[Setting] = &[ACCOUNT_SETTING, CREATE_SETTING];
