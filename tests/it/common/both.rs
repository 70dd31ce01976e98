//! Tests that are written once and run on both sides, the sandbox's Kubernetes and a real control plane: `both!` makes two tests of one
//! body, and `Side` says which one runs.

use super::plane;
use std::io::Write as _;
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Sandbox,
    ControlPlane,
}

/// `both! { a_statement, |side| … }` defines the tests `a_statement::sandbox` and `a_statement::control_plane`; `both! { a_statement }` does the
/// same for `fn a_statement(side: Side)`.
#[macro_export]
macro_rules! both {
    ($($name:ident, $test:expr);+ $(;)?) => {
        $(
            mod $name {
                use super::*;

                #[test]
                fn sandbox() {
                    $crate::common::both::run(module_path!(), $crate::common::both::Side::Sandbox, $test);
                }

                #[test]
                fn control_plane() {
                    $crate::common::both::run(module_path!(), $crate::common::both::Side::ControlPlane, $test);
                }
            }
        )+
    };
    // These tests are functions of these names already.
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn sandbox() {
                    $crate::common::both::run(module_path!(), $crate::common::both::Side::Sandbox, super::$name);
                }

                #[test]
                fn control_plane() {
                    $crate::common::both::run(module_path!(), $crate::common::both::Side::ControlPlane, super::$name);
                }
            }
        )+
    };
}

/// Runs the test, unless its side is missing on this machine and is optional.
pub fn run(name: &str, side: Side, test: impl FnOnce(Side)) {
    match side {
        Side::Sandbox => record("sandbox", name),
        Side::ControlPlane if plane::Plane::wanted() == plane::Wanted::No => return record("skipped", name),
        Side::ControlPlane => record("control-plane", name),
    }
    test(side);
}

/// Writes a line for the summary `suite: …` of scripts/check, in one write, so that many tests can share the file.
fn record(what: &str, name: &str) {
    static FILE: OnceLock<Option<std::fs::File>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let path = std::env::var_os("PODID_SUITE_LOG")?;
        Some(std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap())
    });
    if let Some(mut file) = file.as_ref() {
        file.write_all(format!("{what} {name}\n").as_bytes()).unwrap();
    }
}
