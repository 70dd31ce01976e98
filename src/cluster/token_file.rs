//! A token in a file that another program renews: a pod's own, or a kubeconfig's `tokenFile`. It is read again at intervals, and at once
//! after a 401. kube would send a trailing line break with it, which is not valid in a header.

use super::credential::unfit;
use super::error::{Error, Result};
use crate::files::whole::{self, Accept};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The interval between two reads, which is that of client-go.
const AGE: Duration = Duration::from_secs(60);

pub(super) struct TokenFile {
    path: PathBuf,
    /// The token that was read last, and when. Before the first read it is the kubeconfig's own token, if there is one.
    last: Mutex<(SecretString, Instant)>,
}

impl TokenFile {
    /// Reads the file; `token` is sent if the file cannot be read.
    pub(super) fn new(context: &str, path: PathBuf, token: Option<SecretString>) -> Result<Self> {
        let first = match (read(&path), token) {
            (Ok(found), _) => found,
            (Err(_), Some(token)) => token,
            (Err(why), None) => {
                return Err(Error::Kubeconfig(format!("context {context:?}: its tokenFile {}: {why}", path.display())));
            }
        };
        Ok(Self { path, last: Mutex::new((first, Instant::now())) })
    }

    pub(super) async fn token(&self) -> SecretString {
        let mut last = self.last.lock().await;
        if last.1.elapsed() >= AGE {
            self.again(&mut last);
        }
        last.0.clone()
    }

    /// Reads the file again after a 401 for `refused`. None if the token has not changed.
    pub(super) async fn renew(&self, refused: &SecretString) -> Option<SecretString> {
        let mut last = self.last.lock().await;
        self.again(&mut last);
        (last.0.expose_secret() != refused.expose_secret()).then(|| last.0.clone())
    }

    /// Reads the file again. If it does not exist any more, the last token is kept (kubernetes/kubernetes#68164).
    fn again(&self, last: &mut (SecretString, Instant)) {
        if let Ok(token) = read(&self.path) {
            last.0 = token;
        }
        last.1 = Instant::now();
    }
}

fn read(path: &std::path::Path) -> std::result::Result<SecretString, String> {
    let text = whole::read_text(path, whole::TOKEN_LIMIT, Accept::Regular).map_err(|e| e.cause())?;
    let token = text.trim();
    match unfit(token) {
        _ if token.is_empty() => Err("it is empty".into()),
        Some(why) => Err(format!("its token {why}")),
        None => Ok(SecretString::from(token.to_owned())),
    }
}
