//! The public address of the issuer of a sandbox cluster's service account tokens (`https://LOCATION.oic.prod-aks.azure.com/TENANT/ID/`):
//! the discovery document and the keys, for anybody, as Entra and other verifiers fetch them. They are those of the cluster's API server.

use super::{
    http::{Request, Response},
    running::{Cluster, Running},
};
use std::sync::Arc;

const SUFFIX: &str = ".oic.prod-aks.azure.com";
const DOCUMENTS: &[&str] = &["/.well-known/openid-configuration", "/openid/v1/jwks"];

pub fn is_host(host: &str) -> bool {
    host.ends_with(SUFFIX)
}

pub async fn answer(running: &Running, request: &Request) -> Response {
    let Some((cluster, document)) = found(running, request) else { return Response::new(404) };
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::new(405);
    }
    let inside = Request {
        host: cluster.fqdn.clone(),
        path: document.to_owned(),
        query: String::new(),
        headers: vec![("authorization".to_owned(), format!("Bearer {}", running.keys.admin_token))],
        ..request.clone()
    };
    cluster.kube.answer(&inside).await
}

/// The cluster that is played here and has this issuer, and which of the documents is asked for.
fn found(running: &Running, request: &Request) -> Option<(Arc<Cluster>, &'static str)> {
    let url = format!("https://{}{}", request.host, request.path);
    let fqdn_and_document = running.azure().clusters.values().find_map(|cluster| {
        let rest = url.strip_prefix(cluster.oidc_issuer.as_deref()?.trim_end_matches('/'))?;
        DOCUMENTS.iter().find(|document| **document == rest).map(|document| (cluster.fqdn.clone(), *document))
    });
    let (fqdn, document) = fqdn_and_document?;
    Some((running.cluster(&fqdn)?, document))
}
