//! Refusals that no role helps against: Azure Policy, deny assignments, conditions on role assignments, a disabled subscription.
//! They are classified by code; the text is read only for names.

use super::error::{Blocked, DisallowingPolicy, RefusedAction};
use serde_json::Value;

/// Returns None if another role might allow it.
pub fn of(code: &str, message: &str, body: &[u8]) -> Option<Blocked> {
    let parsed: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = parsed.get("error").filter(|e| e.is_object()).unwrap_or(&parsed);
    match code {
        "RequestDisallowedByPolicy" | "PolicyViolation" => Some(policy(error, message, false)),
        "RequestDisallowedByAzure" => Some(policy(error, message, true)),
        "ReadOnlyDisabledSubscription" | "SubscriptionDisabled" => Some(Blocked::Subscription),
        "DenyAssignmentAuthorizationFailed" => Some(deny(message)),
        // the code is about a linked resource, such as an identity that is put on a scale set
        "LinkedAuthorizationFailed" | "LinkedAccessCheckFailed" if message.contains("deny assignment") => Some(deny(message)),
        "AuthorizationFailed" | "LinkedAuthorizationFailed" if message.contains("ABAC condition") => {
            Some(Blocked::Condition { refused: refused(message) })
        }
        "ForbiddenByRbac" => of_vault(message),
        _ => None,
    }
}

/// Returns a deny assignment, which Key Vault reports on a line of its own; `DenyAssignmentId: null` means that there is none. A condition
/// does not end the wait, because it may be about to be removed.
fn of_vault(message: &str) -> Option<Blocked> {
    let value = message.lines().find_map(|line| line.trim().strip_prefix("DenyAssignmentId:"))?.trim().trim_matches('\'');
    let id = (!value.is_empty() && value != "null").then(|| value.to_owned())?;
    Some(Blocked::Deny { name: None, id: Some(id), at: None, refused: refused(message) })
}

fn refused(message: &str) -> RefusedAction {
    let (action, scope, caller) = refused_action(message);
    RefusedAction { action, scope, caller }
}

/// Returns action, scope and object id of the caller, as far as the text names them.
/// Forms: ARM AuthorizationFailed and LinkedAuthorizationFailed, Key Vault ForbiddenByRbac and ForbiddenByPolicy.
pub fn refused_action(message: &str) -> (Option<String>, Option<String>, Option<String>) {
    let quoted = |lead: &str| {
        let from = message.rfind(lead)? + lead.len();
        let len = message.get(from..)?.find('\'')?;
        Some(message.get(from..from + len)?.to_owned()).filter(|t| !t.is_empty())
    };
    let oid = message.find("oid=").and_then(|at| {
        let rest = message.get(at + 4..)?;
        let end = rest.find([';', '\'', '\r', '\n']).unwrap_or(rest.len());
        rest.get(..end).map(str::to_owned)
    });
    let caller = quoted("with object id '").or(oid);
    if let Some(action) = quoted("Action: '") {
        return (Some(action), quoted("Resource: '"), caller);
    }
    if let Some(action) = quoted("perform action(s) '") {
        return (Some(action), quoted("linked scope(s) '"), caller);
    }
    if let Some((action, scope)) = quoted("perform action '").zip(quoted("linked scope(s) '")) {
        return (Some(action), Some(scope), caller);
    }
    if let Some(action) = quoted("perform action '") {
        return (Some(action), quoted("over scope '").or_else(|| quoted("on scope '")), caller);
    }
    let permission = message.split_once(" does not have ").and_then(|(_, rest)| rest.split_once(" permission on key vault '"));
    if let Some((action, rest)) = permission {
        let scope = rest.split([';', '\'']).next().unwrap_or_default();
        return (Some(action.to_owned()), Some(scope.to_owned()), caller);
    }
    (None, None, caller)
}

/// Returns the text between the last occurrence of `lead` and `end`.
fn between(message: &str, lead: &str, end: &str) -> Option<String> {
    let from = message.rfind(lead)? + lead.len();
    let rest = message.get(from..)?;
    rest.get(..rest.find(end)?).map(str::to_owned).filter(|text| !text.is_empty())
}

fn deny(message: &str) -> Blocked {
    Blocked::Deny {
        name: between(message, "deny assignment with name '", "' and Id '"),
        id: between(message, "' and Id '", "'"),
        at: between(message, "' at scope '", "'").or_else(|| {
            let linked = message.split("deny assignments on the ").nth(1)?;
            between(linked, "linked scope(s) '", "'")
        }),
        refused: refused(message),
    }
}

/// Returns the assignments and definitions, from `additionalInfo` (which also has what was compared) or else from the text.
fn policy(error: &Value, message: &str, by_azure: bool) -> Blocked {
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let mut policies: Vec<DisallowingPolicy> = std::iter::once(error)
        .chain(details)
        .flat_map(|part| part.get("additionalInfo").and_then(Value::as_array).into_iter().flatten())
        .filter(|info| info.get("type").and_then(Value::as_str) == Some("PolicyViolation"))
        .filter_map(|info| info.get("info").map(of_info))
        .collect();
    if policies.is_empty() {
        policies = identifiers(message);
    }
    policies.dedup();
    let reasons = between(message, "Reasons: '", "'. See").or_else(|| between(message, "Reasons: '", "'"));
    Blocked::Policy { policies, reasons, by_azure }
}

fn of_info(info: &Value) -> DisallowingPolicy {
    let text = |names: &[&str]| names.iter().find_map(|name| info.get(*name)?.as_str().filter(|t| !t.is_empty()).map(str::to_owned));
    let expressions = info.pointer("/evaluationDetails/evaluatedExpressions").and_then(Value::as_array);
    let compared = expressions.into_iter().flatten().filter(|e| e.get("result").and_then(Value::as_str) != Some("False"));
    DisallowingPolicy {
        assignment: text(&["policyAssignmentDisplayName", "policyAssignmentName"]),
        assignment_id: text(&["policyAssignmentId"]),
        definition: text(&["policyDefinitionDisplayName", "policyDefinitionName"]),
        definition_id: text(&["policyDefinitionId"]),
        compared: compared.filter_map(expression).collect(),
    }
}

/// Formats one comparison that made the policy refuse, such as `tags[cost] is missing (Exists false)`.
fn expression(evaluated: &Value) -> Option<String> {
    let path = ["path", "expression"].iter().find_map(|name| evaluated.get(*name)?.as_str())?;
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = evaluated.get("expressionValue").filter(|v| !v.is_null()).map(shown);
    let operator = evaluated.get("operator").and_then(Value::as_str).unwrap_or_default();
    let target = evaluated.get("targetValue").map(shown).unwrap_or_default();
    let is = value.map_or_else(|| "is not set".to_owned(), |value| format!("is {value}"));
    Some(format!("{path} {is} (rule: {operator} {target})"))
}

/// Parses `Policy identifiers: '[{"policyAssignment":{"name":…,"id":…},"policyDefinition":{…}}]'.`; some services escape the quotes once
/// more.
fn identifiers(message: &str) -> Vec<DisallowingPolicy> {
    let Some(list) = message.find("Policy identifiers: '").and_then(|at| {
        let rest = message.get(at..)?;
        rest.get(rest.find('[')?..=rest.rfind(']')?)
    }) else {
        return Vec::new();
    };
    let parsed: Value = serde_json::from_str(list).or_else(|_| serde_json::from_str(&list.replace("\\\"", "\""))).unwrap_or(Value::Null);
    let text = |entry: &Value, at: &str| entry.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let of = |entry: &Value| DisallowingPolicy {
        assignment: text(entry, "/policyAssignment/name"),
        assignment_id: text(entry, "/policyAssignment/id"),
        definition: text(entry, "/policyDefinition/name").or_else(|| text(entry, "/policySetDefinition/name")),
        definition_id: text(entry, "/policyDefinition/id").or_else(|| text(entry, "/policySetDefinition/id")),
        compared: Vec::new(),
    };
    parsed.as_array().into_iter().flatten().map(of).collect()
}
