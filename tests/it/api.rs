//! The Kubernetes API, request by request: every tape of `tests/api/` was recorded from a real kube-apiserver and is replayed against the
//! sandbox and against a control plane.

mod discovery;

use crate::common::tape;

macro_rules! tapes {
    ($($name:ident)+) => {
        both! { $($name, |side| tape::play(side, &format!("api/{}.tape", stringify!($name).replace('_', "-"))));+ }

        #[test]
        fn every_tape_is_replayed() {
            let known = [$(stringify!($name)),+].map(|name| format!("{}.tape", name.replace('_', "-")));
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api");
            let mut found: Vec<String> = folder.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            found.retain(|name| name.ends_with(".tape") && !known.contains(name));
            assert_eq!(found, Vec::<String>::new());
        }
    };
}

tapes! {
    assigned_identities
    bindings_applied
    classes_applied
    client_side_applied
    configmaps
    deployments
    exceptions_applied
    finalizers
    identities_applied
    identities_refused
    identities_written
    kinds
    lists
    managed_fields
    namespaces
    others
    owners
    pods
    rights
    roles
    secrets
    service_accounts
    statuses
    tables
    watches
}

both! {
    resources_are_discovered, discovery::resources;
    resources_are_discovered_the_old_way, discovery::old_resources;
    groups_are_discovered, discovery::groups;
    paths_and_types_are_described, discovery::openapi;
}
