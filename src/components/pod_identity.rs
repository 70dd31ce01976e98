//! AAD Pod Identity 1.8: MIC, NMI, their definitions and exceptions. podid applies the manifests of its standard mode
//! (`deploy/infra/deployment-rbac.yaml`, `mic-exception.yaml`) in a namespace of their own, in namespaced mode.

use super::{
    component::{Component, Program, Via},
    expand, manifests,
};
use crate::{
    azure::obstacles::{self, Effect},
    chain::remarks::{Planned, Remarks},
    cluster::Api,
    crds,
    engine::{
        desired::Intent,
        fault::Fault,
        key::Key,
        plan::{Act, Refusal, Warning},
        resource::Kind as _,
    },
    resources::{cluster, component::Works, installation::Installation, kind::spec_of, running::Sign},
    spec::{
        complaint::{Complaint, wrong},
        graph::Graph,
        model::ComponentSpec,
    },
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

pub struct PodIdentity;

const NAME: &str = "pod-identity";
const GROUP: &str = "aadpodidentity.k8s.io";
/// The last release, of June 2023.
const VERSION: &str = "v1.8.17";
const NAMESPACE: &str = "aad-pod-identity";
/// The user's choices that a plan warns of, or asks for.
const NOT_NAMESPACED: &str = "not-namespaced";
const KUBENET: &str = "allow-kubenet";
const CONSENT: &str = "Consent with `allowKubenet: true` on the component (or --allow-kubenet), and forbid NET_RAW by a policy: \
    https://azure.github.io/aad-pod-identity/docs/configure/aad_pod_identity_on_kubenet/.";
const IMAGES: &str = "mcr.microsoft.com/oss/azure/aad-pod-identity";

const ACCESS: &str = include_str!("../../templates/components/pod-identity/access.yaml");
const EXCEPTIONS: &str = include_str!("../../templates/components/pod-identity/exceptions.yaml");
const WORKLOADS: &str = include_str!("../../templates/components/pod-identity/workloads.yaml");

fn definitions() -> Vec<Value> {
    crds::all().into_iter().filter(|definition| definition.pointer("/spec/group").and_then(Value::as_str) == Some(GROUP)).collect()
}

/// The last chart. Its values are strings where its templates compare them as strings.
fn chart(wanted: &ComponentSpec) -> expand::Release<'static> {
    let namespaced = wanted.namespaced.unwrap_or(true).to_string();
    expand::Release {
        name: "aad-pod-identity",
        namespace: NAMESPACE,
        repository: "https://raw.githubusercontent.com/Azure/aad-pod-identity/master/charts",
        chart: "aad-pod-identity",
        version: "4.1.18",
        values: json!({ "forceNamespaced": namespaced, "nmi": { "allowNetworkPluginKubenet": wanted.allow_kubenet } }),
        retired: Some("the chart was last released in June 2023, and its project is archived"),
    }
}

fn api(kind: &str, plural: &str) -> Api {
    Api::new(GROUP, "v1", kind, plural)
}

impl Component for PodIdentity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ways(&self) -> &'static [Via] {
        &[Via::Manifests, Via::Helm]
    }

    fn fields(&self) -> &'static [&'static str] {
        &["namespaced", "allowKubenet"]
    }

    fn signs(&self) -> Vec<Sign> {
        vec![Sign::new("nmi", &["aad-pod-identity/nmi"]), Sign::new("mic", &["aad-pod-identity/mic"])]
    }

    fn works(&self, _: &ComponentSpec) -> Works {
        let names = definitions().into_iter().filter_map(|definition| Some(definition.pointer("/metadata/name")?.as_str()?.to_owned()));
        Works {
            signs: self.signs(),
            definitions: names.collect(),
            users: vec![api("AzureIdentityBinding", "azureidentitybindings")],
            drains: Some(api("AzureAssignedIdentity", "azureassignedidentities")),
            ..Works::default()
        }
    }

    fn check(&self, wanted: &ComponentSpec) -> Result<(), Complaint> {
        if wanted.namespace.as_deref() == Some("kube-system") {
            // an add-on's exception there would except MIC's neighbours, too
            return Err(wrong("namespace", "pod identity cannot be installed into kube-system, which is the namespace of the AKS add-on")
                .hint("Leave it out: podid uses the namespace aad-pod-identity."));
        }
        Ok(())
    }

    fn install(&self, via: Via, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
        if via == Via::Helm {
            return expand::helm(wanted, chart(wanted), graph);
        }
        let target = graph.target()?;
        let name = wanted.namespace.as_deref().unwrap_or(NAMESPACE);
        let namespace = graph.namespace(&target, name, Intent::Present)?;
        let mut first = definitions();
        let mut exceptions = manifests::read(EXCEPTIONS)?;
        manifests::into_namespace(&mut exceptions, name);
        first.extend(exceptions);
        let before = expand::objects(&target, first, std::slice::from_ref(&namespace), graph)?;
        let mut access = manifests::read(ACCESS)?;
        manifests::into_namespace(&mut access, name);
        let mut before_programs = expand::objects(&target, access, std::slice::from_ref(&namespace), graph)?;
        before_programs.extend(before);
        let mut programs = manifests::read(WORKLOADS)?;
        manifests::into_namespace(&mut programs, name);
        let version = wanted.version.as_deref().unwrap_or(VERSION);
        // three settings at once: MIC's own namespace, the namespace of its lock, and the one in which NMI looks for MIC
        // (cmd/mic/main.go, cmd/nmi/main.go)
        let namespaced = wanted.namespaced.unwrap_or(true).then(|| "--forceNamespaced=true".to_owned());
        for (program, own) in [("mic", "--leader-election-namespace"), ("nmi", "--MICNamespace")] {
            let container = manifests::container(&mut programs, program)?;
            container["image"] = expand::image(wanted, &format!("{IMAGES}/{program}"), version, graph)?;
            manifests::add_arguments(container, namespaced.iter().cloned().chain([format!("{own}={name}")]));
        }
        if wanted.allow_kubenet {
            manifests::add_arguments(manifests::container(&mut programs, "nmi")?, ["--allow-network-plugin-kubenet=true".to_owned()]);
        }
        let mut keys = expand::objects(&target, programs, &before_programs, graph)?;
        keys.extend(before_programs);
        keys.push(namespace);
        Ok(keys)
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async move { remarks(planned) })
    }

    fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    fn options(&self, wanted: &ComponentSpec) -> Vec<String> {
        let not_namespaced = (wanted.namespaced == Some(false)).then_some(NOT_NAMESPACED);
        let kubenet = wanted.allow_kubenet.then_some(KUBENET);
        not_namespaced.into_iter().chain(kubenet).map(str::to_owned).collect()
    }

    fn programs(&self) -> &'static [Program] {
        &[Program { name: "mic", sign: "mic", container: "mic" }, Program { name: "nmi", sign: "nmi", container: "nmi" }]
    }
}

/// What a cluster says that makes pod identity impossible or unsafe there.
fn remarks(planned: &Planned<'_>) -> Remarks {
    let mut remarks = Remarks::default();
    let installs = planned.plan.actions.iter().filter(|action| action.kind == Installation::KIND && action.act == Act::Create);
    for action in installs {
        let Some(installation) = action.work.node.as_ref().and_then(|node| spec_of::<Installation>(&node.kind, &node.spec)) else {
            continue;
        };
        if installation.component != NAME {
            continue;
        }
        remarks.warnings.push(Warning {
            key: action.key.clone(),
            text: "AAD Pod Identity is retired: its last release is of June 2023, and nobody fixes it any more".to_owned(),
            hint: Some("It serves clusters that still use it. For a new app prefer Workload ID.".to_owned()),
        });
        if installation.namespace.as_deref() == Some("default") {
            remarks.warnings.push(Warning {
                key: action.key.clone(),
                text: "in the namespace default, every pod of a ReplicaSet whose name begins with `mic` gets the token of any identity of its node".to_owned(),
                hint: Some("Leave out `namespace`: podid uses aad-pod-identity.".to_owned()),
            });
        }
        if installation.options.iter().any(|option| option == NOT_NAMESPACED) {
            remarks.warnings.push(Warning {
                key: action.key.clone(),
                text: "without namespaced mode, a binding of any namespace with the same selector gives its identity to the pods of all namespaces".to_owned(),
                hint: Some("Leave out `namespaced: false` (or --not-namespaced).".to_owned()),
            });
        }
        let key = cluster::key(&installation.target.name);
        let seen = planned.observed.seen.get(&key).and_then(Option::as_ref);
        let Some(cluster) = seen.and_then(|seen| serde_json::from_value::<cluster::Actual>((*seen.actual).clone()).ok()) else { continue };
        let namespace = installation.namespace.as_deref().unwrap_or(NAMESPACE);
        let excluded = cluster.cluster.safeguards_exclude.iter().any(|one| one == namespace);
        let consents = installation.options.iter().any(|option| option == KUBENET);
        let found = obstacles::pod_identity_obstacles(&cluster.cluster).into_iter();
        for obstacle in found.filter(|one| !(excluded && one.sign == obstacles::SAFEGUARDS)) {
            let name = &installation.target.name;
            let reason = &obstacle.reason;
            let way_out = Some(match obstacle.sign {
                obstacles::KUBENET => CONSENT.to_owned(),
                _ => obstacle.way_out_of(&cluster.cluster.id).replace("NAMESPACE", namespace),
            });
            match obstacle.effect {
                Effect::None => {}
                Effect::NeedsConsent if consents => {}
                Effect::NeedsConsent | Effect::Blocks => remarks.refused.push(Refusal {
                    key: action.key.clone(),
                    reason: format!("pod identity cannot work on the cluster {name}: {reason}"),
                    changes: Vec::new(),
                    way_out,
                }),
                Effect::Warns => {
                    let text = format!("the cluster {name} may not suit pod identity: {reason}");
                    remarks.warnings.push(Warning { key: action.key.clone(), text, hint: way_out });
                }
            }
        }
    }
    remarks
}
