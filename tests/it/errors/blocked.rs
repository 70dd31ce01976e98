//! Refusals that no role would fix: the message names who refuses, and does not suggest a role.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::{Value, json};

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const OTHER_SECRET: &str = "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'other'";

/// Changes the first assignment of the role in the world, behind podid's back.
fn assignment(lab: &Lab, role: &str, edit: impl Fn(&mut Value)) {
    lab.edit_world(|world| {
        let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
        edit(assignments.values_mut().find(|a| a["role"] == role).unwrap());
    });
}

fn conditional(lab: &Lab, role: &str, condition: &str) {
    assignment(lab, role, |a| {
        a["condition"] = json!(condition);
        a["condition_version"] = json!("2.0");
        a["conditionVersion"] = json!("2.0");
    });
}

/// Makes it somebody else's assignment, with a name of their own.
fn of_somebody(lab: &Lab, role: &str) {
    lab.edit_world(|world| {
        let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
        let name = assignments.iter().find(|(_, a)| a["role"] == role).unwrap().0.clone();
        let mut taken = assignments.remove(&name).unwrap();
        taken["name"] = json!("11111111-2222-4333-8444-555555555555");
        taken["description"] = json!("made by hand");
        assignments.insert("11111111-2222-4333-8444-555555555555".into(), taken);
    });
}

#[test]
fn a_policy_that_forbids_an_identity_is_named() {
    let lab = Lab::new().served();
    let message = "Resource 'shop-mid' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":\"Require cost tag\",\"id\":\"/subscriptions/x/providers/Microsoft.Authorization/policyAssignments/abc\"}}]'.";
    let body = json!({ "error": { "code": "RequestDisallowedByPolicy", "target": "shop-mid", "message": message } });
    lab.set(&json!({ "fail": [{ "method": "PUT", "path": "userAssignedIdentities/shop-mid", "status": 403, "body": body }] }));
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes"), @r#"
    exit 1
    error: could not create identity/shop-mid: Azure Policy rejected the request
      because the policy assignment 'Require cost tag' (/subscriptions/x/providers/Microsoft.Authorization/policyAssignments/abc) blocks it
    hint: See what the policy asks for: `az policy assignment show --name abc --scope /subscriptions/x`.
    hint: No role helps against a policy: create the resource as the policy wants it (podid uses one that is there), or ask the policy's owner for an exemption.
    "#);
}

#[test]
fn a_role_that_needs_a_condition_to_be_assigned_is_explained() {
    let lab = Lab::with_app();
    lab.done("plan -f app.yaml");
    conditional(
        &lab,
        OWNER,
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {acdd72a7-3385-48ef-bd42-f606fba81ae7}))",
    );
    lab.done("identity create -n shop-mid --yes");
    assert_snapshot!(lab.fails("role assign Contributor --to identity/shop-mid --scope identity/shop-mid --yes"), @r#"
    exit 1
    error: could not create role/contributor/identity/shop-mid/identity/shop-mid: the condition on a role of this login ([ID]) does not allow Microsoft.Authorization/roleAssignments/write
      because a role allows the action, but only under a condition (ABAC) that this request does not fulfil
      because the action was refused at /subscriptions/[ID]/resourcegroups/podid-lab/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop-mid
    hint: See the condition: `az role assignment list --all --assignee [ID] --include-inherited --query "[?condition!=null].{role:roleDefinitionName,scope:scope,condition:condition}"`.
    hint: A second role with the same condition does not help: whoever assigned it has to widen the condition, or assign the role without one.
    "#);
}

#[test]
fn a_foreign_condition_is_shown_and_stays_without_consent() {
    let lab = Lab::made();
    of_somebody(&lab, SECRETS_USER);
    conditional(&lab, SECRETS_USER, OTHER_SECRET);
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 4
    app shop:
      ! refused grant/kv-shop-errors/shop-mid
                  grant/kv-shop-errors/shop-mid is there, is not podid's (app shop), and differs in condition
                    condition: @Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'other' -> (none)
                  Azure allows one assignment of a role to a principal at a scope, so podid cannot add its own. Take the condition off with `--adopt`, or look at it first: `az role assignment list --scope /subscriptions/[ID]/resourceGroups/podid-lab/providers/Microsoft.KeyVault/vaults/kv-shop-errors --assignee [ID]`.

    plan: 0 to create, 0 to update, 0 to delete, 13 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
    assert!(lab.done("status -f app.yaml").lines().any(|l| l.contains("grant/kv-shop-errors/shop-mid") && l.contains("condition")));
    assert!(lab.done("role list --scope vault/kv-shop-errors").contains(OTHER_SECRET));
    let failed = lab.command("verify -f app.yaml --timeout 5s").output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "the vault does not give the secret under that condition");
    let plan = lab.done("plan -f app.yaml --adopt");
    assert!(plan.contains(&format!("condition: {OTHER_SECRET} -> (none)")), "{plan}");
    lab.done("up -f app.yaml --yes --adopt");
    assert!(lab.done("role list --scope vault/kv-shop-errors").contains("made by hand"), "it does not become podid's");
    lab.done("verify -f app.yaml --timeout 20s");
    assert!(lab.done("plan -f app.yaml").starts_with("nothing to do"));
}

#[test]
fn a_condition_on_podids_own_assignment_is_drift() {
    let lab = Lab::made();
    conditional(&lab, SECRETS_USER, OTHER_SECRET);
    assert!(
        lab.done("status -f app.yaml")
            .lines()
            .any(|l| l.contains("grant/kv-shop-errors/shop-mid") && l.contains("differs") && l.contains("condition"))
    );
    lab.done("up -f app.yaml --yes");
    assert!(!lab.done("role list --scope vault/kv-shop-errors").contains(OTHER_SECRET));
    assert!(lab.done("plan -f app.yaml").starts_with("nothing to do"));
}

#[test]
fn a_condition_on_podids_own_right_to_the_secrets_is_removed() {
    const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";
    let lab = Lab::made();
    conditional(&lab, SECRETS_OFFICER, OTHER_SECRET);
    let told = lab.fails("vault secret list --vault kv-shop-errors");
    assert!(told.contains("is not fulfilled") && !told.contains("role assignment create"), "{told}");
    assert!(lab.done("plan -f app.yaml").contains("~ update  grant/kv-shop-errors/caller"));
    lab.done("up -f app.yaml --yes");
    assert!(lab.done("plan -f app.yaml").starts_with("nothing to do"));
}

#[test]
fn an_extra_role_with_a_condition_does_not_count_as_the_wanted_one() {
    let lab = Lab::new();
    lab.done("identity create -n shop-mid --yes");
    lab.done("vault create -n kv-shop-cond --yes");
    lab.done("role assign Reader --to identity/shop-mid --scope vault/kv-shop-cond --yes");
    of_somebody(&lab, "acdd72a7-3385-48ef-bd42-f606fba81ae7");
    conditional(&lab, "acdd72a7-3385-48ef-bd42-f606fba81ae7", "@Resource[x] StringEquals 'y'");
    assert_snapshot!(lab.fails("role assign Reader --to identity/shop-mid --scope vault/kv-shop-cond --yes"), @r#"
    exit 4
    app default:
      ! refused role/reader/identity/shop-mid/vault/kv-shop-cond
                  role/reader/identity/shop-mid/vault/kv-shop-cond is there, is not podid's (app default), and differs in condition
                    condition: @Resource[x] StringEquals 'y' -> (none)
                  Azure allows one assignment of a role to a principal at a scope, so podid cannot add its own. Take the condition off with `--adopt`, or look at it first: `az role assignment list --scope /subscriptions/[ID]/resourceGroups/podid-lab/providers/Microsoft.KeyVault/vaults/kv-shop-cond --assignee [ID]`.

    plan: 0 to create, 0 to update, 0 to delete, 2 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
}
