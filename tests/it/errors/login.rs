//! The login to Azure, and the choice of the subscription.

use crate::errors::lab::{Lab, SUBSCRIPTION};
use insta::assert_snapshot;
use std::time::{Duration, Instant};

/// Returns a lab that no credential works in, even on a machine of Azure: its metadata service is out of reach.
fn without_any_login() -> Lab {
    Lab::bare().with("http_proxy", "http://127.0.0.1:9")
}

#[test]
fn a_missing_login_is_reported_at_once_with_everything_that_was_tried() {
    let lab = without_any_login();
    let begun = Instant::now();
    let told = lab.fails(&format!("identity create -g shop -n shop-mid --yes --subscription {SUBSCRIPTION}"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_snapshot!(told, @r#"
    exit 1
    error: no Azure login was found
      because not set: AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE, ACTIONS_ID_TOKEN_REQUEST_URL, SYSTEM_ACCESSTOKEN, IDENTITY_ENDPOINT
      because az: AzureCliCredential authentication failed. az not found on PATH
      because azd: AzureDeveloperCliCredential authentication failed. azd not found on PATH
      because managed identity: this machine has no instance metadata service
    hint: Log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE).
    hint: To try podid without an account, add `--sandbox`.
    "#);
}

#[test]
fn an_incomplete_login_names_the_missing_variable() {
    let lab = without_any_login().with("AZURE_CLIENT_SECRET", "not-a-real-secret");
    assert_snapshot!(lab.fails(&format!("identity list --subscription {SUBSCRIPTION}")), @r#"
    exit 1
    error: no Azure login was found
      because not set: AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, ACTIONS_ID_TOKEN_REQUEST_URL, SYSTEM_ACCESSTOKEN, IDENTITY_ENDPOINT
      because az: AzureCliCredential authentication failed. az not found on PATH
      because azd: AzureDeveloperCliCredential authentication failed. azd not found on PATH
      because managed identity: this machine has no instance metadata service
    hint: Log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE).
    hint: To try podid without an account, add `--sandbox`.
    "#);
}

#[test]
fn a_login_method_that_is_chosen_names_what_it_lacks() {
    let lab = without_any_login().with("AZURE_TENANT_ID", "t");
    assert_snapshot!(lab.fails(&format!("identity list --auth workload-identity --subscription {SUBSCRIPTION}")), @r#"
    exit 1
    error: the login method workload-identity cannot be used
      because AZURE_FEDERATED_TOKEN_FILE and AZURE_CLIENT_ID are not set
    hint: The webhook of Workload ID sets them in pods with the label `azure.workload.identity/use: "true"` whose service account is bound: `podid bind --mode workload-identity --namespace NAMESPACE --identity NAME`.
    hint: Or leave out `--auth` (and PODID_AUTH): podid takes the first login that is there.
    "#);
    let lab = without_any_login().with("PODID_AUTH", "az");
    assert_snapshot!(lab.fails(&format!("identity list --subscription {SUBSCRIPTION}")), @r#"
    exit 1
    error: the login method az cannot be used
      because az: AzureCliCredential authentication failed. az not found on PATH
    hint: Log in with `az login`.
    hint: Or leave out `--auth` (and PODID_AUTH): podid takes the first login that is there.
    "#);
}

#[test]
fn a_wrong_client_secret_is_reported_with_entras_message() {
    let lab = Lab::new().served().with_clients_environment().with("AZURE_CLIENT_SECRET", "not-a-real-secret");
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes"), @r#"
    exit 1
    error: the login was refused: AADSTS7000215
      because Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '[ID]'.
    hint: Check tenant, client id and secret, which may have expired. Log in again with `az login`, or set the AZURE_ variables again.
    "#);
}

#[test]
fn a_wrong_tenant_is_reported_with_entras_message() {
    let lab = Lab::new().served().with_clients_environment().with("AZURE_TENANT_ID", "00000000-0000-4000-8000-000000000001");
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes"), @r#"
    exit 1
    error: the login was refused: AADSTS90002
      because Tenant '[ID]' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.
    hint: Check tenant, client id and secret, which may have expired. Log in again with `az login`, or set the AZURE_ variables again.
    "#);
}

#[test]
fn a_subscription_that_the_login_cannot_see_is_refused() {
    let lab = Lab::new();
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes --subscription 00000000-0000-4000-8000-000000000001"), @r#"
    exit 4
    error: group/podid-lab: The subscription '[ID]' could not be found.
    hint: Name a subscription that this login can see with `--subscription` (`az account list -o table` shows them).
    "#);
}

#[test]
fn without_a_subscription_the_user_has_to_choose() {
    let lab = Lab::bare();
    assert_snapshot!(lab.fails("identity create -g shop -n shop-mid --yes"), @r#"
    exit 4
    error: no subscription given
    hint: Name it with `--subscription ID`, AZURE_SUBSCRIPTION_ID, `subscription:` in the spec, or `az account set`.
    "#);
}

#[test]
fn an_invalid_subscription_id_is_wrong_use() {
    let lab = Lab::bare().with("AZURE_SUBSCRIPTION_ID", "production");
    assert_snapshot!(lab.fails("identity create -g shop -n shop-mid --yes"), @r#"
    exit 2
    error: AZURE_SUBSCRIPTION_ID is not valid: it must be a GUID, such as `[ID]`
    hint: Set it to the subscription's id, or give --subscription.
    "#);
}

#[test]
fn unreachable_azure_is_reported_with_host_and_proxy() {
    let lab = Lab::new().served().with_clients_environment().with("HTTPS_PROXY", "http://127.0.0.1:9");
    assert_snapshot!(lab.fails("identity list --timeout 10s"), @r#"
    exit 1
    error: could not reach login.microsoftonline.com
      because Connection refused (os error 111)
    hint: Check the network, and HTTPS_PROXY and NO_PROXY if there is a proxy.
    "#);
}

#[test]
fn an_untrusted_certificate_names_the_variable() {
    let lab = Lab::new().served().with_clients_environment().without("SSL_CERT_FILE");
    assert_snapshot!(lab.fails("identity list --timeout 10s"), @r#"
    exit 1
    error: login.microsoftonline.com shows a certificate that is not trusted
      because UnknownIssuer
    hint: If a proxy opens TLS here, name its CA in SSL_CERT_FILE.
    "#);
}
