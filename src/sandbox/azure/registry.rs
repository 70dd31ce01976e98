//! Microsoft's container registry, as far as it tells which digest a tag has (distribution-spec, "Pulling manifests"). It asks for no token.
//! It has the images of the components that the sandbox plays, in any version, and no content to pull.

use crate::http::{Body, Request, Response};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const REPOSITORIES: [&str; 5] = [
    "oss/azure/aad-pod-identity/mic",
    "oss/azure/aad-pod-identity/nmi",
    "k8s/flexvolume/keyvault-flexvolume",
    "oss/v2/azure/secrets-store/provider-azure",
    "oss/v2/kubernetes-csi/secrets-store/driver",
];

pub fn answer(request: &Request) -> Response {
    with_body(request, whole_answer(request))
}

fn whole_answer(request: &Request) -> Response {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return refusal(405, "UNSUPPORTED", "The operation is unsupported.");
    }
    let Some(rest) = request.path.strip_prefix("/v2/") else { return refusal(404, "NOT_FOUND", "page not found") };
    if rest.is_empty() {
        return Response::json(200, "application/json", &json!({}));
    }
    let Some((name, tag)) = rest.split_once("/manifests/") else { return refusal(404, "UNSUPPORTED", "The operation is unsupported.") };
    if !REPOSITORIES.contains(&name) {
        return refusal(404, "NAME_UNKNOWN", &format!("repository name not known to registry: {name}"));
    }
    if !is_version(tag) {
        return refusal(404, "MANIFEST_UNKNOWN", &format!("manifest tagged by {tag:?} is not found"));
    }
    let of = |platform: &str| digest(format!("{name}:{tag} {platform}").as_bytes());
    let manifests: Vec<_> = ["amd64", "arm64"]
        .map(|architecture| {
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1000, "digest": of(architecture),
                "platform": { "architecture": architecture, "os": "linux" },
            })
        })
        .into();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let digest = digest(index.to_string().as_bytes());
    Response::json(200, INDEX, &index).with("docker-content-digest", digest).with("docker-distribution-api-version", "registry/2.0")
}

/// The answer to HEAD has no body.
fn with_body(request: &Request, response: Response) -> Response {
    if request.method == "HEAD" { Response { body: Body::Full(Bytes::new()), ..response } } else { response }
}

/// `v1.8.17`
fn is_version(tag: &str) -> bool {
    let numbers: Vec<&str> = tag.trim_start_matches('v').split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn refusal(status: u16, code: &str, message: &str) -> Response {
    Response::json(status, "application/json", &json!({ "errors": [{ "code": code, "message": message }] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str) -> (u16, Option<String>, Vec<u8>) {
        let request = Request {
            method: method.into(),
            host: String::new(),
            path: path.into(),
            query: String::new(),
            headers: vec![],
            body: "".into(),
        };
        let response = answer(&request);
        let Body::Full(body) = response.body else { panic!("a stream") };
        let digest = response.headers.iter().find(|(name, _)| name == "docker-content-digest").map(|(_, value)| value.clone());
        (response.status, digest, body.to_vec())
    }

    #[test]
    fn a_tag_has_the_digest_of_its_manifest() {
        let path = "/v2/oss/azure/aad-pod-identity/mic/manifests/v1.8.17";
        let (status, told, body) = asked("GET", path);
        assert_eq!((status, told.as_deref()), (200, Some(digest(&body).as_str())));
        assert_eq!(asked("HEAD", path), (200, told.clone(), Vec::new()));
        assert_ne!(asked("GET", "/v2/oss/azure/aad-pod-identity/nmi/manifests/v1.8.17").1, told);
    }

    #[test]
    fn what_it_does_not_have_is_said_in_the_registrys_words() {
        for (path, code) in [
            ("/v2/oss/other/manifests/v1.0.0", "NAME_UNKNOWN"),
            ("/v2/oss/azure/aad-pod-identity/mic/manifests/latest", "MANIFEST_UNKNOWN"),
            ("/v1/", "NOT_FOUND"),
        ] {
            let (status, digest, body) = asked("GET", path);
            assert_eq!((status, digest), (404, None), "{path}");
            assert!(String::from_utf8(body).unwrap().contains(code), "{path}");
        }
        assert_eq!(asked("PUT", "/v2/").0, 405);
    }
}
