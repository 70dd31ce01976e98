//! The sandbox's own keys in `keys.json`. They survive a reset, so that clients still trust this sandbox.

use super::{azure::ids, error::Error, folder::Folder, kube, rsa::Key};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// It has no `Debug`, because all of it is secret.
#[derive(Serialize, Deserialize)]
pub struct SandboxKeys {
    /// The CA's private key as PEM.
    pub ca_key: String,
    /// The key that signs the tokens of its Entra.
    pub token_key: String,
    /// The bearer token of a cluster-admin at its clusters.
    pub admin_token: String,
    /// The secret of the world's caller.
    #[serde(default = "random")]
    pub caller_secret: String,
    /// The token for the control interface.
    #[serde(default = "random")]
    pub control_token: String,
    /// The key that signs service account tokens, as PKCS#1 in base64. It is generated when it is first needed, because that takes some
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account_key: Option<String>,
}

impl SandboxKeys {
    pub fn load(folder: &Folder) -> Result<Self, Error> {
        let path = folder.path("keys.json");
        match folder.read("keys.json")? {
            Some(bytes) => {
                let damaged = |why: serde_json::Error| Error::Certificate(format!("{} is damaged at line {}", path.display(), why.line()));
                let file: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
                let whole = ["caller_secret", "control_token"].iter().all(|name| file.get(name).is_some());
                let keys = serde_json::from_value(file).map_err(damaged)?;
                // older files lack these secrets
                if whole { Ok(keys) } else { keys.stored_in(folder) }
            }
            None => Self::new()?.stored_in(folder),
        }
    }

    fn new() -> Result<Self, Error> {
        let ca = KeyPair::generate().map_err(|why| Error::Certificate(why.to_string()))?;
        Ok(Self {
            ca_key: ca.serialize_pem(),
            token_key: random(),
            admin_token: random(),
            caller_secret: random(),
            control_token: random(),
            account_key: None,
        })
    }

    fn stored_in(self, folder: &Folder) -> Result<Self, Error> {
        let text = serde_json::to_vec_pretty(&self).map_err(|why| Error::Certificate(why.to_string()))?;
        folder.write("keys.json", &text)?;
        Ok(self)
    }
}

fn random() -> String {
    format!("{}{}", ids::random(), ids::random()).replace('-', "")
}

/// The key for service account tokens, stored with the others once it is generated. The owner holds the lock of the folder.
pub struct AccountKey {
    folder: Folder,
    key: Mutex<Option<Arc<Key>>>,
}

impl AccountKey {
    pub fn new(folder: &Folder, keys: &SandboxKeys) -> Result<Self, Error> {
        let damaged = |why: String| Error::Certificate(format!("{}: account_key: {why}", folder.path("keys.json").display()));
        let read = |text: &String| Key::from_der(&STANDARD.decode(text).map_err(|why| why.to_string())?);
        let key = keys.account_key.as_ref().map(read).transpose().map_err(damaged)?;
        Ok(Self { folder: folder.clone(), key: Mutex::new(key.map(Arc::new)) })
    }

    fn make(&self) -> Result<Key, String> {
        let key = Key::generate()?;
        let mut keys = SandboxKeys::load(&self.folder).map_err(|why| why.to_string())?;
        keys.account_key = Some(STANDARD.encode(key.der()?));
        let text = serde_json::to_vec_pretty(&keys).map_err(|why| why.to_string())?;
        self.folder.write("keys.json", &text).map_err(|why| why.to_string())?;
        Ok(key)
    }
}

impl kube::TokenKeys for AccountKey {
    fn signing(&self) -> Result<Arc<Key>, String> {
        let mut held = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*held {
            return Ok(key.clone());
        }
        let key = Arc::new(self.make()?);
        *held = Some(key.clone());
        Ok(key)
    }

    fn known(&self) -> Option<Arc<Key>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::kube::TokenKeys as _;
    use super::*;

    #[test]
    fn the_account_key_is_generated_when_needed_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let keys = SandboxKeys::load(&folder).unwrap();
        let made = AccountKey::new(&folder, &keys).unwrap();
        assert!(made.known().is_none());
        let id = made.signing().unwrap().id().to_owned();
        let again = SandboxKeys::load(&folder).unwrap();
        assert_eq!((&again.ca_key, &again.admin_token), (&keys.ca_key, &keys.admin_token));
        assert_eq!(AccountKey::new(&folder, &again).unwrap().known().unwrap().id(), id);
    }
}
