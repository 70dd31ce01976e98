//! Refusals that no role removes, with bodies from Azure's documentation: the error that they become, and its message.

use crate::{
    azure::{Blocked, Error, failures::refusal},
    failure::Failure,
};
use ::http::HeaderMap;
use serde_json::{Value, json};

const ASSIGNMENT: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/abc";
const DEFINITION: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/def";

fn of(host: &str, body: &Value) -> Error {
    refusal(host, 403, &HeaderMap::new(), body.to_string().as_bytes())
}

fn arm(code: &str, message: &str) -> Error {
    of("management.azure.com", &json!({ "error": { "code": code, "message": message } }))
}

fn told(error: &Error) -> String {
    assert!(matches!(error, Error::Blocked { .. }), "{error:?}");
    let Failure { message, causes, hints, .. } = Failure::from(error);
    let lines = [message]
        .into_iter()
        .chain(causes.into_iter().map(|c| format!("because {c}")))
        .chain(hints.into_iter().map(|h| format!("hint: {h}")));
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(!text.contains("Ask for a role") && !text.contains("role assignment create"), "{text}");
    text
}

#[test]
fn a_policy_is_named_from_the_text_also_where_its_quotes_are_escaped_twice() {
    let identifiers = json!([{
        "policyAssignment": { "name": "Require cost tag", "id": ASSIGNMENT },
        "policyDefinition": { "name": "Require a tag", "id": DEFINITION },
    }])
    .to_string();
    for identifiers in [identifiers.clone(), identifiers.replace('"', "\\\"")] {
        let message = format!("Resource 'shop-mid' was disallowed by policy. Policy identifiers: '{identifiers}'.");
        insta::allow_duplicates!(insta::assert_snapshot!(told(&arm("RequestDisallowedByPolicy", &message)), @r#"
        Azure Policy rejected the request
        because the policy assignment 'Require cost tag' (/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/abc) of the definition 'Require a tag' (/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/def) blocks it
        hint: See what the policy asks for: `az policy assignment show --name abc --scope /subscriptions/s`.
        hint: No role helps against a policy: create the resource as the policy wants it (podid uses one that is there), or ask the policy's owner for an exemption.
        "#));
    }
}

#[test]
fn a_policy_is_named_from_the_details_with_what_it_compared() {
    let info = json!({
        "policyDefinitionDisplayName": "Allowed locations", "policyDefinitionId": DEFINITION, "policyDefinitionName": "def",
        "policyAssignmentDisplayName": "Only Europe", "policyAssignmentId": ASSIGNMENT, "policyAssignmentName": "abc", "policyDefinitionEffect": "deny",
        "evaluationDetails": { "evaluatedExpressions": [
            { "result": "True", "expressionKind": "Field", "expression": "location", "path": "location", "expressionValue": "eastus",
              "targetValue": ["westeurope"], "operator": "NotIn" },
            { "result": "False", "expressionKind": "Field", "expression": "type", "path": "type", "expressionValue": "x", "targetValue": "y", "operator": "Equals" },
        ] },
    });
    let body = json!({ "error": {
        "code": "RequestDisallowedByPolicy", "target": "kv",
        "message": "Resource 'kv' was disallowed by policy. Reasons: 'We only use Europe.'. See error details for policy resource IDs.",
        "additionalInfo": [{ "type": "PolicyViolation", "info": info }],
    } });
    insta::assert_snapshot!(told(&of("management.azure.com", &body)), @r#"
    Azure Policy rejected the request
    because the policy assignment 'Only Europe' (/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/abc) of the definition 'Allowed locations' (/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/def) blocks it
    because location is eastus (rule: NotIn ["westeurope"])
    because We only use Europe.
    hint: See what the policy asks for: `az policy assignment show --name abc --scope /subscriptions/s`.
    hint: No role helps against a policy: create the resource as the policy wants it (podid uses one that is there), or ask the policy's owner for an exemption.
    "#);
}

#[test]
fn a_policy_that_the_answer_does_not_name_is_quoted() {
    insta::assert_snapshot!(told(&arm("RequestDisallowedByAzure", "Resource 'kv' was disallowed by Azure: Users must use MFA for Create operation.")), @r#"
    Azure rejected the request
    because Resource 'kv' was disallowed by Azure: Users must use MFA for Create operation.
    hint: No role helps against a policy: create the resource as the policy wants it (podid uses one that is there), or ask the policy's owner for an exemption.
    "#);
}

#[test]
fn a_deny_assignment_is_named_with_id_and_scope() {
    let message = "The client 'x' with object id 'y' has permission to perform action 'Microsoft.Authorization/roleAssignments/write' on scope '/subscriptions/s/resourceGroups/MC_podid-lab_aks-mi_westeurope'; however, the access is denied because of the deny assignment with name 'NRG lockdown' and Id 'abc' at scope '/subscriptions/s/resourceGroups/MC_podid-lab_aks-mi_westeurope'.";
    insta::assert_snapshot!(told(&arm("DenyAssignmentAuthorizationFailed", message)), @r#"
    a deny assignment forbids Microsoft.Authorization/roleAssignments/write
    because the deny assignment 'NRG lockdown' (abc) holds at /subscriptions/s/resourceGroups/MC_podid-lab_aks-mi_westeurope
    because the action was refused at /subscriptions/s/resourceGroups/MC_podid-lab_aks-mi_westeurope
    hint: This is the node resource group of the cluster aks-mi. If AKS locks it, unlock it: `az aks update -g podid-lab -n aks-mi --nrg-lockdown-restriction-level Unrestricted`.
    hint: See who made the deny assignment: `az rest --method get --url "/subscriptions/s/resourceGroups/MC_podid-lab_aks-mi_westeurope/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01"`.
    hint: No role helps against a deny assignment: what made it (AKS, a managed application, a deployment stack) has to lift it.
    "#);
}

#[test]
fn deny_assignments_on_linked_scopes_are_told_with_the_action_there() {
    let message = "The client 'x' with object id 'y' has permission to perform action 'Microsoft.Compute/virtualMachineScaleSets/write' on scope '/s/vmss'; however, it does not have permission to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the '0' linked scope(s) '' or the linked scope(s) are invalid and is blocked by deny assignments on the '1' linked scope(s) '/s/id'.";
    let error = arm("LinkedAuthorizationFailed", message);
    let Error::Blocked { by, .. } = &error else { panic!("{error:?}") };
    let Blocked::Deny { at, refused, .. } = by.as_ref() else { panic!("{by:?}") };
    assert_eq!(at.as_deref(), Some("/s/id"));
    assert_eq!(refused.action.as_deref(), Some("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"));
}

#[test]
fn a_condition_on_a_role_is_told_as_the_cause() {
    let message = "The client 'x' with object id 'y' has an authorization with ABAC condition that is not fulfilled to perform action 'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/s/resourceGroups/podid-lab/providers/Microsoft.Authorization/roleAssignments/r' or the scope is invalid. If access was recently granted, please refresh your credentials.";
    insta::assert_snapshot!(told(&arm("AuthorizationFailed", message)), @r#"
    the condition on a role of this login (y) does not allow Microsoft.Authorization/roleAssignments/write
    because a role allows the action, but only under a condition (ABAC) that this request does not fulfil
    because the action was refused at /subscriptions/s/resourceGroups/podid-lab
    hint: See the condition: `az role assignment list --all --assignee y --include-inherited --query "[?condition!=null].{role:roleDefinitionName,scope:scope,condition:condition}"`.
    hint: A second role with the same condition does not help: whoever assigned it has to widen the condition, or assign the role without one.
    "#);
}

#[test]
fn a_vault_names_the_deny_assignment_and_the_condition() {
    let refused = |deny: &str, reason: &str| {
        let message = format!(
            "Caller is not authorized to perform action on resource.\r\nCaller: appid=a;oid=o-1;iss=i\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '/s/kv/secrets/conn'\r\nAssignment: (not found)\r\nDenyAssignmentId: {deny}\r\nDecisionReason: {reason} \r\nVault: kv;location=w\r\n"
        );
        of(
            "kv.vault.azure.net",
            &json!({ "error": { "code": "Forbidden", "message": message, "innererror": { "code": "ForbiddenByRbac" } } }),
        )
    };
    assert!(matches!(refused("null", "null"), Error::Forbidden { .. }), "a missing role is something else");
    assert!(told(&refused("'d-1'", "null")).contains("the deny assignment 'd-1'"));
    // the condition may be about to be removed, so podid waits as for a missing permission
    let conditional = refused("null", "the condition of the role assignment r is not fulfilled: c");
    assert!(matches!(conditional, Error::Forbidden { .. }), "{conditional:?}");
    let Failure { causes, hints, .. } = Failure::from(&conditional);
    assert_eq!(causes[0], "the condition of the role assignment r is not fulfilled: c");
    assert!(!hints.join(" ").contains("role assignment create"), "{hints:?}");
}

#[test]
fn a_conditional_access_policy_is_not_reported_as_a_wrong_secret() {
    let body = json!({ "error": "interaction_required", "error_description": "AADSTS53003: Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.\r\nTrace ID: t" });
    let failure = Failure::from(&refusal("login.microsoftonline.com", 400, &HeaderMap::new(), body.to_string().as_bytes()));
    assert_eq!(failure.message, "a Conditional Access policy of the tenant refuses the login: AADSTS53003");
    assert!(!failure.hints.join(" ").contains("may have expired"), "{failure:?}");
}

#[test]
fn a_lock_is_told_with_the_scope_that_has_it() {
    let message = "The scope '/s/rg/id' cannot perform delete operation because following scope(s) are locked: '/subscriptions/s/resourceGroups/rg'. Please remove the lock and try again.";
    let body = json!({ "error": { "code": "ScopeLocked", "message": message } });
    let hints = Failure::from(&refusal("management.azure.com", 409, &HeaderMap::new(), body.to_string().as_bytes())).hints.join(" ");
    assert!(hints.starts_with("A lock on /subscriptions/s/resourceGroups/rg forbids it"), "{hints}");
}

#[test]
fn a_refusal_by_a_firewall_reports_the_vault_and_the_address() {
    let forbidden = |code: &str, message: &str| {
        let error =
            of("kv.vault.azure.net", &json!({ "error": { "code": "Forbidden", "message": message, "innererror": { "code": code } } }));
        Failure::from(&error).hints.join(" ")
    };
    let message = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\nCaller: appid=a\r\nVault: kv;location=westeurope";
    assert!(forbidden("ForbiddenByFirewall", message).contains("`az keyvault network-rule add --name kv --ip-address 203.0.113.7`"));
    let message = "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: appid=a\r\nVault: kv;location=westeurope";
    assert!(forbidden("ForbiddenByConnection", message).contains("`az keyvault update --name kv --public-network-access Enabled`"));
}
