//! The nearest known word to one that was mistyped. Pure; knows no spec.

/// None if nothing is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(typed);
    known
        .into_iter()
        .map(|word| (distance(&folded, &fold(word)), word))
        .filter(|(distance, word)| *distance * 3 <= word.len().max(typed.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Casing and the marks between words are what people get wrong first: `resource_group` means `resourceGroup`.
fn fold(word: &str) -> Vec<char> {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements, and neighbours that changed places (Damerau, restricted).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
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
