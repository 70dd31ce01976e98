//! Finds the known word that a mistyped one most likely stands for. Pure; it knows no spec.

/// Returns the nearest known word, or None where no word is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(typed);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&folded, &fold(word)), word))
        .filter(|(distance, word)| *distance * 3 <= word.len().max(typed.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Casing and separators are what people get wrong first: `resource_group` means `resourceGroup`.
fn fold(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_finds_the_word_that_was_meant() {
        let known = ["name", "namespace", "identity", "resourceGroup", "secrets"];
        assert_eq!(nearest("namespce", known), Some("namespace"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("resource_group", known), Some("resourceGroup"));
        assert_eq!(nearest("secret", known), Some("secrets"));
    }

    #[test]
    fn another_word_finds_nothing() {
        assert_eq!(nearest("replicas", ["name", "identity"]), None);
    }
}
