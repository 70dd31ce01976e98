//! `podid cluster install`, `uninstall` and `components`.

use crate::{
    cli::{Command, Error, check},
    components::{self, Via},
    spec::{
        check_component,
        model::ComponentSpec,
        reference::NameOrId,
        request::{self, Request},
    },
};
use clap::{Args, builder::PossibleValuesParser};

const INSTALL: &str = "\
Examples:
  podid cluster install pod-identity --cluster aks-sp -g podid-lab
  podid cluster install csi --rotation-interval 5m   as an AKS add-on that reads secrets again
  podid cluster install workload-identity

A component that is already in the cluster is used as it is, whoever installed it; with --via, it
must have been installed that way. The command ends when the component works.";

const UNINSTALL: &str = "\
Examples:
  podid cluster uninstall csi

podid removes only what it installed itself, and nothing that others still use.";

/// Install a component into a cluster, and wait until it works
#[derive(Debug, Args)]
#[command(after_help = INSTALL)]
pub(in crate::cli) struct Install {
    #[command(flatten)]
    which: Which,
    /// How to install it; default: the component's own way
    #[arg(long, value_parser = PossibleValuesParser::new([Via::Addon, Via::Manifests, Via::Helm].map(Via::word)))]
    via: Option<String>,
    /// Path of a chart, for machines without internet access, or its reference in a registry (oci://...); needs --via helm
    #[arg(long, value_name = "PATH")]
    chart: Option<String>,
    /// Name images by the digest that their tags have now; not with --via helm
    #[arg(long)]
    pin: bool,
    /// Tag of its images, or version of its chart
    #[arg(long = "component-version", value_name = "VERSION")]
    version: Option<String>,
    /// Namespace of its objects; default: the component's own
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: Option<String>,
    /// pod-identity: let a binding of one namespace serve pods of another, as the labs do
    #[arg(long)]
    not_namespaced: bool,
    /// pod-identity: accept a cluster with kubenet, where pods can pretend to be others
    #[arg(long)]
    allow_kubenet: bool,
    /// csi: read secrets again when they change
    #[arg(long)]
    rotation: bool,
    /// csi: how often to read secrets again, such as 2m
    #[arg(long, value_name = "INTERVAL")]
    rotation_interval: Option<String>,
    /// ingress: use this GatewayClass or IngressClass of the cluster, and install nothing
    #[arg(long, value_name = "CLASS", value_parser = check::dns_subdomain)]
    ingress_class: Option<String>,
}

/// Remove a component that podid installed
#[derive(Debug, Args)]
#[command(after_help = UNINSTALL)]
pub(in crate::cli) struct Uninstall {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The component
    #[arg(value_name = "COMPONENT", value_parser = PossibleValuesParser::new(components::names()))]
    component: String,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

/// List a cluster's components: version, installer, and how many nodes are ready
#[derive(Debug, Args)]
pub(in crate::cli) struct Components {
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub(in crate::cli) cluster: Option<NameOrId>,
}

impl Install {
    pub(in crate::cli) fn command(self) -> Result<Command, Error> {
        let wanted = ComponentSpec {
            name: self.which.component,
            via: self.via,
            version: self.version,
            namespace: self.namespace,
            pin: self.pin,
            chart: self.chart,
            namespaced: self.not_namespaced.then_some(false),
            allow_kubenet: self.allow_kubenet,
            rotation: self.rotation.then_some(true),
            rotation_interval: self.rotation_interval,
            ingress_class: self.ingress_class,
        };
        if let Ok(component) = components::named(&wanted.name) {
            check_component(component, &wanted).map_err(|wrong| Error::usage(wrong.message, wrong.hint.unwrap_or_default()))?;
        }
        Ok(Command::Change {
            request: Request::Component(request::Component { wanted: Box::new(wanted), cluster: self.which.cluster }),
            remove: false,
        })
    }
}

impl Uninstall {
    pub(in crate::cli) fn command(self) -> Command {
        let wanted = ComponentSpec { name: self.which.component, ..ComponentSpec::default() };
        Command::Change {
            request: Request::Component(request::Component { wanted: Box::new(wanted), cluster: self.which.cluster }),
            remove: true,
        }
    }
}
