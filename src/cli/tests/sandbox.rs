//! `podid sandbox`.

use super::{parsed, refused};
use crate::cli::{CallerCommand, Command, SandboxCommand, SandboxComponent, StandIn, sandbox::Node};

#[test]
fn serve_cluster_takes_a_kubeconfig_with_an_optional_name() {
    let served = |text: &str| match parsed(&format!("sandbox serve {text}")).command {
        Command::Sandbox(SandboxCommand::Serve { clusters, .. }) => clusters,
        other => panic!("{other:?}"),
    };
    let of = |name: &str, path: &str| StandIn { name: name.into(), kubeconfig: path.into() };
    assert_eq!(served("--cluster kc --cluster aks-sp=dir/kc"), [of("aks-mi", "kc"), of("aks-sp", "dir/kc")]);
    assert_eq!(served("--cluster ./a=b"), [of("aks-mi", "./a=b")]);
    assert_eq!(served(""), []);
    assert!(refused("sandbox serve --cluster aks-mi=").contains("kubeconfig is missing"));
}

#[test]
fn serve_imds_takes_an_address_with_an_optional_cluster() {
    let served = |text: &str| match parsed(&format!("sandbox serve {text}")).command {
        Command::Sandbox(SandboxCommand::Serve { imds, .. }) => imds,
        other => panic!("{other:?}"),
    };
    let of = |name: &str, address: &str| Node { cluster: name.into(), address: address.parse().unwrap() };
    let both = served("--imds 169.254.169.254:80 --imds aks-sp=[::1]:8080");
    assert_eq!(both, [of("aks-mi", "169.254.169.254:80"), of("aks-sp", "[::1]:8080")]);
    assert!(refused("sandbox serve --imds 169.254.169.254").contains("is not a valid ADDR:PORT"));
}

#[test]
fn a_caller_is_named_with_a_role_and_its_scopes() {
    let asked = |text: &str| match parsed(&format!("sandbox caller {text}")).command {
        Command::Sandbox(SandboxCommand::Caller(caller)) => caller,
        other => panic!("{other:?}"),
    };
    let of = |scopes: &[&str]| CallerCommand::Add {
        name: "ci".into(),
        role: "Reader".into(),
        scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
    };
    assert_eq!(asked("add ci --role Reader"), of(&[]));
    assert_eq!(asked("add ci --role Reader --scope /a --scope /b"), of(&["/a", "/b"]));
    assert_eq!(asked("delete ci"), CallerCommand::Delete { name: "ci".into() });
    assert!(refused("sandbox caller add ci").contains("--role"));
}

#[test]
fn components_that_are_not_played_are_given_as_a_list() {
    use SandboxComponent::{Csi, Mic, Nmi};
    let without = |text: &str| match parsed(&format!("sandbox serve {text}")).command {
        Command::Sandbox(SandboxCommand::Serve { without, .. }) => without,
        other => panic!("{other:?}"),
    };
    assert_eq!(without(""), []);
    assert_eq!(without("--without mic,nmi,csi"), [Mic, Nmi, Csi]);
    assert_eq!(without("--without csi --without mic"), [Csi, Mic]);
    let told = refused("sandbox serve --without mic,webhook");
    assert!(told.contains("webhook") && told.contains("mic, nmi, csi"), "{told}");
}
