//! `podid mount`.

use super::{change, refused};
use crate::spec::request::Request;

#[test]
fn files_and_keys_of_a_mount_agree() {
    let twice = refused("mount apply -n ns --name spc --secret a=f --secret b=f");
    assert!(twice.contains("two secrets would be mounted as the file `f`"), "{twice}");
    let unknown = refused("mount apply -n ns --name spc --secret conn --sync s:K=con");
    assert!(unknown.contains("Did you mean `conn`?"), "{unknown}");
    let key = refused("mount apply -n ns --name spc --secret a --secret b --sync s:K=a --sync s:K=b");
    assert!(key.contains("synced twice"), "{key}");
}

#[test]
fn a_mount_takes_the_mode_of_its_pods() {
    let mode = |line: &str| match change(line).0 {
        Request::Mount(mount) => mount.mode,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(mode("mount apply -n ns --name spc --secret a"), None);
    assert_eq!(mode("mount apply -n ns --name spc --secret a --mode pod-identity").as_deref(), Some("pod-identity"));
    assert!(refused("mount apply -n ns --name spc --secret a --mode pod-idenity").contains("pod-identity"));
}
