//! Limits for responses by kind, and for lists: a page that repeats, or too many pages, are an error. Sizes are those of the decompressed
//! body, counted while it arrives.

use super::{Error, Result};
use std::{
    collections::HashSet,
    future::Future,
    sync::{Mutex, PoisonError},
};
use url::Url;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a response body contains, for its size limit and for the error that names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BodyKind {
    /// One resource or one secret. A secret has at most 25 KiB, the largest resources have a few hundred.
    Object,
    /// One page of a list.
    Page,
    /// The response of a token endpoint.
    Token,
    /// The body of an error response.
    Refusal,
}

impl BodyKind {
    pub fn most(self) -> usize {
        match self {
            Self::Object => 8 * MIB,
            Self::Page => 32 * MIB,
            Self::Token => MIB,
            Self::Refusal => 256 * KIB,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Object => "an answer",
            Self::Page => "a page of a list",
            Self::Token => "a token",
            Self::Refusal => "an error",
        }
    }

    pub fn too_large(self, host: &str) -> Error {
        Error::TooLarge { what: self.name().to_owned(), host: host.to_owned(), most: size(self.most()) }
    }
}

/// The longest URL of a link. No server accepts a longer one, and a link may be as long as a response.
pub const LONGEST_ADDRESS: usize = 32 * KIB;

/// Resolves a link in a response, absolute or relative. Returns None if it leads to another server, because each request carries a token.
pub fn link(asked: &Url, link: &str) -> Option<Url> {
    let link = asked.join(link).ok()?;
    (link.origin() == asked.origin() && link.username().is_empty() && link.password().is_none()).then_some(link)
}

/// The limits of one list. A page has 25 secrets of a vault, or a few hundred resources of a subscription.
const MOST_PAGES: usize = 10_000;
const MOST_BYTES: usize = 256 * MIB;

#[derive(Default)]
struct Pages {
    asked: HashSet<Url>,
    bytes: usize,
}

tokio::task_local! {
    static LIST: Mutex<Pages>;
}

/// Reads a list to its end, page by page. The SDKs request the pages; `ask_page` and `page_read` are called for each.
pub async fn list<T>(pages: impl Future<Output = Result<T>>) -> Result<T> {
    LIST.scope(Mutex::default(), Box::pin(pages)).await
}

/// Returns what the response to a request that is sent now will contain.
pub fn kind() -> BodyKind {
    if LIST.try_with(|_| ()).is_ok() { BodyKind::Page } else { BodyKind::Object }
}

/// Checks the URL of a page before it is requested: it must be a new one.
pub fn ask_page(url: &Url) -> Result<()> {
    let host = url.host_str().unwrap_or_default();
    in_list(|pages| {
        if !pages.asked.insert(url.clone()) {
            return Err(endless(host, format!("page {} leads back to a page that was read before", pages.asked.len())));
        }
        if pages.asked.len() > MOST_PAGES {
            return Err(endless(host, format!("it has more than {MOST_PAGES} pages")));
        }
        Ok(())
    })
}

/// Counts a page after it was read.
pub fn page_read(host: &str, bytes: usize) -> Result<()> {
    in_list(|pages| {
        pages.bytes = pages.bytes.saturating_add(bytes);
        if pages.bytes > MOST_BYTES {
            return Err(endless(host, format!("it is larger than {}", size(MOST_BYTES))));
        }
        Ok(())
    })
}

fn in_list(act: impl FnOnce(&mut Pages) -> Result<()>) -> Result<()> {
    LIST.try_with(|pages| act(&mut pages.lock().unwrap_or_else(PoisonError::into_inner))).unwrap_or(Ok(()))
}

fn endless(host: &str, why: String) -> Error {
    Error::EndlessList { host: host.to_owned(), why }
}

/// Formats a size: `256 KiB`, `32 MiB`.
pub fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= MIB => format!("{} MiB", bytes / MIB),
        bytes if bytes >= KIB => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}
