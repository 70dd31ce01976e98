//! The Key Vault FlexVolume driver (Azure/kubernetes-keyvault-flexvol 0.0.17), which its project no longer supports: the pod template names
//! vault and secrets, and the driver on the node writes them into the volume once, when the pod starts. Nothing is added to the cluster.

mod examine;
mod links;
mod pages;
mod uses;

use super::{
    delivery::{Asked, Delivery, Wanted},
    recorded,
};
use crate::{
    chain::{
        facts::{Bound, Component, Delivered, Parameters, PodPatch},
        link::{Link, Symptom},
        page::Page,
        remarks::{Planned, Remarks, unknown_secrets},
        stage::Stage,
        uses::{PodView, SecretUse},
        view::PodRef,
    },
    engine::{fault::Fault, input::Input, ledger::Ledger, plan::Warning},
    resources::{secret_provider_class::Object, vault},
    spec::{
        complaint::{Verdict, wrong},
        graph::Graph,
    },
    survey::Survey,
};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

pub struct FlexVolume;

const DRIVER: &str = "azure/kv";
/// The volume, and where it is mounted.
const VOLUME: (&str, &str) = ("secrets", "/mnt/secrets");
/// Between the entries of the driver's lists (`objectsSep` in its main.go).
const SEPARATOR: &str = ";";

impl Delivery for FlexVolume {
    fn name(&self) -> &'static str {
        "flexvolume"
    }

    fn check(&self, secrets: &[Asked<'_>]) -> Verdict {
        for (at, used) in secrets.iter().enumerate() {
            let given = [("sync", used.is_synced), ("env", used.is_variable)];
            if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
                let message = "the delivery `flexvolume` only writes files: it makes no Kubernetes Secrets";
                return Err(wrong(format!("secrets[{at}].{field}"), message).hint("Remove the field, or use `delivery: csi`."));
            }
            // the driver's script passes its lists to a shell without quotes
            let file = used.alias.unwrap_or(used.name);
            if !file.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                let message = "the FlexVolume driver only takes letters, digits, `-`, `_` and `.` in the name of a file";
                return Err(wrong(format!("secrets[{at}].alias"), message));
            }
        }
        Ok(())
    }

    fn expand(&self, wanted: Wanted, graph: &mut Graph<'_>) -> Result<Parameters, Fault> {
        let by_pod = wanted.identity.get("usePodIdentity").and_then(Input::known).is_some_and(|on| on == "true");
        if !by_pod {
            return Err(Fault::refused(
                format!(
                    "the FlexVolume driver cannot get a token for {}/{}: it knows only AAD Pod Identity",
                    wanted.namespace, wanted.name
                ),
                "Use `mode: pod-identity`, or another `delivery`.",
            ));
        }
        let id = graph.id_of(&wanted.vault)?;
        let fixed = |name: &str, value: &str| (name.to_owned(), Input::Known(value.to_owned()));
        let parameters: Parameters = [
            fixed("usepodidentity", "true"),
            fixed("keyvaultname", wanted.vault.names()),
            fixed("resourcegroup", id.group_name().unwrap_or_default()),
            fixed("subscriptionid", id.subscription_id()),
            ("tenantid".to_owned(), vault::TENANT_ID.of(&wanted.vault)),
        ]
        .into();
        recorded::add(self.name(), wanted, parameters, graph)
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Delivered>, Fault> {
        recorded::recall(self.name(), ledger, app)
    }

    fn mounts(&self, pod: &PodView<'_>, survey: &Survey) -> Vec<SecretUse> {
        uses::mounts(pod, survey, self.name())
    }

    fn pod(&self, delivered: &Delivered) -> PodPatch {
        let (name, path) = VOLUME;
        let list = |of: fn(&Object) -> &str| delivered.objects.iter().map(of).collect::<Vec<_>>().join(SEPARATOR);
        let mut options: Map<String, Value> = delivered.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        options.insert("keyvaultobjectnames".into(), list(|object| &object.name).into());
        options.insert("keyvaultobjecttypes".into(), list(|_| "secret").into());
        if delivered.objects.iter().any(|object| object.alias.is_some()) {
            options.insert("keyvaultobjectaliases".into(), list(Object::file).into());
        }
        PodPatch {
            volume_mounts: vec![json!({ "name": name, "mountPath": path, "readOnly": true })],
            volumes: vec![json!({ "name": name, "flexVolume": { "driver": DRIVER, "options": options } })],
            ..PodPatch::default()
        }
    }

    fn chain(&self, delivered: &Delivered, bound: &Bound) -> Vec<Link> {
        links::links(delivered, bound)
    }

    fn is_retired(&self) -> bool {
        true
    }

    fn pages(&self) -> &'static [&'static Page] {
        pages::ALL
    }

    fn of_volume(&self) -> Vec<&'static Symptom> {
        links::of_volume()
    }

    fn stages(&self, delivered: &Delivered, _: &PodRef) -> Vec<Stage> {
        links::stages(delivered)
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async move {
            let mounted = recorded::planned(self.name(), planned, "mounts: its pods will not start");
            let mut warnings: Vec<Warning> = mounted.iter().map(|secrets| Warning {
                key: secrets.key.clone(),
                text: format!(
                    "{} gets its secrets by FlexVolume, which its project no longer supports: they are read once, when a pod starts, and never rotated",
                    secrets.shown
                ),
                hint: Some("Use `delivery: csi` where you can.".to_owned()),
            }).collect();
            warnings.extend(unknown_secrets(planned, &mounted).await);
            Remarks { refused: Vec::new(), warnings }
        })
    }

    fn needs(&self) -> &'static [Component] {
        &[Component { name: "flexvolume", pods: &["keyvault-flexvolume"] }]
    }
}
