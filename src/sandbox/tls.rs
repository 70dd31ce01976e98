//! TLS for the production host names: a CA of the sandbox's own, and a certificate for each host when it is first needed.

use super::{error::Error, folder::Folder, keys::SandboxKeys};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

pub struct Authority {
    pub ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all certificates, because generating one takes long.
    leaf_key: KeyPair,
    leaves: Mutex<HashMap<String, Arc<ServerConfig>>>,
    refusing: Arc<ServerConfig>,
}

fn fault(why: impl std::fmt::Display) -> Error {
    Error::Certificate(why.to_string())
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "podid sandbox CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2044, 1, 1);
    params
}

/// Answers a hello for an unknown name with an alert.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(fault)?.with_no_client_auth())
}

impl Authority {
    /// Creates `ca.pem` once; later it is only read, so it stays the same byte for byte.
    pub fn load(folder: &Folder, keys: &SandboxKeys) -> Result<Self, Error> {
        let key = KeyPair::from_pem(&keys.ca_key).map_err(fault)?;
        let ca_pem = match folder.read("ca.pem")? {
            Some(pem) => String::from_utf8(pem).map_err(|_| Error::Certificate("ca.pem is not text".to_owned()))?,
            None => {
                let pem = ca_params().self_signed(&key).map_err(fault)?.pem();
                folder.write("ca.pem", pem.as_bytes())?;
                pem
            }
        };
        Ok(Self {
            ca_pem,
            issuer: Issuer::new(ca_params(), key),
            leaf_key: KeyPair::generate().map_err(fault)?,
            leaves: Mutex::default(),
            refusing: Arc::new(builder()?.with_cert_resolver(Arc::new(NoCertificate))),
        })
    }

    pub fn refusing(&self) -> Arc<ServerConfig> {
        self.refusing.clone()
    }

    pub fn leaf(&self, host: &str) -> Result<Arc<ServerConfig>, Error> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = leaves.get(host) {
            return Ok(config.clone());
        }
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(fault)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "podid sandbox");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(1);
        params.not_after = now + time::Duration::days(800);
        let leaf = params.signed_by(&self.leaf_key, &self.issuer).map_err(fault)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = builder()?.with_single_cert(vec![CertificateDer::from(leaf.der().to_vec())], key).map_err(fault)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        leaves.insert(host.to_owned(), config.clone());
        Ok(config)
    }
}
