//! Decisions that podid leaves to the user: consent, objects of others, resources that changed since the plan.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::json;

#[test]
fn without_terminal_and_yes_the_flag_is_named_even_in_ci() {
    let lab = Lab::new().with("CI", "true").with("PODID_YES", "1");
    assert_snapshot!(lab.fails("identity create -n shop-mid"), @r#"
    exit 4
    error: there is no terminal to ask for consent
    hint: Add `--yes` to do it without being asked.
    "#);
}

#[test]
fn without_a_terminal_no_value_can_be_typed() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-ask --yes");
    assert_snapshot!(lab.fails("vault secret set conn --vault kv-shop-ask --yes"), @r#"
    exit 4
    error: there is no terminal to ask for the value of conn
    hint: Give it with `--file FILE`, `--env VARIABLE` or `--stdin`, or let podid generate one with `--generate`.
    "#);
}

#[test]
fn a_foreign_object_that_differs_is_not_adopted_without_consent() {
    let lab = Lab::made();
    lab.edit_object("azureidentitybindings.aadpodidentity.k8s.io/shop/shop-mid-binding", |object| {
        object["metadata"]["labels"] = json!({});
        object["spec"]["selector"] = json!("theirs");
    });
    assert_snapshot!(lab.fails("up -f app.yaml --yes --state other.json"), @r#"
    exit 4
    app shop:
      ! refused azureidentitybinding/aks-mi/shop/shop-mid-binding
                  azureidentitybinding/aks-mi/shop/shop-mid-binding is there, is not podid's (app shop), and differs in metadata.labels, spec.selector
                    metadata.labels: {} -> (none)
                    spec.selector: theirs -> shop-mid
                  Take it over as it is wanted with `--adopt`, or choose another name.

    plan: 0 to create, 0 to update, 0 to delete, 13 unchanged, 1 refused
    error: 1 resource needs a decision; nothing was changed
    "#);
    lab.done("up -f app.yaml --yes --state other.json --adopt");
}

#[test]
fn an_outdated_saved_plan_is_refused() {
    let lab = Lab::with_app();
    lab.done("plan -f app.yaml --out plan.json");
    lab.done("identity create -n shop-mid --yes --app shop");
    assert_snapshot!(lab.fails("up -f app.yaml --plan plan.json --yes"), @r#"
    exit 4
    error: resources, the spec or a secret's value changed since the plan was saved; nothing was changed
      because identity/shop-mid: was create, is keep
      because azureidentity/aks-mi/shop/shop-mid: still create, but differs in clientID, resourceID
      because grant/kv-shop-errors/shop-mid: still create, but differs in principal
      because role/managed-identity-operator/cluster/aks-mi/identity/shop-mid: still create, but differs in scope
    hint: Plan again: `podid plan --out FILE`, look at it, then `podid up --plan FILE`.
    hint: The plan was made from app.yaml; give another spec with `-f`.
    "#);
}

#[test]
fn a_refused_plan_is_one_json_document() {
    let lab = Lab::new();
    let output = lab.command("identity create -g nowhere -n shop-mid --yes -o json").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["refused"][0]["key"], "group/nowhere");
}

#[test]
fn removing_a_needed_resource_is_refused() {
    let lab = Lab::made();
    assert_snapshot!(lab.fails("identity delete -n shop-mid --app shop --yes"), @r#"
    exit 4
    error: could not remove identity/shop-mid
      because identity/shop-mid: azureidentity/aks-mi/shop/shop-mid needs it
    hint: Remove the resources that need it first, or give the app that created it: `--app APP`.
    "#);
}

#[test]
fn a_replacement_says_what_it_deletes_and_is_counted_by_itself() {
    let lab = Lab::made();
    let old = lab.done("output identity/shop-mid client_id --app shop").trim().to_owned();
    let moved = "      name: shop-mid\n      resourceGroup: MC_podid-lab_aks-mi_westeurope\n";
    lab.write("app.yaml", &lab.read("app.yaml").replacen("      name: shop-mid\n", moved, 1));
    let deleted = "the old one is deleted: /subscriptions/e76701e5-3b27-571a-a68b-54a47a441782/resourcegroups/podid-lab/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop-mid";
    let plan = lab.done("plan -f app.yaml");
    for line in [
        format!("  ~ replace identity/shop-mid ({deleted})"),
        "              resourceGroup: podid-lab -> MC_podid-lab_aks-mi_westeurope".to_owned(),
        format!("              clientId: {old} -> (new)"),
    ] {
        assert!(plan.contains(&line), "{line}\n{plan}");
    }
    assert!(plan.ends_with("plan: 0 to create, 1 to update, 3 to replace, 0 to delete, 11 unchanged\n"), "{plan}");
    let status = lab.done("status -f app.yaml");
    assert!(status.lines().any(|l| l.starts_with("identity/shop-mid ") && l.contains(&format!("`up` replaces it: {deleted}"))), "{status}");
    let document: serde_json::Value = serde_json::from_str(&lab.done("plan -f app.yaml -o json")).unwrap();
    assert_eq!((&document["summary"]["replace"], &document["summary"]["update"]), (&json!(3), &json!(1)));
    let report = lab.done("up -f app.yaml --yes");
    assert!(report.contains(&format!("replaced identity/shop-mid: {deleted}")), "{report}");
    assert!(report.contains("done: 0 created, 1 updated, 3 replaced, 0 deleted, 11 unchanged, in "), "{report}");
    assert_ne!(lab.done("output identity/shop-mid client_id --app shop").trim(), old);
    assert!(lab.done("plan -f app.yaml").starts_with("nothing to do"));
}

#[test]
fn one_half_reports_that_the_other_was_never_done() {
    let lab = Lab::with_app();
    assert_snapshot!(lab.fails("up -f app.yaml --yes --only kubernetes"), @r#"
    exit 4
    app shop:
      + create  namespace/aks-mi/shop
      + create  azureidentity/aks-mi/shop/shop-mid
                  resourceID: (after identity/shop-mid)
                  clientID: (after identity/shop-mid)
      + create  secretproviderclass/aks-mi/shop/shop
                  vault: kv-shop-errors
                  objects: conn
      + create  azureidentitybinding/aks-mi/shop/shop-mid-binding
                  azureIdentity: shop-mid
                  selector: shop-mid
      ! refused cluster/aks-mi
                  cluster/aks-mi is not in the state, and this run may not look for it
      ! refused identity/shop-mid
                  identity/shop-mid is not in the state, and this run may not look for it
      ! refused vault/kv-shop-errors
                  vault/kv-shop-errors is not in the state, and this run may not look for it
      ! refused role/managed-identity-operator/cluster/aks-mi/identity/shop-mid
                  role/managed-identity-operator/cluster/aks-mi/identity/shop-mid is not in the state, and this run may not look for it
      ! refused role/virtual-machine-contributor/cluster/aks-mi/cluster/aks-mi/nodes
                  role/virtual-machine-contributor/cluster/aks-mi/cluster/aks-mi/nodes is not in the state, and this run may not look for it
                  Run the other half first with the same state file (`--only azure`), or run without `--only`.

    left out because of --only kubernetes: 2 grant, 1 identity, 2 role, 1 secret, 1 vault (-v names them)
    plan: 4 to create, 0 to update, 0 to delete, 0 unchanged, 5 refused
    error: 5 resources need a decision; nothing was changed
    "#);
    lab.done("up -f app.yaml --yes --only azure");
    lab.done("up -f app.yaml --yes --only kubernetes");
    lab.done("verify -f app.yaml");
}

#[cfg(unix)]
#[test]
fn a_user_may_decline_or_close_the_terminal() {
    let lab = Lab::with_app();
    for (typed, code, told) in
        [("n\r", 4, "cancelled; nothing was changed"), ("\u{3}", 130, "interrupted at a question; nothing was changed")]
    {
        let mut command = lab.command("up -f app.yaml");
        command.env("TERM", "xterm").stdin(std::process::Stdio::inherit());
        let mut terminal = rexpect::session::spawn_command(command, Some(20_000)).unwrap();
        terminal.exp_string("11 to create").unwrap();
        terminal.exp_string("Do it?").unwrap();
        terminal.send(typed).unwrap();
        terminal.flush().unwrap();
        terminal.exp_string(told).unwrap();
        terminal.exp_eof().unwrap();
        let ended = terminal.process().wait().unwrap();
        assert_eq!(format!("{ended:?}").rsplit(", ").next(), Some(format!("{code})").as_str()), "{ended:?}");
    }
    assert!(!lab.done("identity list").contains("shop-mid"));
}
