//! Texts of components, made readable.

/// The Azure SDK's errors go on with the whole response; what matters of it is its code and its message.
pub fn first_lines(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("---"));
    let first = lines.next().unwrap_or_default().to_owned();
    let Some(more) = lines.find_map(|l| l.strip_prefix("\"message\": \"")) else { return first };
    let more = more.trim_end_matches([',', '"']);
    format!("{first}: {}", more.split("\\r\\n").next().unwrap_or(more))
}

/// A component's text as one readable cause.
pub fn cut(text: &str) -> String {
    const MOST: usize = 400;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} …", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        assert!(cut(&"ü".repeat(500)).ends_with("ü …"));
    }
}
