//! Where the values of secrets come from. They live in memory only, in a type that neither prints nor serialises.

use crate::{engine::fault::Fault, engine::key::Key};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Key Vault's limit for a value.
const LIMIT: usize = 25 * 1024;

/// As in a spec, with files by their whole path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// Its bytes as they are.
    File(PathBuf),
    Env(String),
    /// Asked on the terminal.
    Prompt,
    /// Standard input, without its last line break.
    Stdin,
    /// So many characters.
    Generate(u32),
}

impl From {
    /// Whether podid can tell at any time what the value should be.
    pub fn comparable(&self) -> bool {
        matches!(self, Self::File(_) | Self::Env(_) | Self::Stdin)
    }
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => format!("from file {}", path.display()),
            Self::Env(name) => format!("from environment variable {name}"),
            Self::Prompt => "asked on the terminal".into(),
            Self::Stdin => "from standard input".into(),
            Self::Generate(length) => format!("{length} characters, made by podid"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the value's file {path} cannot be read: {why}", path = .0.display(), why = .1)]
    File(PathBuf, String),
    #[error("the environment variable {0}, which has a secret's value, is not set")]
    Env(String),
    #[error("a value of {0} bytes is too long: Key Vault takes at most {LIMIT}")]
    TooLong(usize),
    #[error("the value of {0} is empty")]
    Empty(String),
    #[error("the value of {0} was not asked for")]
    NotAsked(Key),
    #[error("no random bytes: {0}")]
    NoRandom(String),
}

/// What was read so far, so that one run sees one value.
#[derive(Default)]
pub struct Values {
    read: Mutex<BTreeMap<String, SecretString>>,
}

impl Values {
    /// What a prompt or standard input gave, before the run.
    pub fn give(&self, key: &Key, value: SecretString) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(given(key), value);
    }

    pub fn of(&self, key: &Key, from: &From) -> Result<SecretString, Fault> {
        let name = match from {
            From::File(path) => format!("file {}", path.display()),
            From::Env(name) => format!("env {name}"),
            From::Prompt | From::Stdin => given(key),
            From::Generate(length) => return generate(*length).map_err(Fault::cloud),
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = read.get(&name) {
            return Ok(value.clone());
        }
        let value = match from {
            From::File(path) => file(path),
            From::Env(name) => std::env::var(name).map_err(|_| Error::Env(name.clone())),
            From::Prompt | From::Stdin | From::Generate(_) => Err(Error::NotAsked(key.clone())),
        };
        let value = value.and_then(|v| checked(v, &from.shown())).map_err(Fault::cloud)?;
        read.insert(name, value.clone());
        Ok(value)
    }
}

fn given(key: &Key) -> String {
    format!("given {}", key.folded())
}

fn file(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|why| Error::File(path.to_owned(), why.to_string()))
}

fn checked(value: String, shown: &str) -> Result<SecretString, Error> {
    match value.len() {
        0 => Err(Error::Empty(shown.to_owned())),
        long if long > LIMIT => Err(Error::TooLong(long)),
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
