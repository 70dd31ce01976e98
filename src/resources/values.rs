//! Where the values of secrets come from. They live in memory only, in a type that neither prints nor serialises.

use crate::{
    engine::{fault::Fault, key::Key},
    files::{
        self,
        whole::{self, Accept, FileKind},
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Key Vault's limit for a value.
pub const LIMIT: usize = 25 * 1024;

/// Where a secret's value comes from; never the value. Files are given by their whole path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// The bytes of a file as they are.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// Asked on the terminal where the secret does not exist yet, and then kept.
    Prompt,
    /// Asked on the terminal by a single command, also where the secret exists.
    Ask,
    /// Standard input without its last line break, of a single command.
    Stdin,
    /// Made by podid where the secret does not exist yet: this many characters.
    Generate(u32),
}

impl SecretSource {
    /// Whether podid can tell at any time what the value should be.
    pub fn comparable(&self) -> bool {
        matches!(self, Self::File(_) | Self::Env(_) | Self::Stdin | Self::Ask)
    }
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => format!("from file {}", path.display()),
            Self::Env(name) => format!("from {}", variable(name)),
            Self::Prompt | Self::Ask => "asked on the terminal".into(),
            Self::Stdin => "from standard input".into(),
            Self::Generate(length) => format!("{length} characters, made by podid"),
        }
    }
}

/// Whether a name is written as those of variables are. `--env $DB_PASSWORD` gives the value where the name belongs, and that is not repeated.
pub fn is_variable_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn variable(name: &str) -> String {
    if is_variable_name(name) { format!("the environment variable {name}") } else { "the named environment variable".to_owned() }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the value's file {path} cannot be read: {why}", path = .0.display(), why = .1)]
    File(PathBuf, String),
    #[error("could not read the secret's value from {}: it is {kind}, not a regular file", path.display())]
    NotRegular { path: PathBuf, kind: FileKind },
    #[error("{}, which has a secret's value, is not set", variable(.0))]
    Env(String),
    #[error("{0} is not UTF-8 text, and Key Vault keeps text only")]
    NotText(NotText),
    #[error("the value {0} is too long: Key Vault takes at most {LIMIT} bytes")]
    TooLong(String),
    #[error("the value of {0} is empty")]
    Empty(String),
    #[error("{0} was not given")]
    NotAsked(Key),
    #[error("no random bytes: {0}")]
    NoRandom(String),
}

/// Where a value is that is not text.
#[derive(Debug)]
pub enum Holder {
    File(PathBuf),
    Env(String),
}

#[derive(Debug)]
pub struct NotText {
    pub of: Holder,
    pub utf_16: bool,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Holder::File(path) => write!(f, "the value's file {}", path.display()),
            Holder::Env(name) => write!(f, "the value of {}", variable(name)),
        }
    }
}

impl NotText {
    /// How such a value gets into a vault.
    pub fn way_out(&self) -> String {
        match (&self.of, self.utf_16) {
            (Holder::File(path), true) => {
                let path = path.display();
                format!(
                    "It looks like UTF-16, which PowerShell writes. Write it as UTF-8: `iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8`."
                )
            }
            (Holder::File(path), false) => {
                let path = path.display();
                format!("Keep it as base64, and let the app decode it: `base64 -w0 {path} > {path}.b64`, and give that file.")
            }
            (Holder::Env(_), _) => "Keep it as base64, and let the app decode it.".to_owned(),
        }
    }
}

/// What was read so far, so that one run sees one value.
#[derive(Default)]
pub struct Values {
    read: Mutex<BTreeMap<String, SecretString>>,
}

impl Values {
    /// What a prompt or standard input gave, before the run.
    pub fn give(&self, key: &Key, from: &SecretSource, value: SecretString) -> Result<(), Error> {
        if value.expose_secret().len() > LIMIT {
            return Err(Error::TooLong(from.shown()));
        }
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(given(key), value);
        Ok(())
    }

    /// What people should know of a value that is about to be set.
    pub fn change_note(&self, key: &Key, from: &SecretSource) -> Option<String> {
        match self.of(key, from) {
            Ok(value) if value.expose_secret().starts_with(BYTE_ORDER_MARK) => {
                Some("value: begins with a byte order mark (U+FEFF), which becomes a part of it".to_owned())
            }
            Ok(_) => None,
            Err(fault) => Some(format!("value: needed by `podid up` ({fault})")),
        }
    }

    pub fn of(&self, key: &Key, from: &SecretSource) -> Result<SecretString, Fault> {
        let name = match from {
            SecretSource::File(path) => format!("file {}", path.display()),
            SecretSource::Env(name) => format!("env {name}"),
            SecretSource::Prompt | SecretSource::Ask | SecretSource::Stdin => given(key),
            SecretSource::Generate(length) => return generate(*length).map_err(Fault::cloud),
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = read.get(&name) {
            return Ok(value.clone());
        }
        let value = match from {
            SecretSource::File(path) => file(path),
            SecretSource::Env(name) => std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => Error::Env(name.clone()),
                std::env::VarError::NotUnicode(_) => Error::NotText(NotText { of: Holder::Env(name.clone()), utf_16: false }),
            }),
            SecretSource::Prompt | SecretSource::Ask | SecretSource::Stdin | SecretSource::Generate(_) => Err(Error::NotAsked(key.clone())),
        };
        let value = value.and_then(|v| checked(v, from)).map_err(Fault::cloud)?;
        read.insert(name, value.clone());
        Ok(value)
    }
}

fn given(key: &Key) -> String {
    format!("given {}", key.folded())
}

fn file(path: &Path) -> Result<String, Error> {
    let bytes = whole::read(path, LIMIT as u64, Accept::Regular).map_err(|error| match error {
        files::Error::NotRegular { path, kind } => Error::NotRegular { path, kind },
        files::Error::TooLarge { path, .. } => Error::TooLong(SecretSource::File(path).shown()),
        other => Error::File(path.to_owned(), other.cause()),
    })?;
    text(bytes).map_err(|utf_16| Error::NotText(NotText { of: Holder::File(path.to_owned()), utf_16 }))
}

/// Bytes as text. A zero byte is the mark of something that is not text: no environment variable and few programs take it.
/// The error says whether it looks like UTF-16, which the shell of Windows writes.
pub fn text(bytes: Vec<u8>) -> Result<String, bool> {
    if bytes.contains(&0) || std::str::from_utf8(&bytes).is_err() {
        return Err(bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff"));
    }
    String::from_utf8(bytes).map_err(|_| false)
}

/// Windows editors write it at the beginning of a file. It becomes a part of the value, which programs seldom expect.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn checked(value: String, from: &SecretSource) -> Result<SecretString, Error> {
    match value.len() {
        0 => Err(Error::Empty(from.shown())),
        long if long > LIMIT => Err(Error::TooLong(from.shown())),
        _ => Ok(SecretString::from(value)),
    }
}

/// Letters and digits that survive any shell, URL and connection string; 64 of them, so that no byte is biased.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn generate(length: u32) -> Result<SecretString, Error> {
    let mut bytes = vec![0_u8; length as usize];
    getrandom::fill(&mut bytes).map_err(|e| Error::NoRandom(e.to_string()))?;
    let text: String = bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect();
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_told_from_text() {
        assert_eq!(text("pässword\n".into()).as_deref(), Ok("pässword\n"));
        assert_eq!(text("\u{feff}x".into()).as_deref(), Ok("\u{feff}x"), "its bytes as they are");
        assert_eq!(text(vec![0x80, 0x81]), Err(false));
        assert_eq!(text(b"a\0b".to_vec()), Err(false));
        assert_eq!(text(vec![0xff, 0xfe, b'a', 0]), Err(true));
    }

    #[test]
    fn a_file_that_is_not_text_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.bin");
        std::fs::write(&path, [0x80, 0x81]).unwrap();
        let Error::NotText(why) = file(&path).unwrap_err() else { panic!("it is not text") };
        assert!(why.to_string().contains("key.bin"), "{why}");
        assert!(why.way_out().contains(&format!("base64 -w0 {}", path.display())), "{}", why.way_out());
    }

    #[cfg(unix)]
    #[test]
    fn a_value_is_read_from_a_regular_file_and_no_further_than_its_limit() {
        let of = |path: &Path| Values::default().of(&Key::from("secret/kv/conn"), &SecretSource::File(path.to_owned())).map(|_| ());
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        for (path, kind) in [(pipe.as_path(), "a pipe"), (Path::new("/dev/zero"), "a device"), (folder.path(), "a directory")] {
            let error = of(path).unwrap_err().to_string();
            assert_eq!(error, format!("could not read the secret's value from {}: it is {kind}, not a regular file", path.display()));
        }
        let file = folder.path().join("conn.txt");
        std::fs::write(&file, "x".repeat(LIMIT)).unwrap();
        of(&file).unwrap();
        std::fs::write(&file, "x".repeat(LIMIT + 1)).unwrap();
        let error = of(&file).unwrap_err().to_string();
        assert!(error.contains("conn.txt is too long: Key Vault takes at most 25600 bytes"), "{error}");
        // as Kubernetes mounts them
        std::os::unix::fs::symlink(&file, folder.path().join("link")).unwrap();
        std::fs::write(&file, "x").unwrap();
        of(&folder.path().join("link")).unwrap();
    }

    #[test]
    fn a_value_in_the_place_of_a_variable_is_not_repeated() {
        let error = Values::default().of(&Key::from("secret/kv/conn"), &SecretSource::Env("hunter2".into())).unwrap_err().to_string();
        assert_eq!(error, "the named environment variable, which has a secret's value, is not set");
        assert!(!SecretSource::Env("hunter2".into()).shown().contains("hunter2"));
        assert_eq!(
            Error::Env("DB_PASSWORD".into()).to_string(),
            "the environment variable DB_PASSWORD, which has a secret's value, is not set"
        );
    }

    #[test]
    fn a_value_that_is_typed_or_piped_has_the_same_limit() {
        let values = Values::default();
        let key = Key::from("secret/kv/conn");
        let error = values.give(&key, &SecretSource::Stdin, SecretString::from("x".repeat(LIMIT + 1))).unwrap_err();
        assert!(error.to_string().contains("from standard input is too long"), "{error}");
        values.give(&key, &SecretSource::Stdin, SecretString::from("x".repeat(LIMIT))).unwrap();
    }

    #[test]
    fn a_byte_order_mark_is_remarked_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conn.txt");
        std::fs::write(&path, "\u{feff}x").unwrap();
        let remark = Values::default().change_note(&Key::from("secret/kv/conn"), &SecretSource::File(path)).unwrap();
        assert!(remark.contains("byte order mark"), "{remark}");
    }
}
