//! The public address of the token issuer of a sandbox cluster (`https://LOCATION.oic.prod-aks.azure.com/TENANT/ID/`): the discovery
//! document and the keys, as Entra and other verifiers fetch them. The cluster's API server provides both.

use super::{
    http::{Request, Response},
    running::{Running, RunningCluster},
};
use std::sync::Arc;

const DOCUMENTS: &[&str] = &["/.well-known/openid-configuration", "/openid/v1/jwks"];

pub async fn answer(running: &Running, request: &Request) -> Response {
    let Some((cluster, document)) = find(running, request) else { return Response::new(404) };
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

/// Returns the cluster with this issuer and the requested document.
fn find(running: &Running, request: &Request) -> Option<(Arc<RunningCluster>, &'static str)> {
    let url = format!("https://{}{}", request.host, request.path);
    let fqdn_and_document = running.azure().clusters.values().find_map(|cluster| {
        let rest = url.strip_prefix(cluster.oidc_issuer.as_deref()?.trim_end_matches('/'))?;
        DOCUMENTS.iter().find(|document| **document == rest).map(|document| (cluster.fqdn.clone(), *document))
    });
    let (fqdn, document) = fqdn_and_document?;
    Some((running.cluster(&fqdn)?, document))
}
