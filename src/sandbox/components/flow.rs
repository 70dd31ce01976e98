//! The events of a watch.

use super::kube::{KubeClient, KubeError};
use reqwest::Response;
use serde_json::Value;

pub(super) struct Flow {
    response: Response,
    /// The beginning of a line whose end has not arrived.
    rest: Vec<u8>,
}

impl Flow {
    pub(super) async fn start(kube: &KubeClient, path: &str) -> Result<Self, KubeError> {
        Ok(Self { response: kube.stream(path).await?, rest: Vec::new() })
    }

    /// Waits for the next events. Returns None if the watch has ended, or cannot be read.
    pub(super) async fn next(&mut self) -> Option<Vec<Value>> {
        loop {
            self.rest.extend_from_slice(&self.response.chunk().await.ok()??);
            let Some(last) = self.rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let lines: Vec<u8> = self.rest.drain(..=last).collect();
            let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            return lines.map(|line| serde_json::from_slice(line).ok()).collect();
        }
    }
}
