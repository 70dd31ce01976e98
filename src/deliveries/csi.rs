//! The Secrets Store CSI driver with its Azure provider: a SecretProviderClass names the secrets, and the driver mounts them as files and
//! may keep Kubernetes Secrets in step with them.

mod examine;
mod found;
mod links;
mod names;
mod pages;
mod polling;
mod texts;
mod uses;

use super::{
    delivery::{Delivery, Wanted},
    vault_facts::vault_facts,
};
use crate::{
    chain::{
        facts::{Bound, Component, Delivered, Parameters, PodPatch},
        found::Found,
        link::{Link, Symptom},
        page::Page,
        remarks::{Planned, Remarks, SecretsOf, unknown_secrets, wanted},
        stage::Stage,
        uses::{PodView, SecretUse},
        view::PodRef,
    },
    engine::{
        desired::Intent,
        fault::Fault,
        input::DependsOn,
        ledger::{Entry, Ledger},
    },
    resources::{
        access::{Named, Reach, Right},
        secret_provider_class::{self, Object, SecretProviderClass, Synced},
        vault,
    },
    spec::{
        claim::Claim,
        graph::Graph,
        names::dns_subdomain,
        request::Mount,
        settings::{Rule, Setting, Settings},
    },
    survey::Survey,
};
use futures::future::BoxFuture;
use names::{CLASS, DRIVER, GROUP, STATUS};
use serde::Deserialize as _;
use serde_json::json;

pub struct Csi;

/// The field for the name of the SecretProviderClass; default: the workload's name.
const NAME: &str = "names.secretProviderClass";
/// The volume, and where it is mounted.
const VOLUME: (&str, &str) = ("secrets", "/mnt/secrets");

impl Delivery for Csi {
    fn name(&self) -> &'static str {
        "csi"
    }

    fn settings(&self) -> &'static [Setting] {
        const { &[Setting { field: NAME, rule: Rule::Text(dns_subdomain), flag: None }] }
    }

    fn claims(&self, workload: &str, settings: &Settings) -> Vec<Claim> {
        let field = settings.get(NAME).map_or("name", |_| NAME);
        let hint = "Give it another name with `names: {secretProviderClass: NAME}`.";
        vec![Claim { field, kind: CLASS, name: self.object_name(workload, settings), shown: "SecretProviderClass", hint }]
    }

    fn object_name(&self, workload: &str, settings: &Settings) -> String {
        settings.get(NAME).unwrap_or(workload).to_owned()
    }

    fn expand(&self, wanted: Wanted, graph: &mut Graph<'_>) -> Result<Parameters, Fault> {
        let Wanted { namespace, name, vault, objects, synced, subject, identity, .. } = wanted;
        let target = graph.target()?;
        let within = graph.namespace(&target, &namespace, Intent::Existing)?;
        let key = secret_provider_class::key(&target.name, &namespace, &name);
        let recorded = graph.context.memory.recorded::<SecretProviderClass>(&key);
        let (objects, synced) = respelled(recorded.as_ref(), objects, synced);
        let kind = SecretProviderClass {
            target: target.clone(),
            namespace,
            name,
            vault_name: respelled_vault(recorded.as_ref(), vault.names()),
            tenant: vault::TENANT_ID.of(&vault),
            identity,
            objects,
            synced,
            subject,
            within: DependsOn::of(&within),
            after: Vec::new(),
        };
        graph.add_in_cluster(&key, &kind, Intent::Present, &target)?;
        Ok(Parameters::new())
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Delivered>, Fault> {
        let mut found = Vec::new();
        for entry in ledger.of_app(app).filter(|e| e.kind == CLASS) {
            found.push(self.recalled(ledger, entry)?);
        }
        Ok(found)
    }

    fn found(&self, found: &Found<'_>) -> Vec<Mount> {
        found::mounts(found)
    }

    fn mounts(&self, pod: &PodView<'_>, survey: &Survey) -> Vec<SecretUse> {
        uses::mounts(pod, survey, self.name())
    }

    fn pod(&self, delivered: &Delivered) -> PodPatch {
        let (name, path) = VOLUME;
        let env = delivered.synced.iter().filter_map(|s| {
            let name = s.env.as_ref()?;
            Some(json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": s.secret, "key": s.key } } }))
        });
        PodPatch {
            env: env.collect(),
            volume_mounts: vec![json!({ "name": name, "mountPath": path, "readOnly": true })],
            volumes: vec![json!({
                "name": name,
                "csi": { "driver": DRIVER, "readOnly": true, "volumeAttributes": { "secretProviderClass": delivered.name } },
            })],
            ..PodPatch::default()
        }
    }

    fn chain(&self, delivered: &Delivered, bound: &Bound) -> Vec<Link> {
        links::links(delivered, bound)
    }

    fn pages(&self) -> &'static [&'static Page] {
        pages::ALL
    }

    fn of_volume(&self) -> Vec<&'static Symptom> {
        texts::of_volume()
    }

    fn stages(&self, delivered: &Delivered, pod: &PodRef) -> Vec<Stage> {
        links::stages(delivered, pod)
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async move {
            let mounted = wanted(planned.desired, CLASS).filter_map(|node| {
                let class = planned.placed::<SecretProviderClass>(node)?;
                let shown = format!("{}/{}", class.namespace, class.name);
                let secrets = class.objects.into_iter().filter(|object| object.kind.is_secret());
                let names = secrets.map(|object| object.name).collect();
                Some(SecretsOf { key: node.key.clone(), shown, vault: class.vault_name, names, effect: "mounts: its pods will not start" })
            });
            let mut warnings = unknown_secrets(planned, &mounted.collect::<Vec<_>>()).await;
            warnings.extend(polling::warnings(planned).await);
            Remarks { refused: Vec::new(), warnings }
        })
    }

    fn needs(&self) -> &'static [Component] {
        &[Component { name: "csi", pods: &["secrets-store"] }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[CLASS]
    }

    /// What the stages of a proof wait for.
    fn rights(&self) -> Vec<Right> {
        let waits = |group, resource| Right::new(group, resource, &["list", "watch"], Reach::Within);
        vec![waits(GROUP, STATUS.1), waits("", "secrets").named(Named::Synced)]
    }
}

impl Csi {
    fn recalled(&self, ledger: &Ledger, entry: &Entry) -> Result<Delivered, Fault> {
        let class = SecretProviderClass::deserialize(&*entry.placed)?;
        Ok(Delivered {
            delivery: self.name(),
            app: entry.app.clone(),
            by: entry.by,
            cluster: class.target,
            namespace: class.namespace,
            name: class.name,
            subject: class.subject,
            vault: vault_facts(ledger, &entry.app, class.vault_name),
            objects: class.objects,
            synced: class.synced,
            parameters: Parameters::new(),
            keys: vec![entry.key.clone()],
        })
    }
}

// In a SecretProviderClass the spelling is content (a file in the mount is named by it): the recorded one stays.

/// The vault's name as the class had it.
fn respelled_vault(recorded: Option<&SecretProviderClass>, name: &str) -> String {
    let recorded = recorded.map(|class| class.vault_name.as_str()).filter(|recorded| recorded.eq_ignore_ascii_case(name));
    recorded.unwrap_or(name).to_owned()
}

/// Secrets that are only respelled keep the name that they had in the class, and with it their file; `alias` renames a file.
fn respelled(recorded: Option<&SecretProviderClass>, mut objects: Vec<Object>, mut synced: Vec<Synced>) -> (Vec<Object>, Vec<Synced>) {
    let Some(recorded) = recorded else { return (objects, synced) };
    for object in &mut objects {
        let is_same = |o: &&Object| o.name.eq_ignore_ascii_case(&object.name) && o.alias == object.alias && o.kind == object.kind;
        let Some(before) = recorded.objects.iter().find(is_same) else { continue };
        if object.alias.is_none() {
            synced.iter_mut().filter(|s| s.file == object.name).for_each(|s| s.file.clone_from(&before.name));
        }
        object.name.clone_from(&before.name);
    }
    (objects, synced)
}
