//! What a finding prints for other programs is run as it is printed, by a shell with an unmodified az and kubectl, in a world with that fault
//! alone: it mends as podid's own command does, or shows what it is printed for. One case for each form of a command.

use crate::{
    az::program::Az,
    common::{
        World,
        doctor::{errors, run_fix},
        printed::shape,
    },
    doctor, kubectl, workload_id,
};
use Does::{Exits, Mends, NotRun, Shows};
use serde_json::Value;

#[derive(Clone, Copy)]
pub enum Does {
    /// It ends with 0, and then no error is found any more.
    Mends,
    /// It ends with 0 and prints this.
    Shows(&'static str),
    /// It looks for what is not there.
    Exits(i32),
    /// It needs an extension of az, or a node that runs containers.
    NotRun,
}

pub struct Case {
    pub name: &'static str,
    plant: fn(&World),
    /// Waits for what components do by themselves after a command; undoes what no command of podid does.
    after: fn(&World),
    /// All that the finding prints for other programs, by form and in its order.
    pub does: &'static [(&'static str, Does)],
}

fn of(all: Vec<doctor::Fault>, name: &'static str, after: fn(&World), does: &'static [(&'static str, Does)]) -> Case {
    let fault = all.into_iter().find(|fault| fault.name == name).unwrap();
    Case { name, plant: fault.plant, after, does }
}

fn of_doctor(name: &'static str, after: fn(&World), does: &'static [(&'static str, Does)]) -> Case {
    of(doctor::faults(), name, after, does)
}

fn of_workload_id(name: &'static str, after: fn(&World), does: &'static [(&'static str, Does)]) -> Case {
    let fault = workload_id::of_both().into_iter().find(|case| case.name == name).unwrap();
    Case { name, plant: fault.breaks, after, does }
}

const fn nothing(_: &World) {}

pub fn with_policies() -> Vec<Case> {
    vec![
        of_doctor("identity deleted", nothing, &[("az identity show -g -n", Exits(3))]),
        of_doctor("policy missing", nothing, &[("az keyvault set-policy -n --object-id --secret-permissions", Mends)]),
        of_doctor("secret disabled", nothing, &[("az keyvault secret set-attributes --vault-name --name --enabled", Mends)]),
        of_doctor("secret missing", nothing, &[("az keyvault secret recover --vault-name --name", Mends)]),
        of_doctor("operator role missing", nothing, &[("az aks show -g -n --query", Shows("-"))]),
        of_doctor("MIC scaled to zero", |w| doctor::ready(w, doctor::MIC, "availableReplicas"), &[("kubectl scale -n --replicas", Mends)]),
        of_doctor(
            "NMI on no node",
            |w| {
                doctor::edited(
                    w,
                    doctor::NMI,
                    serde_json::json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": null } } } } }),
                );
                doctor::ready(w, doctor::NMI, "numberReady");
            },
            &[("kubectl get -A -o | grep", Exits(1)), ("kubectl get -A -o | grep", Shows("disk=ssd"))],
        ),
        of_doctor("identity lost from the scale set", doctor::back_on_scale_set, &[("kubectl delete -n", Mends)]),
        of_doctor(
            "label missing in the template",
            nothing,
            &[("kubectl get -n --show-labels", Shows("app.kubernetes.io/name=web")), ("kubectl edit -n", Shows("no changes made"))],
        ),
        of_doctor("AzureIdentity of another client id", nothing, &[("kubectl get -n -o", Shows("00000000-0000-0000-0000-000000000001"))]),
        of_doctor("binding deleted", nothing, &[("kubectl get -A", Exits(0)), ("kubectl get -n --show-labels", Shows("aadpodidbinding="))]),
        of_doctor("class of another mode", nothing, &[("kubectl get -n -o", Shows("usePodIdentity: \"false\""))]),
        of_doctor("class deleted", nothing, &[("kubectl get -A", Exits(0))]),
    ]
}

pub fn with_workload_id() -> Vec<Case> {
    vec![
        of_workload_id("annotation missing", nothing, &[("kubectl annotate -n --overwrite", Mends)]),
        of_workload_id("credential deleted", nothing, &[("az identity federated-credential list -g --identity-name", Shows("[]"))]),
        of_workload_id(
            "issuer without its slash",
            nothing,
            &[
                ("az aks show -g -n --query -o", Shows("https://")),
                ("az identity federated-credential list -g --identity-name", Shows("system:serviceaccount:shop:web")),
            ],
        ),
        of_workload_id(
            "grant missing",
            nothing,
            &[("az role assignment create --role --assignee-object-id --assignee-principal-type --scope", Mends)],
        ),
        of_workload_id(
            "vault of another tenant",
            |w| workload_id::vault_in(w, None),
            &[("az keyvault show -n --query", Shows("00000000-1111-2222-3333-444444444444"))],
        ),
        of_workload_id(
            "webhook absent",
            nothing,
            &[("az aks update -g -n --enable-oidc-issuer --enable-workload-identity", Mends), ("kubectl get -A | grep", Exits(1))],
        ),
        of_workload_id(
            "webhook without pods",
            |w| doctor::ready(w, workload_id::WEBHOOK, "readyReplicas"),
            &[("kubectl scale -n --replicas", Mends)],
        ),
    ]
}

pub fn with_roles() -> Vec<Case> {
    let condition = |w: &World| doctor::delivered::conditional(w, "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'other'");
    let undenied = |w: &World| w.settings(&serde_json::json!({ "deny_assignments": null }));
    vec![
        Case {
            name: "condition",
            plant: condition,
            after: nothing,
            does: &[("az role assignment list --scope --include-inherited --query", Shows("StringEquals 'other'"))],
        },
        Case {
            name: "deny assignment",
            plant: doctor::delivered::denied,
            after: undenied,
            does: &[("az rest --method --url", Shows("stack-shop"))],
        },
    ]
}

pub fn with_addon() -> Vec<Case> {
    let one = |name, does| of(doctor::of_addon(), name, nothing, does);
    vec![
        one("entry deleted", &[("az extension add --name", NotRun)]),
        one(
            "add-on off",
            &[
                ("az aks show -g -n --query", Shows("\"enabled\": null")),
                ("az extension add --name", NotRun),
                ("az aks update -g -n --enable-pod-identity", NotRun),
            ],
        ),
        one("operator role missing", &[("az aks show -g -n --query", Shows("-"))]),
    ]
}

pub fn with_flexvolume() -> Vec<Case> {
    let one = |name, does| {
        let fault = doctor::delivered::of_flexvolume().into_iter().find(|fault| fault.name == name).unwrap();
        Case { name, plant: fault.plant, after: fault.mend.unwrap_or(nothing), does }
    };
    vec![
        one("driver absent", &[("kubectl get -n -o", Exits(0))]),
        one("driver on no node", &[("kubectl describe -n", Shows("disk=ssd"))]),
        one("tenant missing", &[("kubectl get -n -o", Shows("usepodidentity"))]),
        one("no volume", &[("kubectl get -n -o", Exits(0))]),
        one("script without jq", &[("kubectl debug -it --image", NotRun)]),
    ]
}

/// What a finding prints for other programs.
fn printed(finding: &Value) -> Vec<String> {
    let all = finding["native"].as_array().into_iter().flatten();
    all.map(|command| command.as_str().unwrap().to_owned()).collect()
}

/// Plants each fault alone, and runs all that is printed for other programs.
fn run(world: &World, cases: &[Case], settle: fn(&World)) {
    let (Some(az), Some(_)) = (Az::signed_in(world), kubectl::programs::first()) else { return };
    assert_eq!(errors(world, &[]), Vec::<Value>::new(), "a sound chain");
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.name;
        (case.plant)(world);
        let mut finding = errors(world, &[]).first().cloned().unwrap_or_default();
        let all = printed(&finding);
        let forms: Vec<String> = all.iter().map(|command| shape(command)).collect();
        if forms != case.does.iter().map(|(form, _)| *form).collect::<Vec<_>>() {
            wrong.push(format!("{name}: it prints\n{}\n{}", all.join("\n"), forms.join("\n")));
        }
        let mut is_broken = true;
        for (at, (_, does)) in case.does.iter().enumerate() {
            if !is_broken {
                (case.plant)(world);
                finding = errors(world, &[]).first().cloned().unwrap_or_default();
                is_broken = true;
            }
            let Some(command) = printed(&finding).get(at).cloned() else { continue };
            let (code, text) = match does {
                NotRun => continue,
                Mends => (0, ""),
                Shows(text) => (0, *text),
                Exits(code) => (*code, ""),
            };
            let output = az.shell(&command);
            if output.code != Some(code) || !(output.stdout.contains(text) || output.stderr.contains(text)) {
                wrong.push(format!("{name}: `{command}` was to exit with {code} and to print {text:?}\n{output:?}"));
            } else if matches!(does, Mends) {
                (case.after)(world);
                settle(world);
                let left = errors(world, &[]);
                is_broken = !left.is_empty();
                if is_broken {
                    wrong.push(format!("{name}: `{command}` does not mend\n{output:?}\n{left:#?}"));
                }
            }
        }
        if is_broken {
            run_fix(world, &finding);
            (case.after)(world);
            settle(world);
            assert_eq!(errors(world, &[]), Vec::<Value>::new(), "{name}: podid's own command mends it\n{}", wrong.join("\n\n"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn what_a_finding_of_pod_identity_prints_for_other_programs_does_what_it_is_printed_for() {
    run(&doctor::made(), &with_policies(), doctor::settle);
}

#[test]
fn what_a_finding_of_workload_id_prints_for_other_programs_does_what_it_is_printed_for() {
    run(&workload_id::made("csi"), &with_workload_id(), nothing);
}

#[test]
fn what_a_finding_of_the_add_on_prints_for_other_programs_does_what_it_is_printed_for() {
    run(&doctor::with_addon(), &with_addon(), nothing);
}

#[test]
fn what_a_finding_of_flexvolume_prints_for_other_programs_does_what_it_is_printed_for() {
    run(&doctor::delivered::with_flexvolume(), &with_flexvolume(), doctor::settle);
}

#[test]
fn what_a_finding_about_a_vault_with_roles_prints_for_other_programs_does_what_it_is_printed_for() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &doctor::SPEC.replace("model: access-policy", "model: rbac"));
    world.podid(&["up", "--yes"]).ok();
    run(&world, &with_roles(), doctor::settle);
}
