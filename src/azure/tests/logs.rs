//! The content of the log, at the most verbose level and from every crate.

use super::fake::{Fake, SECRET, SUB, alone, listener, pass, reply};
use crate::azure::{ArmId, NewSecret, id};
use secrecy::SecretString;
use serde_json::json;
use std::{
    io::Write,
    sync::{Arc, Mutex},
};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

const CANARY: &str = "canary-value-of-a-secret";

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_and_no_token_gets_into_any_log() {
    let out = alone("logs::child_logs_all_it_can").output().await.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
#[ignore = "run by no_secret_and_no_token_gets_into_any_log, where no other test takes or drops a subscriber"]
fn child_logs_all_it_can() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // the server's own log is not under test, so it runs on a thread without a subscriber
    let (ready, fake) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let fake = Fake::new(|seen, _| match seen.host.as_str() {
                "v.vault.azure.net" => reply(
                    200,
                    json!({ "value": CANARY, "id": "https://v.vault.azure.net/secrets/s/v1", "attributes": { "enabled": true } }),
                ),
                "management.azure.com" => reply(200, json!({ "value": [] })),
                _ => pass(),
            })
            .await;
            ready.send(fake).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let fake = fake.recv().unwrap();
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(kept.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        runtime().block_on(async {
            let azure = fake.azure();
            let read = azure.read();
            read.secret("https://v.vault.azure.net/", "s").await.unwrap().unwrap();
            read.role_assignments(&ArmId::group(SUB, "g")).await.unwrap();
            read.clusters(&ArmId::group(SUB, "g")).await.unwrap();
            let _ = read.identity(&ArmId::resource(SUB, "g", id::IDENTITY, "i")).await;
            let write = azure.write(listener().0);
            let new = NewSecret { value: SecretString::from(CANARY), ..NewSecret::default() };
            write.set_secret("https://v.vault.azure.net/", "s", &new, false).await.unwrap();
        });
    });
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let asked: Vec<&str> = text.lines().filter(|line| line.contains("podid::azure::pipeline: asked")).collect();
    // two tokens, three requests to Azure Resource Manager, a read and a write of the secret
    assert_eq!(asked.len(), 7, "{asked:#?}");
    assert!(asked.iter().all(|line| line.contains("status=200") && !line.contains('?')), "{asked:#?}");
    for secret in [CANARY, SECRET, "Bearer e30", "e30.eyJ"] {
        let leaks: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{secret}: {leaks:#?}");
    }
}
