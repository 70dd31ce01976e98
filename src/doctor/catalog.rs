//! The pages of all codes, wherever they are written.

use super::{beyond, lint};
use crate::{
    chain::{
        page::{Code, Page},
        pages,
    },
    deliveries, modes,
    spec::suggest::nearest,
};
use std::collections::BTreeMap;

/// All pages by their codes.
pub fn pages() -> BTreeMap<Code, &'static Page> {
    let of_modes = modes::all().flat_map(|mode| mode.pages());
    let of_deliveries =
        deliveries::all().flat_map(|delivery| delivery.pages().iter().copied()).chain(deliveries::blobs::pages::ALL.iter().copied());
    let of_lint = lint::ALL.iter().flat_map(|lint| lint.pages.iter().copied());
    let all = pages::all().chain(of_modes).chain(of_deliveries).chain(beyond::pages()).chain(of_lint);
    all.map(|page| (page.code, page)).collect()
}

/// The page of a code as people write it. Err: a sentence for who gave it.
pub fn page(code: &str) -> Result<&'static Page, String> {
    let pages = pages();
    if let Some(page) = Code::parse(code).and_then(|code| pages.get(&code)) {
        return Ok(page);
    }
    let known: Vec<String> = pages.keys().map(Code::to_string).collect();
    let near = nearest(code, known.iter().map(String::as_str)).map(|near| format!("Did you mean {near}? ")).unwrap_or_default();
    Err(format!("{near}`podid explain` lists the codes."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn all() -> Vec<&'static Page> {
        pages().into_values().collect()
    }

    #[test]
    fn each_page_has_a_code_of_its_own() {
        let of_lint = lint::ALL.iter().flat_map(|lint| lint.pages.iter().copied());
        let written: Vec<&'static Page> =
            of_lint.chain(pages::all()).chain(beyond::pages()).chain(modes::all().flat_map(|mode| mode.pages())).collect();
        for page in &written {
            for other in written.iter().filter(|other| other.code == page.code) {
                assert!(std::ptr::eq(*page, *other), "{} is {:?} and {:?}", page.code, page.title, other.title);
            }
        }
        let titles: BTreeSet<&str> = all().iter().map(|page| page.title).collect();
        assert_eq!(titles.len(), all().len(), "two pages have one title");
    }

    #[test]
    fn pages_are_sentences_with_commands() {
        for page in all() {
            assert!(page.means.ends_with('.'), "{}", page.code);
            assert!(!page.title.ends_with('.') && page.title.len() < 110, "{}", page.code);
            assert!(page.causes.iter().all(|cause| !cause.ends_with('.')), "{}", page.code);
            assert!(!page.podid.is_empty() || !page.native.is_empty(), "{} has no command", page.code);
        }
    }

    #[test]
    fn an_unknown_code_is_suggested() {
        assert_eq!(page("podid1101").unwrap().code, Code(1101));
        assert!(page("PODID1109").unwrap_err().starts_with("Did you mean PODID"));
        assert_eq!(page("nonsense").unwrap_err(), "`podid explain` lists the codes.");
    }
}
