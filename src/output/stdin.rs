//! Reads from stdin: a secret's value, without one trailing line break, which pipes add, or a text.

use super::Terminal;
use crate::{exit::Exit, failure::Failure, files::whole};
use secrecy::SecretString;

/// Reads a text of at most `limit` bytes. What is not UTF-8 is shown as `�`.
pub fn text(terminal: &Terminal, limit: usize) -> Result<String, Failure> {
    if terminal.stdin_tty {
        return Err(
            Failure::new(Exit::Refused, "standard input is a terminal, not a text").hint("Pipe the text in, or give it as an argument.")
        );
    }
    let read = whole::read_within(std::io::stdin(), limit as u64);
    let bytes = read.map_err(|e| Failure::new(Exit::Usage, "could not read the text from standard input").because(e.to_string()))?;
    let bytes = bytes.ok_or_else(|| Failure::new(Exit::Usage, format!("the text on standard input is longer than {limit} bytes")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a value of at most `limit` bytes, plus the line break.
pub fn value(terminal: &Terminal, limit: usize) -> Result<SecretString, Failure> {
    if terminal.stdin_tty {
        return Err(Failure::new(Exit::Refused, "standard input is a terminal, not a value")
            .hint("Pipe the value in, or leave `--stdin` out to be asked for it."));
    }
    let read = whole::read_within(std::io::stdin(), limit as u64 + 2);
    let bytes =
        read.map_err(|e| Failure::new(Exit::Usage, "could not read the value from standard input").because(e.to_string()))?.ok_or_else(
            || Failure::new(Exit::Usage, format!("the value on standard input is too long: Key Vault takes at most {limit} bytes")),
        )?;
    if bytes.contains(&0) || std::str::from_utf8(&bytes).is_err() {
        return Err(Failure::new(Exit::Usage, "the value on standard input is not UTF-8 text, and Key Vault keeps text only")
            .hint("Keep it as base64, and let the app decode it: pipe it through `base64 -w0`."));
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    let value = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    if value.is_empty() {
        return Err(Failure::new(Exit::Usage, "the value on standard input is empty"));
    }
    Ok(SecretString::from(value.to_owned()))
}
