//! Single commands in the folder of a `podid.yaml`: they use the parts that they need, and errors in other parts do not stop them.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::Value;

/// Writes `podid.yaml`, and removes the default group from the environment.
fn with_podid_yaml(lab: &Lab) -> String {
    let text = lab.read("app.yaml");
    lab.write("podid.yaml", &text);
    text
}

fn lab() -> Lab {
    Lab::with_app().without("PODID_RESOURCE_GROUP")
}

fn entries(lab: &Lab, key: &str) -> Vec<(String, String)> {
    let state: Value = serde_json::from_str(&lab.read(".podid/state.json")).unwrap();
    let entries = state["entries"].as_array().unwrap_or_else(|| panic!("{state:#}")).iter().filter(|e| e["key"] == key);
    entries.map(|e| (e["app"].as_str().unwrap().to_owned(), e["by"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn azure_commands_need_no_cluster_and_write_to_the_app_of_the_spec() {
    let lab = lab();
    with_podid_yaml(&lab);
    lab.done("identity create -n other-mid --yes");
    assert_eq!(entries(&lab, "identity/other-mid"), [("shop".to_owned(), "command".to_owned())]);
    lab.done("up --yes");
    lab.done("vault grant --vault kv-shop-errors --to identity/other-mid --yes");
    lab.done("role assign Reader --to identity/shop-mid --scope vault/kv-shop-errors --yes");
    lab.done("vault secret set extra --vault kv-shop-errors --file conn.txt --yes");
    assert!(lab.done("vault secret list --vault kv-shop-errors").contains("extra"));
    lab.done("vault revoke --vault kv-shop-errors --to identity/other-mid --yes --only azure");
    lab.done("vault secret delete extra --vault kv-shop-errors --yes");
    lab.done("identity delete -n other-mid --yes");
    // What the spec names still belongs to the spec, even if a single command confirmed it.
    lab.done("vault grant --vault kv-shop-errors --to identity/shop-mid --yes");
    assert_eq!(entries(&lab, "grant/kv-shop-errors/shop-mid"), [("shop".to_owned(), "spec".to_owned())]);
}

#[test]
fn cluster_commands_use_the_cluster_of_the_spec() {
    let lab = lab();
    let text = with_podid_yaml(&lab);
    lab.write("podid.yaml", &text.replace("  name: aks-mi\n", "  name: aks-mi\n  context: aks-mi\n"));
    lab.done("identity create -n shop-mid --yes");
    assert!(lab.done("bind --namespace shop --yes --dry-run").contains("azureidentity/aks-mi/shop/shop-mid"));
    assert!(lab.done("bind --namespace shop --cluster aks-mi --yes --dry-run").contains("azureidentity/aks-mi/shop/shop-mid"));
    assert!(lab.done("vault create -n kv-beside-1 --yes --dry-run").contains("vault/kv-beside-1"));
}

#[test]
fn an_error_in_an_unused_part_of_the_spec_does_not_stop_a_command() {
    let lab = lab();
    let text = with_podid_yaml(&lab);
    for (from, to) in [
        ("    namespace: shop\n", "    namespace: Not A Name\n"),
        ("      - name: conn\n", "      - name: nowhere_at_all!\n"),
        ("        file: conn.txt\n", "        file: missing.txt\n"),
        ("  name: aks-mi\n", "  name: aks-that-is-not-there\n"),
    ] {
        assert!(text.contains(from), "{from}");
        lab.write("podid.yaml", &text.replacen(from, to, 1));
        lab.done("identity create -n shop-mid --yes");
        lab.done("identity delete -n shop-mid --yes");
    }
}

#[test]
fn an_unreadable_spec_is_named_by_single_commands() {
    let lab = lab();
    let text = with_podid_yaml(&lab);
    lab.write("podid.yaml", &text.replacen("metadata:\n  name: shop", "metadata:\n  nam: shop", 1));
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes"), @r#"
    exit 2
    error: podid.yaml:4:3: metadata: unknown field `nam`
    hint: Did you mean `name`? The fields here are: name.
    hint: Single commands read podid.yaml in the working directory for the app, resource group and cluster: correct it, or run the command in another folder.
    "#);
    lab.write("podid.yaml", &text.replacen("vault:\n", "vault: [\n", 1));
    assert_snapshot!(lab.fails("vault grant --vault kv-shop-errors --to identity/shop-mid --yes"), @r#"
    exit 2
    error: podid.yaml:8:8: expected fields
    hint: Single commands read podid.yaml in the working directory for the app, resource group and cluster: correct it, or run the command in another folder.
    "#);
}

#[test]
fn a_proof_takes_only_the_app_from_the_spec() {
    let lab = Lab::made();
    let text = lab.read("app.yaml");
    lab.write("podid.yaml", &text.replacen("    namespace: shop\n", "    namespace: Not A Name\n", 1));
    lab.done("verify --timeout 20s");
}
