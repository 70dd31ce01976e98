//! RSA keys for RS256 (RFC 7518, 3.3): generated, stored as PKCS#1, and published as JSON web keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::EncodePublicKey as _;
use rsa::signature::{SignatureEncoding as _, Signer as _, Verifier as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BITS: usize = 2048;

/// It has no `Debug`, because it is secret.
pub struct Key {
    signing: SigningKey<Sha256>,
    public: Public,
}

/// A public key. Of the keys of others only this half is known.
pub struct Public {
    key: RsaPublicKey,
    id: String,
}

impl Key {
    /// Takes some tenths of a second.
    pub fn generate() -> Result<Self, String> {
        Self::new(RsaPrivateKey::new(&mut rsa::rand_core::OsRng, BITS).map_err(|why| why.to_string())?)
    }

    /// Reads PKCS#1.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        Self::new(RsaPrivateKey::from_pkcs1_der(der).map_err(|why| why.to_string())?)
    }

    fn new(key: RsaPrivateKey) -> Result<Self, String> {
        let public = key.to_public_key();
        // kube-apiserver names its keys by the DER (PKIX) of the public key (kubernetes, `pkg/serviceaccount/jwt.go`)
        let der = public.to_public_key_der().map_err(|why| why.to_string())?;
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(der.as_bytes()));
        Ok(Self { signing: SigningKey::new(key), public: Public { key: public, id } })
    }

    pub fn der(&self) -> Result<Vec<u8>, String> {
        let key: &RsaPrivateKey = self.signing.as_ref();
        Ok(key.to_pkcs1_der().map_err(|why| why.to_string())?.as_bytes().to_vec())
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.signing.try_sign(message).map(|signature| signature.to_vec()).map_err(|why| why.to_string())
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(message, signature)
    }

    pub fn id(&self) -> &str {
        self.public.id()
    }

    pub fn jwk(&self) -> Value {
        let [n, e] = [self.public.key.n(), self.public.key.e()].map(|number| URL_SAFE_NO_PAD.encode(number.to_bytes_be()));
        json!({"use": "sig", "kty": "RSA", "kid": self.id(), "alg": "RS256", "n": n, "e": e})
    }
}

impl Public {
    /// Returns None if this is not an RSA key for RS256.
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk[name].as_str();
        if text("kty")? != "RSA" || text("alg").is_some_and(|alg| alg != "RS256") {
            return None;
        }
        let number = |name: &str| Some(rsa::BigUint::from_bytes_be(&URL_SAFE_NO_PAD.decode(text(name)?).ok()?));
        let key = RsaPublicKey::new(number("n")?, number("e")?).ok()?;
        Some(Self { key, id: text("kid").unwrap_or_default().to_owned() })
    }

    /// Returns the key as PEM (PKIX).
    pub fn pem(&self) -> Result<String, String> {
        let der = self.key.to_public_key_der().map_err(|why| why.to_string())?;
        let text = STANDARD.encode(der.as_bytes());
        let lines: Vec<&str> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::<Sha256>::new(self.key.clone());
        Signature::try_from(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::sync::{Arc, LazyLock};

    /// Shared by all tests of the process, because generating a key takes some time.
    pub static KEY: LazyLock<Arc<Key>> = LazyLock::new(|| Arc::new(Key::generate().unwrap()));

    #[test]
    fn only_what_the_key_signed_verifies() {
        let key = Key::from_der(&KEY.der().unwrap()).unwrap();
        let mut signature = key.sign(b"message").unwrap();
        assert_eq!(signature.len(), 256);
        assert!(key.verifies(b"message", &signature));
        assert!(!key.verifies(b"massage", &signature));
        signature[17] ^= 1;
        assert!(!key.verifies(b"message", &signature));
    }

    #[test]
    fn a_web_key_contains_the_public_half() {
        let key = KEY.jwk();
        assert_eq!((key["kty"].as_str(), key["alg"].as_str(), key["e"].as_str()), (Some("RSA"), Some("RS256"), Some("AQAB")));
        assert_eq!(URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len(), 256);
        assert_eq!(key.as_object().unwrap().len(), 6);
    }

    #[test]
    fn a_web_key_verifies_signatures_of_its_private_half() {
        let public = Public::from_jwk(&KEY.jwk()).unwrap();
        let signature = KEY.sign(b"message").unwrap();
        assert!(public.id() == KEY.id() && public.verifies(b"message", &signature) && !public.verifies(b"massage", &signature));
        let other = |name: &str, value: &str| {
            let mut jwk = KEY.jwk();
            jwk[name] = value.into();
            Public::from_jwk(&jwk).is_none()
        };
        assert!(other("kty", "EC") && other("alg", "ES256") && other("n", "?"));
    }

    #[test]
    fn an_invalid_key_is_refused() {
        assert!(Key::from_der(b"").is_err() && Key::from_der(&[0x30, 0x82, 0xff, 0xff]).is_err());
    }
}
