//! Escapes text that podid did not write (names in a spec, responses of servers, events of Kubernetes), so that it affects neither a
//! terminal nor a CI: invisible characters are shown as escapes, and no line is a command to GitHub Actions or Azure Pipelines.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// How a document escapes a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    /// For people: `\n`, `\x1b`, `\u{202e}`. It cannot be parsed back.
    Text,
    /// In a string of JSON; it parses as the same value.
    Json,
    /// In a double-quoted string of YAML; it parses as the same value.
    Yaml,
}

impl Escapes {
    fn write(self, to: &mut String, c: char) {
        let code = u32::from(c);
        let written = match self {
            Self::Text => match c {
                '\n' => to.write_str("\\n"),
                '\r' => to.write_str("\\r"),
                '\t' => to.write_str("\\t"),
                _ if code <= 0xff => write!(to, "\\x{code:02x}"),
                _ => write!(to, "\\u{{{code:x}}}"),
            },
            Self::Json => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(to, "\\u{unit:04x}")),
            Self::Yaml if code <= 0xff => write!(to, "\\x{code:02x}"),
            Self::Yaml if code <= 0xffff => write!(to, "\\u{code:04x}"),
            Self::Yaml => write!(to, "\\U{code:08x}"),
        };
        // writing to a String cannot fail
        let _: fmt::Result = written;
    }
}

/// Returns whether a character is visible and has no other effect. This excludes control and format characters (colours, cursor movements,
/// right-to-left overrides, zero-width characters), line and paragraph separators, spaces other than the plain one, private and unassigned
/// ones.
pub fn is_visible(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ if c.is_ascii() || is_ignorable(c) => false,
        _ => is_printable(c),
    }
}

/// Follows the table of the standard library. A letter before the character prevents that a combining mark is escaped because it is alone.
fn is_printable(c: char) -> bool {
    let mut bytes = [b'a'; 5];
    let length = c.encode_utf8(&mut bytes[1..]).len();
    std::str::from_utf8(&bytes[..=length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
}

/// Returns whether Unicode lets a program draw a letter or mark as nothing (`Default_Ignorable_Code_Point` except format characters, and
/// the blank of Braille).
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2065}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Cleans one line: line breaks are shown as `\n`, too.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_visible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_visible(c) { shown.push(c) } else { Escapes::Text.write(&mut shown, c) }
    }
    Cow::Owned(shown)
}

/// Returns where to escape a line so that no CI takes it for a command, in bytes: the first `:` of `::error::` at its beginning, even
/// behind spaces, for GitHub; and the second `#` of `##[error]` and `##vso[task.setvariable]` anywhere in the line.
pub fn commands(line: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let begins = line.len() - line.trim_start().len();
    if line[begins..].starts_with("::") {
        found.push(begins);
    }
    let bytes = line.as_bytes();
    for at in line.match_indices('#').map(|(at, _)| at) {
        let letters = bytes[at + 1..].iter().skip(1).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if bytes.get(at + 1) == Some(&b'#') && bytes.get(at + 2 + letters) == Some(&b'[') {
            found.push(at + 1);
        }
    }
    found
}

/// Formats a character as an escape, for the places that `commands` returns.
pub fn escaped(c: char) -> String {
    let mut shown = String::new();
    Escapes::Text.write(&mut shown, c);
    shown
}

/// Escapes a JSON text. The value stays the same, and no string in it affects a reader.
pub fn json(text: &str) -> String {
    document(text, Escapes::Json)
}

/// Escapes a YAML text in which each string that needs it (see `acts`) is double-quoted.
pub fn yaml(text: &str) -> String {
    document(text, Escapes::Yaml)
}

/// Returns whether a string must be quoted in YAML, so that it can be escaped. A line break alone is no reason, because each line is
/// visible.
pub fn acts(text: &str) -> bool {
    text.split('\n').any(|line| !line.chars().all(is_visible) || !commands(line).is_empty())
}

/// Escapes characters, all of which are inside of quotes.
fn document(text: &str, escapes: Escapes) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let commands = commands(line);
        for (at, c) in line.char_indices() {
            let is_kept = c == '\n' || is_visible(c) && !commands.contains(&at);
            if is_kept { shown.push(c) } else { escapes.write(&mut shown, c) }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn invisible_characters_are_shown_as_escapes() {
        for (text, shown) in [
            ("kv-claims", "kv-claims"),
            ("", ""),
            ("Müller · 東京 · नमस्ते · e\u{301} · …", "Müller · 東京 · नमस्ते · e\u{301} · …"),
            ("emoji 🚀", "emoji 🚀"),
            (r"C:\temp", r"C:\temp"),
            ("a\nb\r\nc\td", r"a\nb\r\nc\td"),
            ("\u{1b}[2K\u{1b}[1A", r"\x1b[2K\x1b[1A"),
            ("\0\u{7}\u{8}\u{b}\u{c}\u{7f}", r"\x00\x07\x08\x0b\x0c\x7f"),
            ("\u{80}\u{85}\u{9b}31m", r"\x80\x85\x9b31m"),
            ("\u{a0}\u{ad}\u{3000}", r"\xa0\xad\u{3000}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", r"\u{202a}\u{202e}\u{2066}\u{2069}"),
            ("\u{200b}\u{200d}\u{200e}\u{200f}\u{61c}\u{feff}", r"\u{200b}\u{200d}\u{200e}\u{200f}\u{61c}\u{feff}"),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
            ("\u{e0041}\u{e0100}\u{fe0f}\u{3164}\u{2800}", r"\u{e0041}\u{e0100}\u{fe0f}\u{3164}\u{2800}"),
            ("\u{e000}\u{f0000}\u{ffff}\u{378}", r"\u{e000}\u{f0000}\u{ffff}\u{378}"),
        ] {
            assert_eq!(line(text), shown, "{text:?}");
            assert_eq!(line(shown), shown, "twice is once");
        }
    }

    /// Compares every character with the rule of the standard library.
    #[test]
    fn no_control_or_format_character_is_visible() {
        let visible: Vec<char> = ('\0'..=char::MAX).filter(|c| is_visible(*c)).collect();
        assert!(visible.iter().all(|c| !c.is_control() && (!c.is_whitespace() || *c == ' ')));
        let format = [
            '\u{600}',
            '\u{605}',
            '\u{6dd}',
            '\u{70f}',
            '\u{8e2}',
            '\u{180e}',
            '\u{2060}',
            '\u{206f}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{110bd}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e007f}',
        ];
        assert!(format.iter().all(|c| !is_visible(*c)));
        assert!(visible.len() > 100_000, "letters of all languages are seen");
    }

    #[test]
    fn a_ci_command_is_detected_wherever_the_ci_detects_it() {
        for (line, places) in [
            ("::error::x", vec![0]),
            ("  ::set-output name=a::b", vec![2]),
            (":::", vec![0]),
            ("a ::error::x", vec![]),
            ("a: ::error::x", vec![]),
            ("plan: x", vec![]),
            ("a ##[error]x", vec![3]),
            ("##vso[task.setvariable]x", vec![1]),
            ("##teamcity[x", vec![1]),
            ("###[x", vec![2]),
            ("## Heading [x]", vec![]),
            ("#[cfg(test)]", vec![]),
            ("#", vec![]),
            ("##", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(commands(line), places, "{line}");
        }
    }

    #[test]
    fn a_document_stays_the_same_value() {
        let hostile = "\u{1b}[31m\u{9b}\u{202e}\u{7f}\u{e0041}\u{2028} ##[error]x ##vso[y]\n::error::z\t\u{1f680}\"\\";
        let value = json!({ hostile: [hostile, "plain", "a\nb"], "n": null });
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = json(&text);
            assert!(shown.chars().all(|c| c == '\n' || is_visible(c)), "{shown}");
            assert!(shown.lines().all(|line| commands(line).is_empty()), "{shown}");
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }
}
