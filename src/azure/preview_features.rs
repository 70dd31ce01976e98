//! Preview features of a subscription, and their registration.
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/preview-features>

use super::{
    ArmId, Error, Read, Result, Write,
    arm::{self, Arm},
    deadline, hosts,
    wait::{OPERATION, Poll, Waiter},
};
use ::http::Method;
use serde::Deserialize;
use std::time::Duration;

const VERSION: &str = "2021-07-01";
const PROVIDERS: &str = "2021-04-01";
/// A registration that needs no approval takes up to 15 minutes.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The state of a registered feature.
pub const REGISTERED: &str = "Registered";

#[derive(Deserialize)]
struct Body {
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    state: String,
}

fn id(subscription: &ArmId, provider: &str, feature: &str) -> ArmId {
    subscription.child(&format!("providers/Microsoft.Features/providers/{provider}/features"), feature)
}

impl Read {
    /// Returns the state of a feature of a resource provider, such as `NotRegistered` or `Registering`. None: Azure does not know it.
    pub async fn feature_state(&self, subscription: &ArmId, provider: &str, feature: &str) -> Result<Option<String>> {
        let found: Option<Body> = self.resource(&id(subscription, provider, feature), VERSION).await?;
        Ok(found.map(|body| body.properties.state))
    }
}

impl Write {
    /// Registers a feature, waits until it is registered, and registers the provider again, which makes the provider see it. A feature that
    /// is registered already is fine.
    pub async fn register_feature(&self, subscription: &ArmId, provider: &str, feature: &str) -> Result<String> {
        let limit = self.core.limit_or(LONGEST);
        let patience = Waiter { limit, on_wait: self.patience.on_wait.clone() };
        let arm = &self.core.arm;
        deadline::within(limit, async {
            let state = register(arm, &patience, &id(subscription, provider, feature), provider).await?;
            let provider = subscription.child("providers", provider);
            arm.exchange(Method::POST, arm::url(&provider, &["register"], PROVIDERS)?, None::<&()>).await?;
            Ok(state)
        })
        .await
    }
}

async fn register(arm: &Arm, patience: &Waiter, id: &ArmId, provider: &str) -> Result<String> {
    let name = &format!("{provider}/{}", id.name());
    let answer = arm.exchange(Method::POST, arm::url(id, &["register"], VERSION)?, None::<&()>).await?;
    let mut first = Some(arm::parsed::<Body>(hosts::ARM, &answer.body)?);
    let step = || {
        let first = first.take();
        async move {
            let body = match first {
                Some(body) => body,
                None => arm::parsed(hosts::ARM, &arm.body(id, VERSION).await?)?,
            };
            let state = body.properties.state;
            match state.as_str() {
                REGISTERED => Ok(Poll::Done(state)),
                "Pending" => Ok(Poll::Wait(format!("waiting until Microsoft approves the preview feature {name}"))),
                "Registering" => Ok(Poll::Wait(format!("waiting until the preview feature {name} is registered (Registering)"))),
                _ => Err(Error::NotDone {
                    message: format!("the preview feature {name} is {state} right after its registration"),
                    way_out: format!("Look at it: `az feature show --namespace {provider} --name {}`.", id.name()),
                }),
            }
        }
    };
    patience.until(&format!("the registration of the preview feature {name}"), OPERATION, step).await
}
