//! Sign-in, groups, identities and their federated credentials, roles, the directory, clusters, features, providers, and plain requests.

use crate::az::program::Az;
use crate::common::{World, objects::text, until};
use serde_json::json;
use std::process::Command;

#[test]
fn a_user_signs_in_with_the_printed_variables() {
    let world = World::served();
    let Some(az) = Az::of(&world) else { return };
    let refused = az.fails(1, r#"login --service-principal -u "$AZURE_CLIENT_ID" -p wrong --tenant "$AZURE_TENANT_ID""#);
    assert!(refused.contains("AADSTS7000215: Invalid client secret provided."), "{refused}");
    let refused = az.fails(1, "group show -n podid-lab");
    assert!(refused.contains("az login"), "{refused}");
    let subscriptions = az.json(r#"login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID""#);
    let account = az.json("account show");
    assert_eq!(account["id"], json!(world.subscription()));
    assert_eq!(account["id"], subscriptions[0]["id"]);
    assert_eq!((text(&account, "/environmentName"), text(&account, "/state")), ("AzureCloud", "Enabled"));
    assert_eq!(text(&account, "/user/type"), "servicePrincipal");
    az.run(r#"account set --subscription "$AZURE_SUBSCRIPTION_ID""#).ok();
    az.fails(1, "account set --subscription nosuch");
}

#[test]
fn groups_are_created_tagged_and_deleted() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let group = az.json("group create -n shop -l northeurope --tags team=shop");
    assert_eq!(text(&group, "/properties/provisioningState"), "Succeeded");
    assert_eq!(az.json("group show -n SHOP"), group);
    let missing = az.fails(3, "group show -n nosuch");
    assert!(missing.contains("(ResourceGroupNotFound) Resource group 'nosuch' could not be found."), "{missing}");

    let id = text(&group, "/id");
    let url = format!("https://management.azure.com{id}?api-version=2021-04-01");
    assert_eq!(az.json(&format!("rest --method get --url {url}"))["tags"], json!({"team": "shop"}));
    az.json(&format!(r#"rest --method put --url {url} --body '{{"location":"northeurope","tags":{{"team":"till"}}}}'"#));
    assert_eq!(az.json("group show -n shop")["tags"], json!({"team": "till"}));
    // Without -l a resource gets the location of its group.
    assert_eq!(az.json("identity create -g shop -n till")["location"], "northeurope");

    az.run("group delete -n shop --yes").ok();
    az.fails(3, "group show -n shop");
    az.fails(3, "identity show -g shop -n till");
    let missing = az.fails(1, &format!("rest --method get --url {url}"));
    assert!(missing.contains("ResourceGroupNotFound"), "{missing}");
}

#[test]
fn identities_are_created_listed_and_deleted() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let made = az.json("identity create -g podid-lab -n one --tags a=b");
    assert_eq!(text(&made, "/type"), "Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_eq!(made["tenantId"], az.json("account show")["tenantId"]);
    // Creating it again changes nothing.
    assert_eq!(az.json("identity create -g podid-lab -n one --tags a=b"), made);
    assert_eq!(az.json("identity show -g podid-lab -n one"), made);
    assert_eq!(az.json("identity list -g podid-lab"), json!([made]));
    let shown = az.json("resource show -g podid-lab -n one --resource-type Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_eq!((&shown["properties"]["clientId"], &shown["tags"]), (&made["clientId"], &json!({"a": "b"})));

    // It is an object of the directory, by either id.
    let (client, principal) = (text(&made, "/clientId"), text(&made, "/principalId"));
    let by_app = az.json(&format!("ad sp show --id {client}"));
    assert_eq!((text(&by_app, "/id"), text(&by_app, "/servicePrincipalType")), (principal, "ManagedIdentity"));
    assert_eq!(az.text(&format!("ad sp show --id {principal} --query appId")), client);
    let url = format!("https://graph.microsoft.com/v1.0/servicePrincipals/{principal}");
    assert_eq!(az.json(&format!("rest --method get --url {url} --query displayName")), "one");

    az.run("identity delete -g podid-lab -n one").ok();
    // Deleting a missing identity succeeds, as in Azure.
    az.run("identity delete -g podid-lab -n one").ok();
    let missing = az.fails(3, "identity show -g podid-lab -n one");
    assert!(missing.contains("(ResourceNotFound)") && missing.contains("'podid-lab'"), "{missing}");
    az.fails(3, &format!("ad sp show --id {principal}"));
}

#[test]
fn roles_are_assigned_listed_and_removed() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let reader = az.json("role definition list -n Reader");
    assert_eq!(reader[0]["permissions"][0]["actions"], json!(["*/read"]));
    let identity = az.json("identity create -g podid-lab -n one");
    let (id, client, principal) = (text(&identity, "/id"), text(&identity, "/clientId"), text(&identity, "/principalId"));
    let scope = world.group_id();

    let made = az.json(&format!("role assignment create --role Reader --assignee {principal} --scope {scope}"));
    assert_eq!(
        (text(&made, "/principalId"), text(&made, "/principalType"), text(&made, "/scope")),
        (principal, "ServicePrincipal", &*scope)
    );
    // az finds the existing assignment by the 409.
    let again = az.json(&format!("role assignment create --role Reader --assignee {principal} --scope {scope}"));
    assert_eq!(again["id"], made["id"]);
    az.json(&format!(r#"role assignment create --role "Managed Identity Operator" --assignee {client} --scope {id}"#));

    let mut all = az.json(&format!("role assignment list --all --assignee {principal} --query [].[roleDefinitionName,scope]"));
    all.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(all, json!([["Managed Identity Operator", id], ["Reader", scope]]));
    // A list at a scope contains the assignments there, not those below.
    assert_eq!(az.json(&format!("role assignment list --scope {scope} --query [].id")), json!([made["id"]]));

    let refused = az.fails(1, &format!("role assignment create --role Nosuch --assignee {client} --scope {scope}"));
    assert!(refused.contains("Role 'Nosuch' doesn't exist."), "{refused}");
    let nobody = "11111111-1111-1111-1111-111111111111";
    let refused = az.fails(1, &format!("role assignment create --role Reader --assignee {nobody} --scope {scope}"));
    assert!(refused.contains("Cannot find user or service principal in graph database"), "{refused}");
    let kind = "--assignee-principal-type ServicePrincipal";
    let refused = az.fails(1, &format!("role assignment create --role Reader --assignee-object-id {nobody} {kind} --scope {scope}"));
    assert!(refused.contains("(PrincipalNotFound)"), "{refused}");

    az.run(&format!("role assignment delete --role Reader --assignee {principal} --scope {scope}")).ok();
    assert_eq!(az.json(&format!("role assignment list --scope {scope}")), json!([]));
}

#[test]
fn clusters_are_shown_and_reachable() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let names = az.json("aks list --query [].name");
    assert_eq!(names, json!(["aks-mi", "aks-sp"]));
    let managed = az.json("aks show -g podid-lab -n aks-mi");
    assert_eq!(text(&managed, "/servicePrincipalProfile/clientId"), "msi");
    let kubelet = text(&managed, "/identityProfile/kubeletidentity/clientId");
    assert_eq!(az.json(&format!("ad sp show --id {kubelet} --query id")), managed["identityProfile"]["kubeletidentity"]["objectId"]);
    assert_eq!(text(&managed, "/nodeResourceGroup"), "MC_podid-lab_aks-mi_westeurope");
    let missing = az.fails(3, "aks show -g podid-lab -n nosuch");
    assert!(missing.contains("(ResourceNotFound)"), "{missing}");

    let file = world.path("az.kubeconfig");
    az.run(&format!("aks get-credentials -g podid-lab -n aks-sp --admin -f {}", file.display())).ok();
    let mut kubectl = world.program("kubectl", &["get", "namespace", "default", "-o", "name"]);
    kubectl.envs(world.environment()).env("KUBECONFIG", &file);
    if Command::new("kubectl").args(["version", "--client"]).output().is_ok_and(|o| o.status.success()) {
        let output = kubectl.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "namespace/default\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn federated_credentials_are_created_changed_and_deleted() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    az.json("identity create -g podid-lab -n one");
    let credential = |verb: &str, more: &str| format!("identity federated-credential {verb} -g podid-lab --identity-name one {more}");
    let issuer = "https://westeurope.oic.prod-aks.azure.com/a/b/";
    let web = format!("--name web --issuer {issuer} --subject system:serviceaccount:shop:web");
    let made = az.json(&credential("create", &web));
    assert_eq!(text(&made, "/type"), "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials");
    // This is az's own default.
    assert_eq!(made["audiences"], json!(["api://AzureADTokenExchange"]));
    assert_eq!((text(&made, "/issuer"), text(&made, "/subject")), (issuer, "system:serviceaccount:shop:web"));
    assert_eq!(az.json(&credential("show", "--name web")), made);
    // Creating it again changes nothing; another one with the same issuer and subject is refused.
    assert_eq!(az.json(&credential("create", &web)), made);
    let refused = az.fails(1, &credential("create", &web.replace("--name web", "--name again")));
    assert!(refused.contains("(Conflict) Issuer and subject combination already exists for this Managed Identity."), "{refused}");

    let changed = format!("--name web --issuer {issuer} --subject system:serviceaccount:shop:till --audiences api://other");
    let changed = az.json(&credential("update", &changed));
    assert_eq!((&changed["id"], text(&changed, "/subject")), (&made["id"], "system:serviceaccount:shop:till"));
    assert_eq!(changed["audiences"], json!(["api://other"]));
    assert_eq!(az.json(&credential("list", "")), json!([changed]));

    az.run(&credential("delete", "--name web --yes")).ok();
    assert_eq!(az.json(&credential("list", "")), json!([]));
    let missing = az.fails(3, &credential("show", "--name web"));
    assert!(missing.contains("(NotFound)"), "{missing}");
    let missing = az.fails(3, "identity federated-credential list -g podid-lab --identity-name nosuch");
    assert!(missing.contains("(ParentResourceNotFound)"), "{missing}");
}

#[test]
fn preview_features_are_registered() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let feature = |verb: &str| format!("feature {verb} --namespace Microsoft.ContainerService --name EnablePodIdentityPreview");
    assert_eq!(az.text(&format!("{} --query properties.state", feature("show"))), "NotRegistered");
    let asked = az.json(&feature("register"));
    assert_eq!(
        (text(&asked, "/name"), text(&asked, "/properties/state")),
        ("Microsoft.ContainerService/EnablePodIdentityPreview", "Registering")
    );
    until("it is registered", || (az.text(&format!("{} --query properties.state", feature("show"))) == "Registered").then_some(()));
    // This propagates the registration.
    az.run("provider register -n Microsoft.ContainerService").ok();
    let missing = az.fails(3, "feature show --namespace No.Such --name nosuch");
    assert!(missing.contains("(InvalidResourceNamespace)"), "{missing}");
}

#[test]
fn providers_are_shown_and_registered() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    assert_eq!(az.text("provider show -n Microsoft.KeyVault --query registrationState"), "Registered");
    az.run("provider register -n Microsoft.ContainerService").ok();
    let missing = az.fails(3, "provider show -n No.Such");
    assert!(missing.contains("(InvalidResourceNamespace)"), "{missing}");
}
