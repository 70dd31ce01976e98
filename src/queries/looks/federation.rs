//! The list of an identity's federated credentials.

use super::{Lookup, failed, missing};
use crate::{
    azure::{FederatedCredential, MOST_FEDERATED_CREDENTIALS, id::IDENTITY},
    exit::Exit,
    failure::Failure,
    output::table,
    resources::federation,
    spec::reference::NameOrId,
};
use serde_json::{Value, json};

fn owner(found: &FederatedCredential) -> String {
    federation::app_of(&found.name).map(|app| format!("podid app {app}")).unwrap_or_default()
}

fn document(found: &FederatedCredential) -> Value {
    json!({
        "name": found.name, "issuer": found.issuer, "subject": found.subject, "claimsMatchingExpression": found.claims_matching_expression,
        "audience": found.audiences.join(" "), "owner": owner(found),
    })
}

impl Lookup<'_> {
    pub(super) async fn federations(&self, identity: Option<&NameOrId>, group: Option<&str>) -> Result<(), Failure> {
        let id = match identity {
            Some(named) => self.id(IDENTITY, named, group)?,
            None => self.memory.only_identity().map_err(|_| {
                Failure::new(Exit::Refused, "no identity given, and spec and state do not have exactly one")
                    .hint("Name it: `podid identity federation list NAME`. `podid identity list` shows those of the subscription.")
            })?,
        };
        let found = self.azure.federated_credentials(&id).await.map_err(failed)?;
        let found = found.ok_or_else(|| missing("identity", "identity", &id))?;
        let row = |one: &FederatedCredential| {
            let subject = one.subject.clone().or_else(|| one.claims_matching_expression.clone()).unwrap_or_default();
            vec![one.name.clone(), one.issuer.clone(), subject, one.audiences.join(" "), owner(one)]
        };
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        let shown: Vec<Value> = found.iter().map(document).collect();
        let name = id.name();
        let headers = ["NAME", "ISSUER", "SUBJECT", "AUDIENCE", "OWNER"];
        let none = format!("the identity {name} has no federated credentials");
        let table = table::list(&headers, &rows, &none, self.session.terminal.width);
        let document = json!({
            "version": 1, "identity": name, "count": found.len(), "limit": MOST_FEDERATED_CREDENTIALS, "federated_credentials": shown,
        });
        self.say(&document, table)?;
        if !found.is_empty() {
            self.session.terminal.say(format!("{} of {MOST_FEDERATED_CREDENTIALS} federated credentials", found.len()));
        }
        Ok(())
    }
}
