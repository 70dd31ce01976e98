//! Explains why the tag of an image could not be resolved.

use super::Failure;
use crate::{azure::ImageError, exit::Exit};

impl From<&ImageError> for Failure {
    fn from(error: &ImageError) -> Self {
        let failure = Self::new(Exit::Failed, error.to_string());
        match error {
            ImageError::Name { .. } => Self::new(Exit::Usage, error.to_string()).hint("Write REGISTRY/REPOSITORY:TAG, such as `mcr.microsoft.com/azure-cli:2.60.0`."),
            ImageError::Denied { registry, causes, .. } => {
                let failure = causes.iter().fold(failure, |failure, cause| failure.because(cause.clone()));
                match registry.strip_suffix(".azurecr.io") {
                    Some(name) => failure
                        .hint("Check that the tag exists: registries say the same of a repository that does not.")
                        .hint(format!("Give podid's login the role AcrPull: `az role assignment create --role AcrPull --assignee-object-id ID --scope $(az acr show -n {name} --query id -o tsv)`.")),
                    None => failure.hint("Check that the repository and the tag exist. podid reads only images that need no password; leave `--pin` out for others."),
                }
            }
            ImageError::Refused { .. } => failure.hint("Run the same command again, or leave `--pin` out: the images are then named by their tags."),
            ImageError::Mismatch { .. } => {
                failure.hint("Do not use this image: the registry, or something between it and this machine, changes content. Ask who runs the registry.")
            }
            ImageError::Odd { .. } => failure.hint("Check that this is a container registry: `-vv` shows each request."),
            ImageError::Azure(error) => Self::from(error),
        }
    }
}
