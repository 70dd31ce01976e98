//! Kinds that are only read: what must be there already, or is true of podid itself. They are never made, changed or deleted.

use super::world::Reader;
use crate::engine::{fault::Fault, input::Outputs};
use serde::{Serialize, de::DeserializeOwned};

/// What such a kind says; `read_only!` makes a kind of the engine of it.
pub trait ReadOnly: Serialize + DeserializeOwned + Send + Sync + 'static {
    const KIND: &'static str;
    type Actual: Serialize + DeserializeOwned + Send + Sync;

    fn read(&self, reader: &Reader) -> impl Future<Output = Result<Option<Self::Actual>, Fault>> + Send;
    fn publish(&self, actual: &Self::Actual) -> Outputs;
    /// What people should know about it.
    fn notes(&self, _: &Self::Actual) -> Vec<String> {
        Vec::new()
    }
    /// Why the run cannot go on when it must be there and is not, and the way out.
    fn not_found(&self) -> (String, String) {
        (format!("the {} does not exist", Self::KIND), "Create it first.".to_owned())
    }
}

/// Implements `Kind` for a `ReadOnly` type, in Azure unless a side is given. A blanket implementation would overlap with the one for `Manifested`.
macro_rules! read_only {
    ($kind:ty) => {
        $crate::resources::read_only::read_only!($kind, Azure);
    };
    ($kind:ty, $side:ident) => {
        const _: () = {
            use $crate::{
                engine::{
                    fault::Fault,
                    input::Outputs,
                    resource::{Diff, Kind, NodeContext, Owner, Side},
                },
                resources::{
                    read_only::ReadOnly,
                    world::{Cloud, Reader, Writer},
                },
            };

            impl Kind<Cloud> for $kind {
                const KIND: &'static str = <Self as ReadOnly>::KIND;
                const SIDE: Side = Side::$side;
                type Actual = <Self as ReadOnly>::Actual;

                async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<Self::Actual>, Fault> {
                    self.read(reader).await
                }
                fn diff(&self, _: NodeContext<'_>, _: &Self::Actual) -> Diff {
                    Diff::Same
                }
                fn owner(&self, _: NodeContext<'_>, _: &Self::Actual) -> Owner {
                    Owner::Unmarked
                }
                fn publish(&self, actual: &Self::Actual) -> Outputs {
                    ReadOnly::publish(self, actual)
                }
                fn notes(&self, actual: &Self::Actual) -> Vec<String> {
                    ReadOnly::notes(self, actual)
                }
                fn not_found(&self) -> (String, String) {
                    ReadOnly::not_found(self)
                }
                async fn put(&self, _: NodeContext<'_>, _: Option<Self::Actual>, _: &Writer) -> Result<Self::Actual, Fault> {
                    Err(Fault::Bug(format!("a resource of kind {} is only read", <Self as ReadOnly>::KIND)))
                }
                async fn remove(&self, _: NodeContext<'_>, _: Self::Actual, _: &Writer) -> Result<(), Fault> {
                    Ok(())
                }
            }
        };
    };
}
pub(super) use read_only;
