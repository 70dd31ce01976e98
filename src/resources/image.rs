//! A container image by its tag, pinned: it publishes the reference by digest that the tag had when podid first resolved it. Nothing is
//! created, and only the state forgets it.

use super::{
    kind::Resource,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::ImageTag,
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
        resource::{Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// `mcr.microsoft.com/oss/azure/aad-pod-identity/mic`
    pub repository: String,
    pub tag: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    /// The digest that the tag is pinned to.
    digest: String,
    /// The digest that the tag points to now, if that could be asked.
    now: Option<String>,
}

/// `REPOSITORY@sha256:…`, for the `image` of a container.
pub const REFERENCE: Field<String> = Field::new(REFERENCE_NAME);
const REFERENCE_NAME: &str = "reference";
const DIGEST: &str = "digest";
/// How long the registry may take to say where the tag points now, which nothing depends on.
const GLANCE: Duration = Duration::from_secs(5);

pub fn key(repository: &str, tag: &str) -> Key {
    Key::of("image", [format!("{repository}:{tag}").as_str()])
}

impl Image {
    fn name(&self) -> ImageTag {
        ImageTag { repository: self.repository.clone(), tag: self.tag.clone() }
    }
}

impl Kind<Cloud> for Image {
    const KIND: &'static str = "image";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let recorded = context.recorded.get(DIGEST).and_then(Value::as_str).map(str::to_owned);
        match (recorded, context.intent) {
            (Some(digest), Intent::Present | Intent::Existing) => {
                // a pinned image needs no registry: without an answer there is only no note
                let now = tokio::time::timeout(GLANCE, reader.azure.image_digest(&self.name())).await;
                Ok(Some(Actual { digest, now: now.ok().and_then(Result::ok).flatten() }))
            }
            (Some(digest), _) => Ok(Some(Actual { digest, now: None })),
            (None, Intent::Absent) => Ok(None),
            (None, _) => {
                let found = reader.azure.image_digest(&self.name()).await.map_err(Fault::cloud)?;
                let Some(digest) = found else {
                    let (reason, way_out) = self.not_found();
                    return Err(Fault::refused(reason, way_out));
                };
                Ok(Some(Actual { now: Some(digest.clone()), digest }))
            }
        }
    }
    fn diff(&self, _: NodeContext<'_>, _: &Actual) -> Diff {
        Diff::Same
    }
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarked
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let reference = self.name().pinned(&actual.digest);
        [(REFERENCE_NAME.into(), json!(reference)), ("tag".into(), json!(self.tag)), (DIGEST.into(), json!(actual.digest))].into()
    }
    fn identifiers(&self, published: &Outputs) -> Vec<(&'static str, Value)> {
        published.get(REFERENCE_NAME).cloned().map(|reference| (REFERENCE_NAME, reference)).into_iter().collect()
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("there is no tag {} in the repository {}", self.tag, self.repository),
            "Check repository and tag; a registry may also say this of an image that this login may not read.".to_owned(),
        )
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let moved = actual.now.as_ref().filter(|now| **now != actual.digest);
        let key = format!("{}/{}", Self::KIND, self.name().text());
        moved
            .into_iter()
            .map(|now| {
                format!(
                    "the tag {} points to {now} now; {} stays pinned (`podid state forget {key}` lets the next run resolve it again)",
                    self.tag, actual.digest
                )
            })
            .collect()
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, _: &Writer) -> Result<Actual, Fault> {
        Err(Fault::Bug("an image is only resolved".to_owned()))
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
}

impl Resource for Image {}
