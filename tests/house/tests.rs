//! The reader of sources and the finder of loops, on sources that are written here.

use crate::{
    loops,
    reader::{File, Package, words},
};

fn texts(source: &str) -> Vec<String> {
    words(source).into_iter().map(|w| w.text).collect()
}

fn file(name: &str, source: &str) -> File {
    let module = name.split("::").filter(|m| !m.is_empty()).map(str::to_owned).collect();
    File { name: format!("{name}.rs"), source: source.into(), package: "p".into(), module, ..File::default() }
}

fn uses(module: &str, source: &str) -> Vec<(String, usize)> {
    file(module, source).uses().into_iter().map(|u| (u.path.join("::"), u.line)).collect()
}

#[test]
fn comments_and_quotes_are_left_out() {
    assert_eq!(texts("a // crate::b\n/* c /* d */ e */ f"), ["a", "f"]);
    assert_eq!(
        texts(r####"x("crate::a \" b", r#"print"ln"#, 'c', '\'', b"d") 'life"####),
        ["x", "(", ",", ",", ",", ",", "b", ")", "'", "life"]
    );
    assert_eq!(words("a\n\"two\nlines\"\nb").last().map(|w| w.line), Some(4));
}

#[test]
fn uses_are_found_in_braces_and_in_the_middle_of_code() {
    let source =
        "use crate::{a::b, c::{self, d::E as F}, g};\nfn f() { crate::h::i(x); }\npub(crate) fn j() {}\npub(in crate::k) fn l() {}";
    let found: Vec<String> = uses("room::file", source).into_iter().map(|(path, line)| format!("{path} {line}")).collect();
    assert_eq!(found, ["a::b 1", "c::self 1", "c::d::E 1", "g 1", "h::i 2"]);
}

#[test]
fn super_leads_out_of_the_room_and_past_inline_modules() {
    assert_eq!(uses("room::file", "use super::super::other::X;"), [("other::X".into(), 1)]);
    assert_eq!(uses("room", "mod inner { use super::x; use super::super::other; }"), [("room::x".into(), 1), ("other".into(), 1)]);
    assert_eq!(uses("room", "mod tests { use crate::other; }\nuse crate::after;"), [("after".into(), 2)]);
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_name() {
    let files = [
        file("", "pub use serde_json as json;"),
        file("a", "pub use crate::a::error::Error; pub use crate::a::model::*; pub struct Own;"),
        file("a::error", "pub enum Error {}"),
        file("a::model", "pub struct Group;"),
    ];
    let package = Package::new(files.iter().collect());
    let found = |path: &str| {
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        package.find(&path).map(|at| files[at].name.as_str())
    };
    assert_eq!(found("a::Error"), Some("a::error.rs"));
    assert_eq!(found("a::Group"), Some("a::model.rs"));
    assert_eq!(found("a::Own"), Some("a.rs"));
    assert_eq!(found("json::Value"), None, "it is in another package");
}

#[test]
fn a_loop_is_named_with_its_files_and_lines() {
    let files = [
        file("a", "\nuse crate::b::B;"),
        file("b", "use crate::c::C;"),
        file("c", "fn f() {\n    crate::a::g();\n}"),
        file("d", "use crate::a::A;"),
    ];
    let found = loops::find(&files, "p");
    assert_eq!(found.files.iter().map(String::as_str).collect::<Vec<_>>(), ["a.rs", "b.rs", "c.rs"]);
    assert!(found.text.contains("c.rs:2: `a::g` leads to a.rs"), "{}", found.text);
    assert_eq!(loops::find(&files[1..], "p"), loops::Loops::default());
}
