//! Connections to managed clusters that no kubeconfig has: with a credential that Azure returns. It is kept in memory only.

use crate::{
    azure::{ArmId, Azure},
    cluster::{self, TokenSource},
    engine::fault::Fault,
};
use secrecy::ExposeSecret;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

#[derive(Clone, Default)]
pub struct Managed {
    azure: Option<Azure>,
    known: Arc<Mutex<BTreeMap<String, Known>>>,
}

#[derive(Clone)]
struct Known {
    id: ArmId,
    open: Arc<OnceCell<cluster::Cluster>>,
}

impl Managed {
    pub fn of(azure: Azure) -> Self {
        Self { azure: Some(azure), known: Arc::default() }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn know(&self, context: &str, id: &ArmId) {
        let mut all = self.all();
        if all.get(context).is_none_or(|known| known.id != *id) {
            all.insert(context.to_owned(), Known { id: id.clone(), open: Arc::default() });
        }
    }

    /// The managed cluster of a context, if Azure can be asked for its credential.
    pub fn id(&self, context: &str) -> Option<ArmId> {
        self.azure.as_ref()?;
        self.all().get(context).map(|known| known.id.clone())
    }

    pub fn has_opened(&self) -> bool {
        self.all().values().any(|known| known.open.initialized())
    }

    /// Connects once for each context. `settings` are those of the kubeconfig's clusters.
    pub async fn open(&self, context: &str, id: &ArmId, settings: &cluster::Settings) -> Result<cluster::Cluster, Fault> {
        let (Some(azure), Some(known)) = (self.azure.clone(), self.all().get(context).cloned()) else {
            return Err(Fault::Bug(format!("the cluster of the context {context} is not known")));
        };
        let open = known.open.get_or_try_init(|| async {
            let text = azure.cluster_credential(id, false).await.map_err(Fault::cloud)?;
            let origin = format!("the credential of {id}");
            let token: TokenSource = Arc::new(move || {
                let azure = azure.clone();
                Box::pin(async move { azure.api_server_token().await.map_err(|error| error.to_string()) })
            });
            cluster::Cluster::from_text(settings.clone(), text.expose_secret(), &origin, token).await.map_err(Fault::cloud)
        });
        open.await.cloned()
    }
}
