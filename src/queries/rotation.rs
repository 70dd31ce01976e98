//! What has to be known before a secret is rotated: its current version, where the new value comes from, and whether the clusters that mount
//! it will follow.

use super::looks::Lookup;
use crate::{
    converge::{Goal, converge, spec_beside},
    engine::fault::Fault,
    exit::Exit,
    failure::Failure,
    resources::{
        secret::{self, Secret},
        values::SecretSource,
    },
    rotation::{self, Class, Following},
    session::Session,
    spec::{
        names::name_in,
        request::{Request, Rotate},
    },
};

/// The length of a value that podid generates where nothing says another.
const LENGTH: u32 = 32;

/// Sets a new version, and waits until every pod that mounts the secret has it.
pub async fn rotate(session: &Session, asked: &Rotate) -> Result<Exit, Failure> {
    let rotate = session.unless_interrupted(Box::pin(prepared(session, asked))).await??;
    converge(session, Goal::Request { request: Request::Rotate(rotate), remove: false }).await
}

async fn prepared(session: &Session, asked: &Rotate) -> Result<Rotate, Failure> {
    let lookup = Lookup::open(session)?;
    let vault = lookup.found_vault(&asked.vault, asked.group.as_deref()).await?;
    let (vault_name, name) = (vault.id.name().to_owned(), &asked.name);
    let current = lookup.azure.latest_secret(&vault.uri, name).await.map_err(|error| Failure::from(&error))?;
    let version = current.and_then(|current| current.version).ok_or_else(|| {
        Failure::new(Exit::Refused, format!("the secret {name} is not in the vault {vault_name}"))
            .hint(format!("Set its first version: `podid vault secret set {name} --vault {vault_name}`."))
    })?;
    check_clusters(session, &lookup, asked, &vault_name).await?;
    let source = match &asked.source {
        Some(source) => source.clone(),
        None => known_source(&lookup, &vault_name, name)?,
    };
    Ok(Rotate { source: Some(source), replaces: version, ..asked.clone() })
}

/// As the spec says, then as the state remembers. A value that somebody typed is asked for again.
fn known_source(lookup: &Lookup<'_>, vault: &str, name: &str) -> Result<SecretSource, Failure> {
    let spec = spec_beside()?.map(|loaded| loaded.spec);
    let vaults = spec.iter().flat_map(|spec| spec.vault.iter().chain(&spec.vaults));
    let secrets = vaults.filter(|one| name_in(&one.name).eq_ignore_ascii_case(vault)).flat_map(|one| &one.secrets);
    let of_spec = secrets.into_iter().find(|one| one.name.eq_ignore_ascii_case(name)).map(|one| one.value.source());
    let recorded = || lookup.memory.recorded::<Secret>(&secret::key(vault, name)).and_then(|secret| secret.value);
    Ok(match of_spec.or_else(recorded) {
        Some(SecretSource::Prompt | SecretSource::Ask | SecretSource::Stdin) => SecretSource::Ask,
        Some(source) => source,
        None => SecretSource::Generate(LENGTH),
    })
}

/// Refuses before anything is changed where pods would keep the old version.
async fn check_clusters(session: &Session, lookup: &Lookup<'_>, asked: &Rotate, vault: &str) -> Result<(), Failure> {
    let failed = |error| Failure::from(&Fault::cloud(error));
    for place in rotation::places(&lookup.ledger).map_err(|fault| Failure::from(&fault))? {
        let cluster = session.clusters.writer(&place.target).await.map_err(|fault| Failure::from(&fault))?;
        let mut classes = rotation::classes(&cluster, &place.namespaces, vault, &asked.name).await.map_err(failed)?;
        classes.retain(|class| class.pinned.is_none());
        let pods = rotation::mounting(&cluster, &classes, &asked.name).await.map_err(failed)?;
        if pods.is_empty() {
            continue;
        }
        let Following::Off { why, turn_on } = rotation::following(&cluster, &place.target.name).await.map_err(failed)? else { continue };
        let refused =
            |message: String| Failure::new(Exit::Refused, message).because(why.clone()).hint(format!("Turn rotation on: {turn_on}."));
        let count = if pods.len() == 1 { "1 pod mounts".to_owned() } else { format!("{} pods mount", pods.len()) };
        if !asked.restart {
            let message = format!("{count} {} and would keep the old version; nothing was changed", asked.name);
            return Err(refused(message).hint("Or restart the workloads that mount it, as a part of the rotation: `--restart`."));
        }
        let synced: Vec<Class> = classes.into_iter().filter(|class| !class.synced.is_empty()).collect();
        if let Some((name, ..)) = synced.iter().flat_map(|class| &class.synced).next()
            && !rotation::readers(&cluster, &synced).await.map_err(failed)?.is_empty()
        {
            // the driver makes it once, and leaves it as it is while any pod mounts the class
            let message = format!("the synced Secret {name} would keep the old value, also after a restart; nothing was changed");
            return Err(refused(message));
        }
    }
    Ok(())
}
