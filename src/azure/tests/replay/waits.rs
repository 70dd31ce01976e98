//! The sentences that the client must report while it waits, by the responses before the last one; and the responses that may occur there.

use super::{
    record::Record,
    refusals::{Means, means},
};

/// Returns the sentence for this response, if the client must wait after it. `asked` is the record of the call itself.
pub fn sentence(asked: &Record, answer: &Record, patient: bool) -> Option<String> {
    let vault = || asked.path.split('/').skip_while(|s| !s.eq_ignore_ascii_case("vaults")).nth(1).unwrap_or_default();
    let secret = || asked.path.split('/').filter(|segment| !segment.is_empty()).nth(1).unwrap_or_default();
    let state = answer.answer()["properties"]["provisioningState"].as_str().map(str::to_owned);
    match (asked.op.as_str(), answer.op.as_str(), answer.status) {
        ("vault.PUT", "vault.PUT" | "vault.GET", 200..300) => {
            state.filter(|state| state != "Succeeded").map(|_| format!("waiting for DNS to publish the name of the vault {}", vault()))
        }
        ("vault.PUT", "vault.GET", 404) => Some(format!("waiting for the vault {} to appear", vault())),
        ("deletedSecret.recover.POST", "secret.GET", 404) => Some(format!("waiting for the secret {} to be recovered", secret())),
        (_, _, 400..600) if answer.op == asked.op && means(answer, patient) == Means::Later => {
            Some(match (answer.status, asked.op.as_str()) {
                (_, "roleAssignment.PUT") => "waiting for Entra to replicate the new identity".to_owned(),
                (403, _) => {
                    format!("waiting for the new permission to reach the vault {}", asked.host.split('.').next().unwrap_or_default())
                }
                (_, op) if op.starts_with("vault.") => format!("waiting for another change of the vault {} to end", vault()),
                _ => format!("waiting for Key Vault to finish deleting or recovering the secret {}", secret()),
            })
        }
        _ => None,
    }
}

/// Returns whether the client may go on after this response without a sentence.
pub fn leads_on(asked: &Record, answer: &Record, patient: bool) -> bool {
    let silently = |answer: &Record| matches!(means(answer, patient), Means::Throttled | Means::Failed);
    match asked.op.as_str() {
        _ if answer.is_challenge() => true,
        op if op.contains(".list.") && answer.is_success() => true,
        // if two versions have the same second, podid requests the current one
        "secret.versions.GET" if answer.is_success() => true,
        // the next request reads the secret; also after a refusal, because an earlier call may have recovered it
        "deletedSecret.recover.POST" if answer.op == asked.op => answer.is_success() || matches!(answer.status, 400 | 404),
        // checks whether a deleted vault holds the name
        "vault.PUT" if answer.op == "deletedVault.GET" => true,
        _ => !answer.is_success() && answer.op == asked.op && silently(answer),
    }
}
