//! The rules for what is mounted beyond names: which attributes an object can have, and which keys a synced Secret of a type needs. Spec and
//! flags are both checked by them. Pure.

use crate::{
    azure::ObjectKind,
    resources::secret_provider_class::{OPAQUE, Object, Synced},
};

pub const TLS: &str = "kubernetes.io/tls";
pub const DOCKER: &str = "kubernetes.io/dockerconfigjson";
const TYPES: &[&str] = &[OPAQUE, TLS, DOCKER];

/// A rule that an object or a synced key breaks.
#[derive(Debug, PartialEq)]
pub struct Breach {
    /// Which of the objects or keys.
    pub at: usize,
    /// As the spec calls it.
    pub field: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Breach {
    fn new(at: usize, field: &'static str, message: impl Into<String>) -> Self {
        Self { at, field, message: message.into(), hint: None }
    }
    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Checks the attributes of an object, which the provider checks only when a pod mounts it, and the file's mode not at all
/// (`pkg/provider/types` of the Azure provider).
pub fn check_object(at: usize, object: &Object) -> Result<(), Breach> {
    let one_of = |field, value: &Option<String>, known: &[&str]| match value {
        Some(value) if !known.contains(&value.as_str()) => {
            Err(Breach::new(at, field, format!("unknown {field}")).hint(format!("The known ones are: {}.", known.join(", "))))
        }
        _ => Ok(()),
    };
    let is_version = |version: &String| (1..=64).contains(&version.len()) && version.chars().all(|c| c.is_ascii_alphanumeric());
    if object.version.as_ref().is_some_and(|version| !is_version(version)) {
        return Err(Breach::new(at, "version", "a version is a word of letters and digits, such as `podid vault secret show` prints"));
    }
    one_of("encoding", &object.encoding, &["utf-8", "base64", "hex"])?;
    one_of("format", &object.format, &["pem", "pfx"])?;
    if object.encoding.is_some() && !object.kind.is_secret() {
        return Err(Breach::new(at, "encoding", "only secrets have an encoding").hint("Leave it out, or mount it with `type: secret`."));
    }
    if object.format.as_deref() == Some("pfx") && !object.kind.is_secret() {
        let message = "a pfx contains the private key, which only the secret of a certificate has";
        return Err(Breach::new(at, "format", message).hint("Mount it with `type: secret`; the secret has the certificate's name."));
    }
    let is_octal = |mode: &String| {
        let digits = mode.strip_prefix('0').unwrap_or(mode);
        digits.len() == 3 && digits.chars().all(|c| matches!(c, '0'..='7'))
    };
    if object.permission.as_ref().is_some_and(|mode| !is_octal(mode)) {
        return Err(Breach::new(at, "filePermission", "a file's mode is three octal digits, such as \"0400\""));
    }
    Ok(())
}

/// The keys of a Secret of this type, where the type prescribes them.
pub fn keys_of(of_type: Option<&str>) -> &'static [&'static str] {
    match of_type {
        Some(TLS) => &["tls.crt", "tls.key"],
        Some(DOCKER) => &[".dockerconfigjson"],
        _ => &[],
    }
}

/// Checks the types of synced Secrets: the API server rejects a Secret with other keys than its type prescribes, and the driver reports that
/// only as an event of a pod that mounts the class.
pub fn check_synced(synced: &[Synced], objects: &[Object]) -> Result<(), Breach> {
    for (at, one) in synced.iter().enumerate() {
        let secret = &one.secret;
        let of_this = || synced.iter().filter(|other| other.secret == *secret);
        let Some(of_type) = of_this().find_map(|other| other.of_type.as_deref()) else { continue };
        if !TYPES.contains(&of_type) {
            let message = "podid does not sync Secrets of this type";
            return Err(Breach::new(at, "sync.type", message).hint(format!("The known types are: {}.", TYPES.join(", "))));
        }
        if one.of_type.as_deref().is_some_and(|own| own != of_type) {
            return Err(Breach::new(at, "sync.type", format!("the Secret `{secret}` already has the type {of_type}")));
        }
        let keys = keys_of(Some(of_type));
        if keys.is_empty() {
            continue;
        }
        if !keys.contains(&one.key.as_str()) {
            let message = format!("a Secret of type {of_type} has no key `{}`", one.key);
            return Err(Breach::new(at, "sync.key", message).hint(format!("Its keys are exactly: {}.", keys.join(", "))));
        }
        if let Some(missing) = keys.iter().find(|key| of_this().all(|other| other.key != **key)) {
            let message = format!("the Secret `{secret}` of type {of_type} lacks the key `{missing}`");
            let hint = match of_type {
                TLS => "Sync both keys from the certificate; without `key`, `sync` sets both from one file.",
                _ => "Sync that key, too.",
            };
            return Err(Breach::new(at, "sync.key", message).hint(hint));
        }
        if of_type == TLS {
            check_tls(at, one, objects)?;
        }
    }
    Ok(())
}

/// The driver cuts certificate and private key out of a PEM file by the key's name (`pkg/util/secretutil` of the driver).
fn check_tls(at: usize, one: &Synced, objects: &[Object]) -> Result<(), Breach> {
    let Some(object) = objects.iter().find(|object| object.file() == one.file) else { return Ok(()) };
    let hint = "Mount the certificate with `type: secret`: the secret of its name holds the certificate and its private key.";
    match (object.kind, one.key.as_str()) {
        (ObjectKind::Key, _) => Err(Breach::new(at, "type", "a key of the vault is mounted without its private half").hint(hint)),
        (ObjectKind::Cert, "tls.key") => {
            Err(Breach::new(at, "type", "`type: cert` mounts the certificate without its private key").hint(hint))
        }
        _ if object.format.as_deref() == Some("pfx") => {
            Err(Breach::new(at, "format", "a Secret of type kubernetes.io/tls needs PEM").hint("Leave `format` out, or write `pem`."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, kind: ObjectKind) -> Object {
        Object { name: name.into(), kind, ..Object::default() }
    }

    fn synced(key: &str, file: &str, of_type: Option<&str>) -> Synced {
        Synced { secret: "s".into(), key: key.into(), file: file.into(), of_type: of_type.map(Into::into), env: None }
    }

    #[test]
    fn attributes_that_the_provider_would_reject_are_found() {
        let ok = Object { encoding: Some("hex".into()), permission: Some("0440".into()), ..object("a", ObjectKind::Secret) };
        assert_eq!(check_object(0, &ok), Ok(()));
        for (wrong, field) in [
            (Object { encoding: Some("utf8".into()), ..ok.clone() }, "encoding"),
            (Object { kind: ObjectKind::Key, ..ok.clone() }, "encoding"),
            (Object { format: Some("der".into()), ..ok.clone() }, "format"),
            (Object { format: Some("pfx".into()), ..object("a", ObjectKind::Cert) }, "format"),
            (Object { permission: Some("0888".into()), ..ok.clone() }, "filePermission"),
            (Object { permission: Some("7".into()), ..ok.clone() }, "filePermission"),
            (Object { version: Some("a/b".into()), ..ok.clone() }, "version"),
        ] {
            assert_eq!(check_object(0, &wrong).map_err(|breach| breach.field), Err(field), "{wrong:?}");
        }
    }

    #[test]
    fn a_tls_secret_needs_both_keys_from_a_file_with_the_private_key() {
        let whole = [object("site", ObjectKind::Secret)];
        let both = |file| [synced("tls.crt", file, Some(TLS)), synced("tls.key", file, None)];
        assert_eq!(check_synced(&both("site"), &whole), Ok(()));
        let field = |synced: &[Synced], objects: &[Object]| check_synced(synced, objects).map_err(|breach| (breach.at, breach.field));
        assert_eq!(field(&both("site")[..1], &whole), Err((0, "sync.key")), "one key is missing");
        assert_eq!(field(&[synced("cert", "site", Some(TLS))], &whole), Err((0, "sync.key")), "another key");
        assert_eq!(field(&both("site"), &[object("site", ObjectKind::Cert)]), Err((1, "type")), "no private key");
        let pfx = Object { format: Some("pfx".into()), ..object("site", ObjectKind::Secret) };
        assert_eq!(field(&both("site"), &[pfx]), Err((0, "format")));
        let split = [synced("tls.crt", "site", Some(TLS)), synced("tls.key", "key", None)];
        let files = [object("site", ObjectKind::Cert), Object { alias: Some("key".into()), ..object("site", ObjectKind::Secret) }];
        assert_eq!(check_synced(&split, &files), Ok(()));
    }

    #[test]
    fn a_secret_has_one_known_type() {
        let objects = [object("a", ObjectKind::Secret)];
        let field = |synced: &[Synced]| check_synced(synced, &objects).map_err(|breach| (breach.at, breach.field));
        assert_eq!(field(&[synced(".dockerconfigjson", "a", Some(DOCKER))]), Ok(()));
        assert_eq!(field(&[synced("config", "a", Some(DOCKER))]), Err((0, "sync.key")));
        assert_eq!(field(&[synced("k", "a", Some("kubernetes.io/ssh-auth"))]), Err((0, "sync.type")));
        assert_eq!(field(&[synced("k", "a", Some(OPAQUE)), synced("l", "a", Some(TLS))]), Err((1, "sync.type")));
    }
}
