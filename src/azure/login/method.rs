//! A login method that the user chooses, in place of the first one that is there.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    Az,
    Azd,
    /// A client secret in the environment.
    Environment,
    WorkloadIdentity,
    GitHub,
    AzurePipelines,
    ManagedIdentity,
}

impl LoginMethod {
    /// The word of `--auth`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Az => "az",
            Self::Azd => "azd",
            Self::Environment => "environment",
            Self::WorkloadIdentity => "workload-identity",
            Self::GitHub => "github",
            Self::AzurePipelines => "azure-pipelines",
            Self::ManagedIdentity => "managed-identity",
        }
    }
}
