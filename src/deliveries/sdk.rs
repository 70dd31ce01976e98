//! The app asks for a token and reads the vault by itself, as the Azure SDKs do: nothing is added to the cluster, and
//! the pod template only says which identity and which vault are meant.

mod check;
mod links;
mod uses;

use super::{
    delivery::{Asked, Delivery, Wanted},
    in_pod::CLIENT_ID,
    recorded,
};
use crate::{
    chain::{
        facts::{Bound, Delivered, Parameters, PodPatch},
        link::Link,
        remarks::{Planned, Remarks, unknown_secrets},
        stage::{Program, Stage},
        uses::{PodView, SecretUse},
        view::PodRef,
    },
    engine::{fault::Fault, ledger::Ledger},
    resources::vault,
    spec::{
        complaint::{Verdict, wrong},
        graph::Graph,
    },
    survey::Survey,
};
use futures::future::BoxFuture;
use serde_json::json;

pub struct Sdk;

const VAULT_URI: &str = "KEYVAULT_URI";

impl Delivery for Sdk {
    fn name(&self) -> &'static str {
        "sdk"
    }

    fn check(&self, secrets: &[Asked<'_>]) -> Verdict {
        for (at, used) in secrets.iter().enumerate() {
            let given = [("alias", used.alias.is_some()), ("sync", used.is_synced), ("env", used.is_variable)];
            if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
                let message = "with the delivery `sdk` the app reads the vault by itself: there are no files and no synced Secrets";
                return Err(wrong(format!("secrets[{at}].{field}"), message).hint("Remove the field, or use `delivery: csi`."));
            }
        }
        Ok(())
    }

    fn expand(&self, wanted: Wanted, graph: &mut Graph<'_>) -> Result<Parameters, Fault> {
        let mut parameters: Parameters = [(VAULT_URI.to_owned(), vault::URI.of(&wanted.vault))].into();
        parameters.extend(wanted.client_id.clone().map(|id| (CLIENT_ID.to_owned(), id)));
        recorded::add(self.name(), wanted, parameters, graph)
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Delivered>, Fault> {
        recorded::recall(self.name(), ledger, app)
    }

    fn mounts(&self, pod: &PodView<'_>, survey: &Survey) -> Vec<SecretUse> {
        uses::mounts(pod, survey, self.name())
    }

    fn pod(&self, delivered: &Delivered) -> PodPatch {
        let env = delivered.parameters.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        PodPatch { env: env.collect(), ..PodPatch::default() }
    }

    fn program(&self, delivered: &Delivered) -> Option<Program> {
        Some(check::program(delivered))
    }

    fn chain(&self, delivered: &Delivered, bound: &Bound) -> Vec<Link> {
        links::links(delivered, bound)
    }

    fn stages(&self, delivered: &Delivered, _: &PodRef) -> Vec<Stage> {
        links::stages(delivered)
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async move {
            let read = recorded::planned(self.name(), planned, "reads: the app will not find it");
            Remarks { refused: Vec::new(), warnings: unknown_secrets(planned, &read).await }
        })
    }
}
