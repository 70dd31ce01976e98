//! `podid bind` and `podid unbind`, with the flags that come from the tables of the modes.

use super::{change, named, refused};
use crate::{
    cli::command,
    modes,
    spec::{
        request::{Bind, Request},
        settings::{Rule, Setting, Settings},
    },
};

fn bound(line: &str) -> Bind {
    match change(line).0 {
        Request::Bind(bind) => bind,
        other => panic!("{line}: {other:?}"),
    }
}

fn settings(pairs: &[(&'static str, &str)]) -> Settings {
    let mut settings = Settings::default();
    pairs.iter().for_each(|(field, value)| settings.set(field, *value));
    settings
}

#[test]
fn flags_of_a_mode_become_its_settings() {
    assert_eq!(
        bound("bind --namespace dev-claims-podid --identity claims-api-mid --selector S --context aks-mi"),
        Bind {
            namespace: "dev-claims-podid".into(),
            identity: Some(named("claims-api-mid")),
            settings: settings(&[("selector", "S")]),
            ..Bind::default()
        }
    );
    let all = bound("bind -n ns --mode pod-identity --name n --binding b --operator-scope resource-group");
    assert_eq!(all.mode.as_deref(), Some("pod-identity"));
    let wanted = [("names.azureIdentity", "n"), ("names.azureIdentityBinding", "b"), ("operatorScope", "resourceGroup")];
    assert_eq!(all.settings, settings(&wanted));
    assert_eq!(bound("unbind -n ns --name n").settings, settings(&wanted[..1]));
}

#[test]
fn a_flag_that_is_not_given_sets_nothing() {
    assert_eq!(bound("bind -n ns").settings, Settings::default());
    assert_eq!(bound("bind -n ns --operator-scope identity").settings, settings(&[("operatorScope", "identity")]));
}

#[test]
fn values_are_checked_by_the_rule_of_the_setting() {
    insta::assert_snapshot!(refused("bind -n ns --selector a/b"), @"invalid value 'a/b' for '--selector <SELECTOR>': a label's value has 1 to 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit");
    let told = refused("bind -n ns --operator-scope resourceGroup");
    assert!(told.contains("identity, resource-group, subscription, none"), "{told}");
    assert!(refused("unbind -n ns --selector a").contains("unexpected argument '--selector'"));
}

#[test]
fn help_lists_the_flags_of_modes_with_their_values_and_defaults() {
    let mut podid = command().term_width(100);
    podid.build();
    let bind = podid.find_subcommand_mut("bind").unwrap();
    let long = bind.render_long_help().to_string();
    for part in
        ["--selector <SELECTOR>", "--name <NAME>", "--binding <BINDING>", "--operator-scope <OPERATOR_SCOPE>", "[default: identity]"]
    {
        assert!(long.contains(part), "{part} in {long}");
    }
    assert!(long.contains("resource-group: ") && long.contains("The identity's resource group"), "{long}");
    let short = bind.render_help().to_string();
    assert!(short.contains("--selector") && !short.contains("--operator-scope"), "{short}");
}

#[test]
fn a_field_has_one_flag_and_one_kind_of_rule_in_all_modes() {
    let all: Vec<&Setting> = modes::all().flat_map(|mode| mode.settings()).collect();
    let flag = |setting: &Setting| setting.flag.as_ref().map(|flag| flag.name);
    for one in &all {
        for other in &all {
            let (field, flagged) = (one.field == other.field, flag(one).is_some() && flag(one) == flag(other));
            assert_eq!(field, flagged, "{} {}", one.field, other.field);
            assert!(!field || matches!(one.rule, Rule::Text(_)) == matches!(other.rule, Rule::Text(_)), "{}", one.field);
        }
    }
}
