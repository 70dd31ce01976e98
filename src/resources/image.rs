//! A container image by its tag, pinned: it publishes the reference by digest that the tag had when podid first resolved it. Nothing is
//! created, and only the state forgets it. The registry is asked once: a pinned image needs none, and machines without internet access have
//! none.

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
    /// Whether the state has it, or the registry was asked.
    #[serde(default)]
    recorded: bool,
}

/// `REPOSITORY@sha256:…`, for the `image` of a container.
pub const REFERENCE: Field<String> = Field::new(REFERENCE_NAME);
const REFERENCE_NAME: &str = "reference";
const DIGEST: &str = "digest";

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
            (Some(digest), _) => Ok(Some(Actual { digest, recorded: true })),
            (None, Intent::Absent) => Ok(None),
            (None, _) => {
                let found = reader.azure.image_digest(&self.name()).await.map_err(Fault::cloud)?;
                let Some(digest) = found else {
                    let (reason, way_out) = self.not_found();
                    return Err(Fault::refused(reason, way_out));
                };
                Ok(Some(Actual { digest, recorded: false }))
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
        if actual.recorded { Vec::new() } else { vec![format!("pinned to {}", actual.digest)] }
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, _: &Writer) -> Result<Actual, Fault> {
        Err(Fault::Bug("an image is only resolved".to_owned()))
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
}

impl Resource for Image {}
