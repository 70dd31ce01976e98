//! The components that podid installed in a cluster, found by the marks of their workloads or of their helm release.

use crate::{
    cluster::{Error, Read},
    components::{self, Via},
    resources::{
        helm_release,
        running::{Installer, Running, running},
    },
    spec::{
        model::ComponentSpec,
        request::{self, Request},
    },
};
use std::collections::BTreeSet;

/// A component with the app whose it is.
pub(super) struct Installed {
    pub(super) app: String,
    wanted: ComponentSpec,
}

impl Installed {
    pub(super) fn request(&self) -> Request {
        Request::Component(request::Component { wanted: Box::new(self.wanted.clone()), cluster: None })
    }
}

/// Lists what podid installed. An add-on of AKS carries no marks. A login that may not list workloads or releases finds less.
pub(super) async fn installed(read: &Read) -> Result<Vec<Installed>, Error> {
    let mut found: Vec<Installed> = Vec::new();
    for component in components::all() {
        let all = match running(read, &component.signs()).await {
            Err(Error::Forbidden { .. }) => return Ok(found),
            other => other?,
        };
        let installers: BTreeSet<&Installer> = all.iter().map(|one| &one.installer).collect();
        for installer in installers {
            let Some((app, wanted)) = of(read, installer, &all).await? else { continue };
            let namespace = wanted.namespace.filter(|namespace| namespace != component.namespace());
            found.push(Installed { app, wanted: ComponentSpec { name: component.name().to_owned(), namespace, ..wanted } });
        }
    }
    Ok(found)
}

/// The app whose installation it is, and what is known of it.
async fn of(read: &Read, installer: &Installer, all: &[Running]) -> Result<Option<(String, ComponentSpec)>, Error> {
    let spec = |via: Via, namespace: &str, version: Option<String>| ComponentSpec {
        via: Some(via.word().to_owned()),
        namespace: Some(namespace.to_owned()),
        version,
        ..ComponentSpec::default()
    };
    match installer {
        Installer::Podid(app) => {
            let own = all.iter().find(|one| one.installer == *installer);
            // an image by its digest does not tell its tag
            let spec =
                |one: &Running| spec(Via::Manifests, &one.namespace, Some(one.version().to_owned()).filter(|tag| !tag.contains(':')));
            Ok(own.map(|one| (app.clone(), spec(one))))
        }
        Installer::Helm { release, .. } => {
            let app = helm_release::app_of(read, release).await?;
            let namespace = release.split_once('/').map_or(release.as_str(), |(namespace, _)| namespace);
            Ok(app.map(|app| (app, spec(Via::Helm, namespace, None))))
        }
        Installer::Aks | Installer::GitOps { .. } | Installer::Unknown { .. } => Ok(None),
    }
}
