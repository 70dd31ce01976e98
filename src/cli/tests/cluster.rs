//! `podid cluster`.

use super::{parsed, refused};
use crate::cli::Command;

#[test]
fn roles_are_printed_as_yaml_by_default() {
    let rbac = |line: &str| match parsed(line).command {
        Command::Rbac(rbac) => rbac,
        other => panic!("{other:?}"),
    };
    assert!(rbac("cluster rbac -n shop").as_yaml);
    assert!(!rbac("cluster rbac -n shop -o table").as_yaml && !rbac("-o json cluster rbac -n shop").as_yaml);
    let many = rbac("cluster rbac -n a -n b --for up,verify --for diff --subject user/me --subject serviceaccount/ci/podid");
    assert_eq!((many.namespaces.len(), many.commands.len(), many.subjects.len()), (2, 3, 2));
    for line in
        ["cluster rbac --for everything", "cluster rbac --subject me", "cluster rbac -n UPPER", "cluster rbac --subject serviceaccount/ci"]
    {
        refused(line);
    }
}
