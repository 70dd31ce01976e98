//! A name in a namespace that only one identity, or only one workload, can have.

#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The field of the workload that is to blame where another one has the name.
    pub field: &'static str,
    pub kind: &'static str,
    pub name: String,
    /// The kind as Kubernetes writes it.
    pub shown: &'static str,
    /// The way out where another one has the name.
    pub hint: &'static str,
}
