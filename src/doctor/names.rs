//! The names for which words in capitals stand in commands: a report prints commands that can be run, or none.

/// Words of a command, and what takes their place; the longer ones come first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    words: Vec<(String, String)>,
    /// Beginnings of commands that do not fit here.
    unfit: Vec<&'static str>,
}

impl Names {
    /// What is not known takes no place.
    pub fn add(&mut self, words: &str, name: &str) {
        if !name.is_empty() {
            self.words.push((words.to_owned(), name.to_owned()));
        }
    }

    /// Leaves out the commands that begin so.
    pub fn leave_out(&mut self, beginning: &'static str) {
        self.unfit.push(beginning);
    }

    pub fn fits(&self, command: &str) -> bool {
        !self.unfit.iter().any(|beginning| command.starts_with(beginning))
    }

    pub fn fill(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (words, name)| replaced(&text, words, name))
    }
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Replaces whole words: `VAULT` is not in `VAULT-ID`.
fn replaced(text: &str, words: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(words) {
        let (before, from) = rest.split_at(at);
        let after = &from[words.len()..];
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        out.push_str(before);
        out.push_str(if is_whole { name } else { words });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a command has words in capitals for which nobody put a name.
pub fn has_placeholder(command: &str) -> bool {
    let is_placeholder = |word: &str| {
        let letters = word.chars().filter(char::is_ascii_alphabetic).count();
        letters > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '-')
    };
    // what is quoted may hold code
    command.split('…').count() > 1 || command.split(|c: char| !is_word(c)).any(|word| is_placeholder(word.trim_matches('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_names() {
        let mut names = Names::default();
        names.add("VAULT-ID", "/subscriptions/s/kv");
        names.add("VAULT", "kv");
        names.add("GROUP", "");
        assert_eq!(
            names.fill("az x -n VAULT --scope VAULT-ID -g GROUP https://VAULT.vault"),
            "az x -n kv --scope /subscriptions/s/kv -g GROUP https://kv.vault"
        );
        assert_eq!(replaced("MYVAULT VAULTS", "VAULT", "kv"), "MYVAULT VAULTS");
    }

    #[test]
    fn a_word_in_capitals_is_a_placeholder_and_a_flag_is_none() {
        for command in ["az keyvault show -n VAULT", "kubectl debug node/NODE -it", "az x --ids ID", "az policy exemption create …"] {
            assert!(has_placeholder(command), "{command}");
        }
        for command in
            ["kubectl get crds -A", "az role assignment list --query \"[].condition\"", "podid vault grant --vault kv --to identity/x"]
        {
            assert!(!has_placeholder(command), "{command}");
        }
    }
}
