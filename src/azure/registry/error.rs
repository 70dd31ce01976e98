//! Why a tag could not be resolved, by what the user would do about it.

use crate::azure::Error;

#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    #[error("{image} is not a valid name of an image")]
    Name { image: String },
    /// Neither this login nor nobody may read it; some registries say so for a repository that does not exist.
    #[error("the registry {registry} does not let podid read {image}")]
    Denied { registry: String, image: String, causes: Vec<String> },
    #[error("the registry {registry} could not resolve {image}: {status} {message}")]
    Refused { registry: String, image: String, status: u16, message: String },
    /// The content is not what the registry says.
    #[error("the registry {registry} returned other content than it says for {image}: {said} is {found}")]
    Mismatch { registry: String, image: String, said: String, found: String },
    #[error("could not understand the registry {registry}: {what}")]
    Odd { registry: String, what: String },
    #[error(transparent)]
    Azure(#[from] Error),
}
