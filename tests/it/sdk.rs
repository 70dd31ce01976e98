//! The Azure SDKs for Python and Go, unmodified, against a served sandbox. tests/sdk has a program for each, which prints what it saw at every
//! step. rounds.jsonl has what both must see (`with`: only with that credential), late.jsonl what a program sees that waits.
//! PODID_SDKS decides: `required` (missing is a failure), `off`, or unset: used if they are installed, else one line says what was not run.

use crate::common::{
    World,
    by_hand::GROUP,
    node::{IMDS, on_a_node},
    same, without_guids,
};
use serde_json::{Map, Value, json};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

const ROUNDS: &[&str] = &["login", "identities", "roles", "vaults", "secrets", "backup", "credentials"];
/// Only the SDK for Python lets its caller set the page size of secrets; the one for Go refuses an empty
/// token by itself.
const OF_PYTHON: &[&str] = &["secret.list by tens", "login.no token"];
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

#[derive(Clone, Copy, PartialEq)]
enum Sdk {
    Python,
    Go,
}

/// The Python program and the Go program.
type Programs = (PathBuf, PathBuf);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Looked up once per process; prints what is not run.
fn programs() -> Option<&'static Programs> {
    static ANSWER: OnceLock<Option<Programs>> = OnceLock::new();
    let script = root().join("scripts/with-sdks");
    let wanted = || match std::env::var("PODID_SDKS").as_deref() {
        Ok("required") => true,
        Ok("off") => say("PODID_SDKS=off"),
        Ok("") | Err(_) => match Command::new(&script).arg("--have").stdin(Stdio::null()).status().unwrap().code() {
            Some(0) => true,
            Some(3) => say("they are not installed yet; `scripts/with-sdks true` does that, once, in about 3 minutes"),
            _ => say("they cannot be installed here; `scripts/with-sdks true` says what is missing"),
        },
        Ok(other) => panic!("PODID_SDKS is `required`, `off` or unset, not {other:?}"),
    };
    let find = || {
        let output = Command::new(&script).args(["sh", "-c", "echo \"$PODID_SDK_PYTHON\"; echo \"$PODID_SDK_GO\""]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (python, go) = text.trim_end().split_once('\n').unwrap();
        (python.into(), go.into())
    };
    ANSWER.get_or_init(|| wanted().then(find)).as_ref()
}

/// Bypasses eprintln, which libtest captures.
fn say(why: &str) -> bool {
    let _ = std::io::stderr().write_all(format!("not run: the tests with the Azure SDKs ({why})\n").as_bytes());
    false
}

/// How a program signs in: the name of the credential, and the variables of its environment.
struct Login {
    credential: &'static str,
    environment: Vec<(String, String)>,
}

impl Login {
    fn secret(world: &World) -> Self {
        Self { credential: "secret", environment: world.environment() }
    }

    /// Signs in as an identity that owns the subscription, without a secret.
    fn of_identity(world: &World, credential: &'static str) -> (Self, String) {
        let id = world.identity_id("sdk-caller");
        let identity = world.arm("PUT", &format!("{id}?api-version=2024-11-30"), Some(json!({"location": "westeurope"}))).ok();
        let text = |name: &str| identity["properties"][name].as_str().unwrap().to_owned();
        let subscription = format!("/subscriptions/{}", world.subscription());
        let role = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}");
        let wish =
            json!({"properties": {"roleDefinitionId": role, "principalId": text("principalId"), "principalType": "ServicePrincipal"}});
        let name = "30000000-0000-0000-0000-000000000003";
        let path = format!("{subscription}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
        world.arm("PUT", &path, Some(wish)).ok();
        let mut environment = world.environment();
        environment
            .retain(|(name, _)| !matches!(name.as_str(), "AZURE_CLIENT_ID" | "AZURE_CLIENT_SECRET" | "AZURE_POD_IDENTITY_AUTHORITY_HOST"));
        environment.push(("AZURE_CLIENT_ID".into(), text("clientId")));
        (Self { credential, environment }, id)
    }

    /// Signs in with a token of the account default/default of the sandbox's own cluster, and also returns one of kube-system/default.
    fn federated(world: &World) -> Self {
        let (mut login, id) = Self::of_identity(world, "federated");
        let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2026-02-01", world.group_id());
        let issuer = world.arm("GET", &cluster, None).ok()["properties"]["oidcIssuerProfile"]["issuerURL"].clone();
        let trust =
            json!({"issuer": issuer, "subject": "system:serviceaccount:default:default", "audiences": ["api://AzureADTokenExchange"]});
        let path = format!("{id}/federatedIdentityCredentials/sdk?api-version=2024-11-30");
        world.arm("PUT", &path, Some(json!({ "properties": trust }))).ok();
        for (namespace, file) in [("default", "token"), ("kube-system", "token.other")] {
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token");
            let wish = json!({"spec": {"audiences": ["api://AzureADTokenExchange"]}});
            let made = world.kube("POST", "aks-mi", &path, Some(wish)).ok();
            world.write(file, made["status"]["token"].as_str().unwrap());
        }
        login.environment.push(("AZURE_FEDERATED_TOKEN_FILE".into(), world.path("token").display().to_string()));
        login
    }

    /// Signs in through the metadata service of a node that has the identity besides its kubelet's.
    fn managed(world: &World) -> Self {
        let (login, id) = Self::of_identity(world, "managed");
        let nodes = format!("/subscriptions/{}/resourceGroups/MC_{GROUP}_aks-mi_westeurope", world.subscription());
        let sets = format!("{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01");
        let set = world.arm("GET", &sets, None).ok()["value"][0]["id"].as_str().unwrap().to_owned();
        let wish = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}});
        world.arm("PATCH", &format!("{set}?api-version=2024-07-01"), Some(wish)).ok();
        login
    }
}

/// Returns what the program saw, one step per line, with names in place of values of this world.
fn play(world: &World, sdk: Sdk, programs: &Programs, login: &Login, rounds: &[&str]) -> String {
    let tag = &format!("{}-{}", if sdk == Sdk::Python { "py" } else { "go" }, login.credential);
    let words = [&[login.credential, tag, GROUP], rounds].concat();
    let rounds = root().join("tests/sdk/python/rounds.py");
    let mut command = match sdk {
        Sdk::Python => world.program(&programs.0, &[&["-B", rounds.to_str().unwrap()], words.as_slice()].concat()),
        Sdk::Go => world.program(&programs.1, &words),
    };
    let output = command.envs(login.environment.clone()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the rounds ended with {}:\n{said}", output.status);
    let names = [(world.subscription(), "SUBSCRIPTION"), (tag.clone(), "TAG")];
    let text = String::from_utf8(output.stdout).unwrap();
    let text = names.iter().fold(text, |text, (of_this, name)| text.replace(of_this, name));
    versions_named(&without_guids(&text.lines().map(|line| sorted(line) + "\n").collect::<String>()))
}

/// Sorts the keys of a line.
fn sorted(line: &str) -> String {
    fn sort(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sort(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect::<Map<_, _>>())
            }
            Value::Array(list) => list.into_iter().map(sort).collect(),
            other => other,
        }
    }
    sort(serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).to_string()
}

/// Replaces versions of secrets by VERSION-1 and so on, in the order of their appearance.
fn versions_named(text: &str) -> String {
    let shape = regex::Regex::new(r"\b[0-9a-f]{32}\b").unwrap();
    let mut known: Vec<String> = Vec::new();
    let name = |found: &regex::Captures<'_>| {
        let at = known.iter().position(|v| *v == found[0]).unwrap_or_else(|| {
            known.push(found[0].to_owned());
            known.len() - 1
        });
        format!("VERSION-{}", at + 1)
    };
    shape.replace_all(text, name).into_owned()
}

/// Returns what must be seen with this credential; for Go without the types of Python's errors.
fn expected(sdk: Sdk, credential: &str) -> String {
    let text = std::fs::read_to_string(root().join("tests/sdk/rounds.jsonl")).unwrap();
    let mut lines = String::new();
    for line in text.lines() {
        let mut step: Value = serde_json::from_str(line).unwrap();
        let name = step["step"].as_str().unwrap().to_owned();
        if step.as_object_mut().unwrap().shift_remove("with").is_some_and(|with| with != credential) {
            continue;
        }
        if sdk == Sdk::Go {
            if OF_PYTHON.contains(&name.as_str()) {
                continue;
            }
            if let Some(refused) = step["saw"].get_mut("refused").and_then(Value::as_object_mut) {
                refused.shift_remove("type");
            }
            // Entra's own text reaches the caller; MSAL for Python has another one.
            if name == "login.unknown tenant" {
                step["saw"]["refused"]["says"] = "AADSTS90002".into();
            }
        }
        lines += &(step.to_string() + "\n");
    }
    lines
}

/// Compares every step of every round with the expected one.
fn sees_azure(world: &World, sdk: Sdk, programs: &Programs, login: &Login) {
    same("what the SDK saw", &expected(sdk, login.credential), &play(world, sdk, programs, login, ROUNDS));
}

#[test]
fn the_sdk_for_python_sees_azure_with_a_client_secret() {
    let Some(programs) = programs() else { return };
    let world = World::served();
    sees_azure(&world, Sdk::Python, programs, &Login::secret(&world));
}

#[test]
fn the_sdk_for_go_sees_azure_with_a_client_secret() {
    let Some(programs) = programs() else { return };
    let world = World::served();
    sees_azure(&world, Sdk::Go, programs, &Login::secret(&world));
}

#[test]
fn the_sdk_for_python_sees_azure_with_a_service_account_token() {
    let Some(programs) = programs() else { return };
    let world = World::served();
    sees_azure(&world, Sdk::Python, programs, &Login::federated(&world));
}

#[test]
fn the_sdk_for_go_sees_azure_with_a_service_account_token() {
    let Some(programs) = programs() else { return };
    let world = World::served();
    sees_azure(&world, Sdk::Go, programs, &Login::federated(&world));
}

#[test]
fn a_program_that_retries_succeeds_despite_propagation_delays() {
    let Some(programs) = programs() else { return };
    let mut world = World::new();
    world.env.retain(|(name, _)| name != "PODID_LATENESS");
    world.env.push(("PODID_LATENESS".into(), "quick".into()));
    world.serve();
    let expected = std::fs::read_to_string(root().join("tests/sdk/late.jsonl")).unwrap();
    same("what the SDK saw", &expected, &play(&world, Sdk::Python, programs, &Login::secret(&world), &["late"]));
}

#[test]
fn the_sdks_see_azure_with_the_identity_of_their_node() {
    let Some(programs) = programs() else { return };
    let played = on_a_node("sdk::the_sdks_see_azure_with_the_identity_of_their_node", || {
        for sdk in [Sdk::Python, Sdk::Go] {
            let mut world = World::new();
            world.serve_with(&["--imds", IMDS]);
            sees_azure(&world, sdk, programs, &Login::managed(&world));
        }
    });
    if !played {
        assert_ne!(std::env::var("PODID_SDKS").as_deref(), Ok("required"), "no network namespace can be made here");
        say("with managed identity: no network namespace can be made here");
    }
}
