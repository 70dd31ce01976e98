//! Settings that only some identity modes or deliveries have: fields of a workload in the spec, and for a mode flags of `podid bind`.
//! Each mode and delivery lists its own in its file, so that no shared type has a field of theirs.

use super::{
    complaint::{Complaint, Verdict, unknown_word, wrong},
    names::Checked,
};
use std::collections::BTreeMap;

pub struct Setting {
    /// Path of the field below a workload, such as `selector` or `names.azureIdentity`.
    pub field: &'static str,
    pub rule: Rule,
    /// None: only the spec has it.
    pub flag: Option<Flag>,
}

/// What a value must be.
pub enum Rule {
    Text(fn(&str) -> Checked),
    /// One of these; the first one is the default.
    Words(&'static [Word]),
}

pub struct Word {
    /// As a spec writes it.
    pub spec: &'static str,
    /// As a flag writes it.
    pub flag: &'static str,
    pub help: &'static str,
}

/// A flag of `podid bind`.
pub struct Flag {
    /// Without dashes.
    pub name: &'static str,
    /// As help shows the value.
    pub value: &'static str,
    pub help: &'static str,
    /// Whether `podid unbind` takes it too, because it names what is removed.
    pub unbinds: bool,
    /// Whether only `--help` shows it, not `-h`.
    pub is_rare: bool,
}

/// Values of settings, by the field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, value)| (*field, value.as_str()))
    }

    pub fn set(&mut self, field: &'static str, value: impl Into<String>) {
        self.0.insert(field, value.into());
    }
}

/// A mode or a delivery, as the owner of its settings.
#[derive(Clone, Copy)]
pub struct Owner {
    /// `mode` or `delivery`, which is also the field that chooses it.
    pub noun: &'static str,
    pub name: &'static str,
    pub settings: &'static [Setting],
}

impl Owner {
    fn setting(&self, field: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.field == field)
    }
}

/// A setting that was given although what is used does not have it.
pub struct Foreign {
    pub setting: &'static Setting,
    /// The first one that has it.
    pub owner: Owner,
    /// Names of all that have it.
    pub owners: String,
    /// What is used in its place.
    pub used: &'static str,
}

/// Returns the first setting that belongs only to modes or deliveries that are not used. `all` has every mode and delivery.
pub fn foreign(settings: &Settings, used: &[Owner], all: &[Owner]) -> Option<Foreign> {
    for field in settings.0.keys().filter(|field| !used.iter().any(|owner| owner.setting(field).is_some())) {
        let having: Vec<Owner> = all.iter().filter(|owner| owner.setting(field).is_some()).copied().collect();
        let Some((owner, setting)) = having.first().and_then(|owner| Some((*owner, owner.setting(field)?))) else { continue };
        let owners: Vec<String> = having.iter().map(|owner| format!("`{}`", owner.name)).collect();
        let used = used.iter().find(|used| used.noun == owner.noun).map(|used| used.name).unwrap_or_default();
        return Some(Foreign { setting, owner, owners: owners.join(" or "), used });
    }
    None
}

/// Checks what a workload sets, with paths below the workload.
pub fn check(settings: &Settings, used: &[Owner], all: &[Owner]) -> Verdict {
    if let Some(Foreign { setting, owner, owners, used: instead }) = foreign(settings, used, all) {
        let noun = owner.noun;
        let message = format!("this field belongs to the {noun} {owners}, but the workload has the {noun} `{instead}`");
        return Err(wrong(setting.field, message).hint(format!("Remove it, or set `{noun}: {}`.", owner.name)));
    }
    for setting in used.iter().flat_map(|owner| owner.settings) {
        if let Some(value) = settings.get(setting.field) {
            valid(setting, value)?;
        }
    }
    Ok(())
}

fn valid(setting: &Setting, value: &str) -> Result<(), Complaint> {
    match setting.rule {
        Rule::Text(rule) => rule(value).map_err(|rule| wrong(setting.field, rule)),
        Rule::Words(words) if words.iter().any(|word| word.spec == value) => Ok(()),
        Rule::Words(words) => Err(unknown_word(setting.field, value, words.iter().map(|word| word.spec).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::names;

    const fn text(field: &'static str) -> Setting {
        Setting { field, rule: Rule::Text(names::dns_label), flag: None }
    }

    const LABEL: Owner = Owner { noun: "mode", name: "label", settings: &[text("selector"), text("names.object")] };
    const ACCOUNT: Owner = Owner {
        noun: "mode",
        name: "account",
        settings: &[
            text("account.name"),
            Setting {
                field: "account.create",
                rule: Rule::Words(&[Word { spec: "true", flag: "true", help: "" }, Word { spec: "false", flag: "false", help: "" }]),
                flag: None,
            },
        ],
    };
    const ADDON: Owner = Owner { noun: "mode", name: "addon", settings: &[text("selector")] };
    const FILES: Owner = Owner { noun: "delivery", name: "files", settings: &[text("names.class")] };

    fn checked(pairs: &[(&'static str, &str)], mode: Owner) -> String {
        let mut settings = Settings::default();
        for (field, value) in pairs {
            settings.set(field, *value);
        }
        match check(&settings, &[mode, FILES], &[LABEL, ACCOUNT, ADDON, FILES]) {
            Ok(()) => String::new(),
            Err(Complaint { path, message, hint }) => {
                format!("{path}: {message}{}", hint.map(|h| format!("\nhint: {h}")).unwrap_or_default())
            }
        }
    }

    #[test]
    fn a_workload_has_the_settings_of_its_mode_and_its_delivery() {
        assert_eq!(checked(&[("selector", "a"), ("names.object", "b"), ("names.class", "c")], LABEL), "");
        assert_eq!(checked(&[("account.name", "a"), ("account.create", "false")], ACCOUNT), "");
        assert_eq!(checked(&[("selector", "a")], ADDON), "");
    }

    #[test]
    fn a_setting_of_another_mode_names_the_mode_it_belongs_to() {
        insta::assert_snapshot!(checked(&[("account.name", "a")], LABEL), @r"
        account.name: this field belongs to the mode `account`, but the workload has the mode `label`
        hint: Remove it, or set `mode: account`.
        ");
        insta::assert_snapshot!(checked(&[("selector", "a")], ACCOUNT), @r"
        selector: this field belongs to the mode `label` or `addon`, but the workload has the mode `account`
        hint: Remove it, or set `mode: label`.
        ");
    }

    #[test]
    fn values_are_held_to_the_rule_of_the_setting() {
        assert!(checked(&[("selector", "A/B")], LABEL).starts_with("selector: "));
        insta::assert_snapshot!(checked(&[("account.create", "flase")], ACCOUNT), @r"
        account.create: unknown word `flase`
        hint: Did you mean `false`? The known ones are: true, false.
        ");
    }
}
