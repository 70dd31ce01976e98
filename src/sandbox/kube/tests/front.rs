//! A plain HTTP front on loopback, so that unmodified clients can be driven against the API server in tests.

use super::*;
use crate::sandbox::http::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;

/// Serves until the runtime ends; the address.
pub async fn serve(kube: Arc<Kube>, port: u16) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kube = kube.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| one(kube.clone(), request));
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

type Streamed = Either<Full<Bytes>, StreamBody<futures::stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;

async fn one(kube: Arc<Kube>, request: hyper::Request<Incoming>) -> Result<hyper::Response<Streamed>, Infallible> {
    let (head, body) = request.into_parts();
    let mut request = Request {
        method: head.method.to_string(),
        host: "127.0.0.1".into(),
        path: head.uri.path().into(),
        query: head.uri.query().unwrap_or_default().into(),
        headers: head.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect(),
        body: body.collect().await.unwrap().to_bytes(),
    };
    // kubectl sends no token over plain HTTP: like `kubectl proxy`, the front adds one.
    if request.header("authorization").is_none() {
        request.headers.push(("authorization".into(), "Bearer admin".into()));
    }
    let response = kube.answer(&request).await;
    if std::env::var_os("KUBE_TRACE").is_some() {
        println!("{} {}?{} -> {}", request.method, request.path, request.query, response.status);
    }
    let mut out = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        out = out.header(name, value);
    }
    let body = match response.body {
        Body::Full(bytes) => Either::Left(Full::new(bytes)),
        Body::Stream(receiver) => {
            let chunks = futures::stream::unfold(receiver, |mut r| async move { r.recv().await.map(|chunk| (Ok(Frame::data(chunk)), r)) });
            Either::Right(StreamBody::new(chunks.boxed()))
        }
    };
    Ok(out.body(body).unwrap())
}

/// By hand: `KUBE_PORT=8001 cargo test --lib serves_by_hand -- --ignored`.
#[tokio::test]
#[ignore = "serves until it is stopped"]
async fn serves_by_hand() {
    let port = std::env::var("KUBE_PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(0);
    println!("{}", serve(cluster(), port).await);
    std::future::pending::<()>().await;
}
