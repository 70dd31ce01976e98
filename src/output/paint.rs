//! Colors the output if that is wanted. A color never carries information that the words lack.

/// Whether to use color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Returns whether to use color: never with `--no-color`, `NO_COLOR` (no-color.org) or a dumb terminal; else with `CLICOLOR_FORCE` or on
/// a terminal.
pub(super) fn wanted(no_color: bool, tty: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if no_color || set("NO_COLOR") || variable("TERM").as_deref() == Some("dumb") {
        return false;
    }
    if set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE").as_deref() != Some("0") {
        return true;
    }
    tty && variable("CLICOLOR").as_deref() != Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_depends_on_flag_terminal_and_environment() {
        let with = |no_color, tty, set: &[(&str, &str)]| {
            wanted(no_color, tty, |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert!(with(false, true, &[]));
        assert!(!with(false, false, &[]));
        assert!(!with(true, true, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
        assert!(with(false, true, &[("NO_COLOR", "")]));
        assert!(!with(false, true, &[("TERM", "dumb")]));
        assert!(with(false, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(false, true, &[("CLICOLOR", "0")]));
    }

    #[test]
    fn without_color_nothing_is_added() {
        assert_eq!(Paint(false).red("x"), "x");
        assert_eq!(Paint(true).red("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
