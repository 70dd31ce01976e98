//! The sandbox's own keys, in `keys.json`: they outlive a reset, so that what trusts this sandbox goes on trusting it.

use super::{azure::ids, error::Error, folder::Folder};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

/// Never `Debug`: all of it is secret.
#[derive(Serialize, Deserialize)]
pub struct Keys {
    /// PEM of the CA's private key.
    pub ca_key: String,
    /// Signs the tokens of its Entra.
    pub token_key: String,
    /// A cluster-admin's bearer token at its clusters.
    pub admin_token: String,
}

impl Keys {
    pub fn load(folder: &Folder) -> Result<Self, Error> {
        let path = folder.path("keys.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|why| Error::Certificate(format!("{} is damaged at line {}", path.display(), why.line()))),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
                let keys = Self::new()?;
                let text = serde_json::to_vec_pretty(&keys).map_err(|why| Error::Certificate(why.to_string()))?;
                folder.write("keys.json", &text)?;
                Ok(keys)
            }
            Err(source) => Err(Error::File { what: "read", path, source }),
        }
    }

    fn new() -> Result<Self, Error> {
        let ca = KeyPair::generate().map_err(|why| Error::Certificate(why.to_string()))?;
        let random = || format!("{}{}", ids::random(), ids::random()).replace('-', "");
        Ok(Self { ca_key: ca.serialize_pem(), token_key: random(), admin_token: random() })
    }
}
