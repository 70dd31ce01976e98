//! A proof without a pod: podid does the steps of a pod by itself. It gets a token of the service account, exchanges it at Entra, and reads the
//! secrets with the result. It needs no right but to create tokens of the service account, and says nothing of webhook and driver.

use super::{Proof, comparison, prover::Prover, step, target::Target};
use crate::{
    azure::{self, Exchanged, IssuedFor, TokenClaims, claims_of},
    chain::{
        link::{GRANT, Heals, Meaning, MissingLink, Reason, SECRET, TOKEN, UNKNOWN},
        texts::short,
    },
    engine::{event::Event, fault::Fault, input::Input},
    resources::{federation, identity, service_account, vault},
};
use secrecy::SecretString;
use std::time::{Duration, Instant};

/// The pauses between two tries while something new may not be known everywhere.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long tries went on for already.
struct Patience {
    begun: Instant,
    waits_for: &'static str,
    since: Option<Instant>,
    pause: Duration,
    told: Option<String>,
}

impl Patience {
    fn new(begun: Instant, waits_for: &'static str) -> Self {
        Self { begun, waits_for, since: None, pause: FIRST_PAUSE, told: None }
    }
}

impl Prover {
    /// Proves without a pod.
    pub async fn prove_without_pod(&self, target: &Target) -> Proof {
        let mut proof = Proof::of(target);
        if let Err(fault) = Box::pin(self.walk(target, &mut proof)).await {
            self.failed(target, &mut proof, fault).await;
        }
        proof
    }

    async fn walk(&self, target: &Target, proof: &mut Proof) -> Result<(), Fault> {
        let Some(audience) = target.mode.exchanges(&target.bound) else {
            return Err(Fault::refused(
                format!("the mode {} gives tokens to pods only", target.bound.mode),
                "Leave out `--no-pod`: a short-lived pod then proves it.",
            ));
        };
        let Known { client_id, tenant, vault_uri } = self.known(target)?;
        self.settle(target).await?;
        let begun = Instant::now();
        let mut stop = self.stop.clone();
        let work = async {
            let assertion = self.assertion(target, audience, begun, proof).await?;
            let wanted = IssuedFor { tenant: &tenant, client_id: &client_id, vault_uri: &vault_uri };
            let exchanged = self.exchange(target, &wanted, &assertion, begun).await?;
            check(target, &exchanged.claims, &client_id)?;
            step(proof, begun, "exchange", &shown(&exchanged.claims));
            self.read(target, &vault_uri, &exchanged, begun, proof).await
        };
        tokio::select! {
            outcome = work => outcome,
            _ = stop.wait_for(|s| *s) => Err(Fault::Interrupted),
        }
    }

    /// What the state knows of identity and vault.
    fn known(&self, target: &Target) -> Result<Known, Fault> {
        let unknown = |what: &str| {
            Fault::refused(
                format!("the state does not say {what}"),
                format!("Run the command that made it again: {}.", self.commands.podid(&["status", "--app", &target.bound.app])),
            )
        };
        let recorded = |key: &crate::engine::key::Key, field: &str| {
            self.ledger.get(&target.bound.app, key)?.outputs.get(field)?.as_str().map(str::to_owned)
        };
        let client_id = target.bound.identity.client_id.as_ref().and_then(Input::known).cloned();
        let of_identity = target.bound.identity.key.as_ref().and_then(|key| recorded(key, identity::TENANT_ID.0));
        let tenant = of_identity.or_else(|| recorded(&vault::key(&target.delivered.vault.name), vault::TENANT_ID.0));
        Ok(Known {
            client_id: client_id.ok_or_else(|| unknown("the client id of the identity"))?,
            tenant: tenant.filter(|tenant| !tenant.is_empty()).ok_or_else(|| unknown("the tenant of the identity"))?,
            vault_uri: target.delivered.vault.uri.clone().ok_or_else(|| unknown("the address of the vault"))?,
        })
    }

    async fn assertion(&self, target: &Target, audience: &str, begun: Instant, proof: &mut Proof) -> Result<SecretString, Fault> {
        let cluster = self.clusters.writer(&target.bound.cluster).await?;
        let account = service_account::at(&target.bound.namespace, &target.bound.subject);
        let token = cluster.service_account_token(&account, audience).await.map_err(Fault::cloud)?;
        let claims =
            claims_of(&token).ok_or_else(|| Fault::cloud(MissingLink::new(TOKEN, "the API server returned a token without claims")))?;
        step(proof, begun, "assertion", &shown(&claims));
        let wanted = federation::service_account(&target.bound.namespace, &target.bound.subject);
        if claims.subject != wanted {
            let what = format!("the API server returned a token of {}, not of {wanted}", claims.subject);
            return Err(Fault::cloud(MissingLink::new(TOKEN, what)));
        }
        Ok(token)
    }

    /// Tries again while a credential that podid wrote may not be known everywhere.
    async fn exchange(
        &self,
        target: &Target,
        wanted: &IssuedFor<'_>,
        assertion: &SecretString,
        begun: Instant,
    ) -> Result<Exchanged, Fault> {
        let mut patience = Patience::new(begun, "waiting until Entra accepts the token of the service account");
        loop {
            let error = match self.azure.read().exchange(wanted, assertion).await {
                Ok(exchanged) => return Ok(exchanged),
                Err(error) => error,
            };
            let azure::Error::LoginRefused { code, message } = &error else { return Err(Fault::cloud(error)) };
            let reason = self.of_text(target, &format!("{code}: {message}")).await;
            self.wait(target, &mut patience, reason).await?;
        }
    }

    async fn read(&self, target: &Target, vault_uri: &str, exchanged: &Exchanged, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let mut patience = Patience::new(begun, "waiting until the vault opens for the identity");
        for object in target.delivered.objects.iter().filter(|object| object.kind.is_secret()) {
            let version = loop {
                match self.azure.read().secret_version_by(exchanged, vault_uri, &object.name).await {
                    Ok(version) => break version,
                    Err(error) => {
                        let reason = self.refused(target, &object.name, error).await?;
                        self.wait(target, &mut patience, reason).await?;
                    }
                }
            };
            step(proof, begun, "read", &format!("{} version {}", object.name, short(&version)));
            proof.objects.insert(object.name.clone(), Some(version));
        }
        let versions = proof.objects.clone();
        self.compare(target, &versions, begun, proof).await
    }

    /// Why a secret was not read, where that is known.
    async fn refused(&self, target: &Target, name: &str, error: azure::Error) -> Result<Reason, Fault> {
        let (vault, identity) = (&target.delivered.vault.name, &target.bound.identity.name);
        match &error {
            azure::Error::Forbidden { code, message, .. } => {
                let reason = self.of_text(target, &format!("{code}: {message}")).await;
                if reason.missing.link != UNKNOWN {
                    return Ok(reason);
                }
                let what = format!("the identity {identity} may not read the secret {name} of the vault {vault}");
                Ok(Reason::new(Heals::Never, MissingLink::new(GRANT, what).because(message.clone())))
            }
            azure::Error::NotFound { .. } => {
                Ok(Reason::new(Heals::Never, MissingLink::new(SECRET, format!("the vault {vault} has no secret {name}"))))
            }
            _ => Err(Fault::cloud(error)),
        }
    }

    /// Pauses before the next try. Ends with what waiting does not heal: what is certainly wrong in Azure, or lasts for too long.
    async fn wait(&self, target: &Target, patience: &mut Patience, reason: Reason) -> Result<(), Fault> {
        let seen_for = patience.since.get_or_insert_with(Instant::now).elapsed();
        let left = self.limit.saturating_sub(patience.begun.elapsed());
        if reason.heals.is_over(seen_for) || left < patience.pause {
            return Err(self.ended(target, reason).await);
        }
        let compared = comparison::compare(self, target).await;
        if compared.differences.iter().any(|difference| difference.certain && difference.breaks) {
            return Err(self.ended(target, reason).await);
        }
        if patience.told.as_ref() != Some(&reason.missing.what) {
            let text = format!("{}: {}", patience.waits_for, reason.missing.what);
            (self.events)(Event::Waiting { key: target.bound.keys.first().cloned(), text });
            patience.told = Some(reason.missing.what);
        }
        tokio::time::sleep(patience.pause).await;
        patience.pause = (patience.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// The meaning of a text, where the chain knows it.
    async fn of_text(&self, target: &Target, text: &str) -> Reason {
        let Ok(reader) = self.clusters.reader(&target.bound.cluster).await else { return unknown(text) };
        let view = target.view(&reader, &self.commands);
        let Some((link, symptom)) = target.symptom(text) else { return unknown(text) };
        match symptom.means {
            Meaning::Known { heals, what, hint } => {
                Reason::new(heals, MissingLink::new(link.name, what).because(text.to_owned()).hint(hint(&view, link)))
            }
            Meaning::Read(read) => read(&view, link, text),
            Meaning::Waiting => unknown(text),
        }
    }

    /// What differs from what podid wrote is the cause more often than what a service reports.
    async fn ended(&self, target: &Target, reason: Reason) -> Fault {
        let compared = comparison::compare(self, target).await;
        let Some(first) = compared.differences.into_iter().find(|difference| difference.breaks) else {
            return Fault::cloud(reason.missing);
        };
        let mut missing = first.missing;
        if missing.what != reason.missing.what {
            missing = missing.because(reason.missing.what);
            missing.causes.extend(reason.missing.causes);
        }
        Fault::cloud(missing)
    }
}

struct Known {
    client_id: String,
    tenant: String,
    vault_uri: String,
}

fn unknown(text: &str) -> Reason {
    let missing = MissingLink::new(UNKNOWN, "Entra did not exchange the token of the service account").because(text.to_owned());
    Reason::new(Heals::Never, missing)
}

/// Whether the token is one of the identity that the pods are bound to.
fn check(target: &Target, claims: &TokenClaims, client_id: &str) -> Result<(), Fault> {
    match &claims.application {
        Some(application) if !application.eq_ignore_ascii_case(client_id) => {
            let what =
                format!("Entra returned a token of another identity (client id {application}), not of {}", target.bound.identity.name);
            Err(Fault::cloud(MissingLink::new(TOKEN, what)))
        }
        _ => Ok(()),
    }
}

/// The claims as a line, without anything that opens something.
fn shown(claims: &TokenClaims) -> String {
    let expires = claims.expires.and_then(|at| jiff::Timestamp::from_second(at).ok()).map(|at| format!(", until {at}"));
    let who = match (&claims.application, &claims.object) {
        (Some(application), Some(object)) => format!("client id {application}, object id {object}"),
        (Some(application), None) => format!("client id {application}"),
        _ => format!("{} of {}", claims.subject, claims.issuer),
    };
    format!("{who}, for {}{}", claims.audience, expires.unwrap_or_default())
}
