//! The rules for a cluster and for resource groups that podid is to create, in the spec and on the command line.

use super::{
    complaint::{Verdict, maybe, named, wrong},
    creation::{ClusterCreate, ClusterIdentity},
    model::{ClusterSpec, Spec},
    names::{self, Checked},
    reference,
    source::SourceSpec,
};

/// The most nodes of a pool (AKS documentation, "limits").
pub const MOST_NODES: u32 = 1000;

pub fn vm_size(text: &str) -> Checked {
    let fine = (1..=80).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if fine { Ok(()) } else { Err("a VM size is letters, digits, `_` and `-`, such as `Standard_D2s_v5`".to_owned()) }
}

pub const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";

pub fn registry_or_id(text: &str) -> Checked {
    let name = names::id_of(REGISTRY, text)?.map_or(text, |parts| parts.name);
    let fine = (5..=50).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if fine { Ok(()) } else { Err("a registry's name has 5 to 50 letters and digits".to_owned()) }
}

pub fn kubernetes_version(text: &str) -> Checked {
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let fine = (2..=3).contains(&parts.len()) && parts.iter().all(number);
    if fine { Ok(()) } else { Err("a Kubernetes version is such as `1.34` or `1.34.2`".to_owned()) }
}

pub fn node_count(count: u32) -> Checked {
    if (1..=MOST_NODES).contains(&count) { Ok(()) } else { Err(format!("a cluster has 1 to {MOST_NODES} nodes")) }
}

/// Groups that podid creates: each once, and with a location.
pub(super) fn check_groups(spec: &Spec) -> Verdict {
    for (at, group) in spec.resource_groups.iter().enumerate() {
        let path = format!("resourceGroups[{at}]");
        named(&format!("{path}.name"), names::resource_group, &group.name)?;
        maybe(&format!("{path}.location"), names::location, group.location.as_ref())?;
        if spec.resource_groups[..at].iter().any(|other| other.name.eq_ignore_ascii_case(&group.name)) {
            return Err(wrong(format!("{path}.name"), format!("the resource group `{}` is already in the spec", group.name)));
        }
        if group.location.is_none() && spec.location.is_none() {
            return Err(wrong(path, "a new resource group needs a location").hint("Add `location:` to it, or to the spec."));
        }
    }
    Ok(())
}

/// The issuer of a cluster that is not one of AKS. Entra reads its keys from the internet.
pub(super) fn check_issuer(cluster: &ClusterSpec) -> Verdict {
    let Some(issuer) = &cluster.issuer else { return Ok(()) };
    named("cluster.issuer", reference::issuer, issuer)?;
    let given = [
        ("cluster.create", cluster.create.is_some()),
        ("cluster.resourceGroup", cluster.resource_group.is_some()),
        ("cluster.principalId", cluster.principal_id.is_some()),
        ("cluster.name", cluster.name.starts_with('/')),
    ];
    if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
        let message = "a cluster with an `issuer` is not one of AKS, and has no resource in Azure";
        return Err(wrong(field, message).hint("Remove this field, or `issuer`, which AKS itself publishes."));
    }
    let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let is_private = host.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        || !host.contains('.')
        || [".local", ".internal", ".localhost", ".svc"].iter().any(|end| host.ends_with(end));
    if is_private {
        let message = format!("Entra cannot read the keys of the issuer at {host}: it asks for them from the internet (AADSTS90061)");
        return Err(wrong("cluster.issuer", message).hint(
            "Publish `/.well-known/openid-configuration` and the keys at a public https address, and start the API server with it as `--service-account-issuer`.",
        ));
    }
    Ok(())
}

pub(super) fn check(path: &str, create: &ClusterCreate) -> Verdict {
    maybe(&format!("{path}.location"), names::location, create.location.as_ref())?;
    maybe(&format!("{path}.vmSize"), vm_size, create.vm_size.as_ref())?;
    maybe(&format!("{path}.kubernetesVersion"), kubernetes_version, create.kubernetes_version.as_ref())?;
    if let Some(count) = create.node_count {
        node_count(count).map_err(|rule| wrong(format!("{path}.nodeCount"), rule))?;
    }
    for (at, registry) in create.attach_registry.iter().enumerate() {
        named(&format!("{path}.attachRegistry[{at}]"), registry_or_id, registry)?;
    }
    if let Some(ClusterIdentity::ServicePrincipal(principal)) = &create.identity {
        let path = format!("{path}.identity.servicePrincipal");
        named(&format!("{path}.clientId"), names::guid, &principal.client_id)?;
        if !matches!(principal.secret, SourceSpec::File(_) | SourceSpec::Env(_)) {
            return Err(wrong(format!("{path}.secret"), "it can only be `file` or `env`"));
        }
    }
    match create.contradiction() {
        Some((field, why)) => Err(wrong(format!("{path}.{field}"), why)),
        None => Ok(()),
    }
}
