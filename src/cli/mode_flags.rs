//! The flags of `podid bind` and `podid unbind` that belong to identity modes, from the tables of the modes. A flag that several modes have
//! is there once.

use crate::{
    modes,
    spec::settings::{Flag, Rule, Setting, Settings, Word},
};
use clap::{
    Arg, ArgMatches, Args, Command, Error, FromArgMatches,
    builder::{PossibleValue, PossibleValuesParser},
    parser::ValueSource,
};

/// `UNBIND`: only the flags that name what is removed.
#[derive(Debug, Default)]
pub(super) struct ModeFlags<const UNBIND: bool> {
    pub(super) settings: Settings,
}

fn flags(unbind: bool) -> Vec<(&'static Setting, &'static Flag)> {
    let mut found: Vec<(&Setting, &Flag)> = Vec::new();
    for setting in modes::all().flat_map(|mode| mode.settings()) {
        if let Some(flag) = setting.flag.as_ref().filter(|flag| !unbind || flag.unbinds)
            && !found.iter().any(|(_, other)| other.name == flag.name)
        {
            found.push((setting, flag));
        }
    }
    found
}

fn arg(setting: &'static Setting, flag: &'static Flag) -> Arg {
    let arg = Arg::new(flag.name).long(flag.name).value_name(flag.value).help(flag.help).hide_short_help(flag.is_rare);
    match setting.rule {
        Rule::Text(rule) => arg.value_parser(move |text: &str| rule(text).map(|()| text.to_owned())),
        Rule::Words(words) => {
            let values = words.iter().map(|word| PossibleValue::new(word.flag).help(word.help));
            let arg = arg.value_parser(PossibleValuesParser::new(values));
            words.iter().take(1).fold(arg, |arg, first| arg.default_value(first.flag))
        }
    }
}

/// The value as a spec writes it.
fn spelled(setting: &Setting, value: &str) -> String {
    let word = match setting.rule {
        Rule::Words(words) => words.iter().find(|word| word.flag == value).map(|Word { spec, .. }| *spec),
        Rule::Text(_) => None,
    };
    word.unwrap_or(value).to_owned()
}

impl<const UNBIND: bool> Args for ModeFlags<UNBIND> {
    fn augment_args(command: Command) -> Command {
        flags(UNBIND).into_iter().fold(command, |command, (setting, flag)| command.arg(arg(setting, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const UNBIND: bool> FromArgMatches for ModeFlags<UNBIND> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Settings::default();
        for (setting, flag) in flags(UNBIND) {
            let is_given = matches.value_source(flag.name).is_some_and(|source| source != ValueSource::DefaultValue);
            if let Some(value) = matches.get_one::<String>(flag.name).filter(|_| is_given) {
                settings.set(setting.field, spelled(setting, value));
            }
        }
        Ok(Self { settings })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
