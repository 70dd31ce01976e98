//! The words of commands that hints name.

pub const CHANGE_DENIAL: &str = "Change what made it: a deployment stack, a managed application or a blueprint.";

pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

/// The command that enables a secret again.
pub fn enable(vault: &str, name: &str) -> String {
    format!("`az keyvault secret set-attributes --vault-name {vault} --name {name} --enabled true`")
}
