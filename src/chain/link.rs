//! A link of the chain from a pod to its secrets, as data: what it is, what to look at, how to tell right from wrong, and what makes it
//! right again.

use super::{
    page::{Page, Severity},
    pages,
    view::View,
};
use crate::{
    access::AzureRight,
    engine::{key::Key, plan::Action, resource::Side},
};
use futures::future::BoxFuture;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::time::Duration;

/// The stable word of a link for programs (`-o json`), and what is written of any fault at it.
#[derive(Clone, Copy, Debug)]
pub struct LinkName {
    pub word: &'static str,
    pub page: &'static Page,
}

impl LinkName {
    pub const fn new(word: &'static str, page: &'static Page) -> Self {
        Self { word, page }
    }
}

impl PartialEq for LinkName {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl Eq for LinkName {}

impl Serialize for LinkName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word)
    }
}

/// The cluster, or the namespace.
pub const CLUSTER: LinkName = LinkName::new("cluster", &pages::CLUSTER);
/// A pod that was not accepted, not scheduled, or deleted.
pub const POD: LinkName = LinkName::new("pod", &pages::POD);
/// The managed identity in Azure.
pub const IDENTITY: LinkName = LinkName::new("identity", &pages::IDENTITY);
/// The pod's token for that identity.
pub const TOKEN: LinkName = LinkName::new("token", &pages::TOKEN);
pub const VAULT: LinkName = LinkName::new("vault", &pages::VAULT);
/// The identity's right to read the vault's secrets.
pub const GRANT: LinkName = LinkName::new("grant", &pages::GRANT);
pub const SECRET: LinkName = LinkName::new("secret", &pages::SECRET);
/// The version that the pod got is not the vault's current one.
pub const VERSION: LinkName = LinkName::new("version", &pages::VERSION);
/// The container starts.
pub const START: LinkName = LinkName::new("start", &pages::START);
/// No component reported anything that tells the link.
pub const UNKNOWN: LinkName = LinkName::new("unknown", &pages::UNKNOWN);

pub struct Link {
    pub name: LinkName,
    /// What is written of a fault at it, unless more is known.
    pub page: &'static Page,
    /// What it is, as the subject of a sentence: `the AzureIdentity shop/web`.
    pub title: String,
    /// The resource of podid's that it rests on.
    pub resource: Option<Resource>,
    /// Looks at the objects themselves, where the resource alone does not tell whether all is well.
    pub check: Option<Check>,
    /// Further looks that `doctor` makes: they need more rights or more requests than a proof has.
    pub examine: &'static [Check],
    /// Whether it stands by itself: what is broken before it does not break it.
    pub apart: bool,
    /// Whether only an app that asks for a token by itself needs it, and a volume's provider does not.
    pub of_app: bool,
    /// What components report when this link is broken.
    pub symptoms: &'static [Symptom],
    /// The object that shows that a pod got past this link.
    pub sign: Option<fn(&View<'_>) -> Option<Sign>>,
    /// Whether it takes its time where all is well, too.
    pub slow: bool,
    /// The words of podid's single command that makes it again.
    pub again: Vec<String>,
}

impl Link {
    pub fn new(name: LinkName, title: impl Into<String>, again: Vec<String>) -> Self {
        let (page, title) = (name.page, title.into());
        Self {
            name,
            page,
            title,
            resource: None,
            check: None,
            examine: &[],
            apart: false,
            of_app: false,
            symptoms: &[],
            sign: None,
            slow: false,
            again,
        }
    }

    #[must_use]
    pub fn resource(self, resource: Resource) -> Self {
        Self { resource: Some(resource), ..self }
    }

    #[must_use]
    pub fn check(self, side: Side, look: Look) -> Self {
        Self { check: Some(Check { side, look }), ..self }
    }

    /// What is broken before it does not break it.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// A volume's provider gets its token without it.
    #[must_use]
    pub fn of_app(self) -> Self {
        Self { of_app: true, ..self }
    }

    #[must_use]
    pub fn examine(self, examine: &'static [Check]) -> Self {
        Self { examine, ..self }
    }

    #[must_use]
    pub fn symptoms(self, symptoms: &'static [Symptom]) -> Self {
        Self { symptoms, ..self }
    }
}

/// A resource of podid's, which is compared with what podid wrote.
pub struct Resource {
    pub kind: &'static str,
    /// None: any of this kind that the workload depends on.
    pub key: Option<Key>,
    /// Says after the title where it is, given its spec with all values.
    pub place: fn(&Value) -> String,
    /// What a sentence says of it when it is not there.
    pub missing: &'static str,
    /// Whether Azure takes minutes to apply it everywhere: what was just written may not show yet.
    pub spreads: bool,
    /// Says what is wrong with one that is there, where a plain comparison does not.
    pub judge: Option<fn(&Action) -> Option<String>>,
    /// What to do where writing it again is not the way. Empty: it is.
    pub way_out: &'static str,
    /// What is written of that, where it is more than of the link.
    pub judged: Option<&'static Page>,
    /// The right that it gives to a principal: whoever has it by another way does not need it.
    pub right: Option<AzureRight>,
}

impl Resource {
    pub fn of(kind: &'static str) -> Self {
        Self {
            kind,
            key: None,
            place: |_| String::new(),
            missing: "does not exist",
            spreads: false,
            judge: None,
            judged: None,
            way_out: "",
            right: None,
        }
    }

    /// What is said of one that is missing where its principal has the right by another way.
    pub fn spared(&self, what: &str) -> String {
        what.replace(self.missing, "is missing, but not needed")
    }

    pub fn is(&self, kind: &str, key: &Key) -> bool {
        self.kind == kind && self.key.as_ref().is_none_or(|own| own == key)
    }
}

/// Returns what is wrong. A login that may not look learns less.
pub type Look = for<'a> fn(&'a View<'a>, &'a Link) -> BoxFuture<'a, Vec<Reason>>;

#[derive(Clone, Copy)]
pub struct Check {
    /// Where it looks.
    pub side: Side,
    pub look: Look,
}

/// A text of a component that is known.
pub struct Symptom {
    /// Parts of the text, any of which is enough. Casing does not count, and a number ends where the part ends.
    pub any_of: &'static [&'static str],
    /// Parts with which the text means something else.
    pub none_of: &'static [&'static str],
    /// What else must hold of the text, which is in lower case.
    pub only_if: Option<fn(&str) -> bool>,
    /// What is written of it, where that is more than of the link.
    pub page: Option<&'static Page>,
    pub means: Meaning,
}

impl Symptom {
    pub const fn new(any_of: &'static [&'static str], means: Meaning) -> Self {
        Self { any_of, none_of: &[], only_if: None, page: None, means }
    }

    /// A text that means one thing wherever it is reported.
    pub const fn known(any_of: &'static [&'static str], heals: Heals, what: &'static str, hint: fn(&View<'_>, &Link) -> String) -> Self {
        Self::new(any_of, Meaning::Known { heals, what, hint })
    }

    #[must_use]
    pub const fn unless(self, none_of: &'static [&'static str]) -> Self {
        Self { none_of, ..self }
    }

    #[must_use]
    pub const fn only_if(self, only_if: fn(&str) -> bool) -> Self {
        Self { only_if: Some(only_if), ..self }
    }

    #[must_use]
    pub const fn page(self, page: &'static Page) -> Self {
        Self { page: Some(page), ..self }
    }

    pub fn fits(&self, text: &str) -> bool {
        self.found(&folded(text)).is_some()
    }

    /// The longest part by which it fits a folded text.
    pub fn found(&self, text: &str) -> Option<&'static str> {
        let part = self.any_of.iter().filter(|part| holds(text, part)).max_by_key(|part| part.len())?;
        let is_other = self.none_of.iter().any(|part| holds(text, part)) || self.only_if.is_some_and(|holds| !holds(text));
        (!is_other).then_some(*part)
    }
}

/// A text in lower case, whose quotes have no backslashes: JSON, and errors that quote others, put these before them.
pub fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for (at, piece) in text.split('"').enumerate() {
        if at > 0 {
            folded.truncate(folded.trim_end_matches('\\').len());
            folded.push('"');
        }
        folded.push_str(&piece.to_lowercase());
    }
    folded
}

/// Whether a text in lower case has a part. `AADSTS70021` is not in `aadsts700211`.
fn holds(text: &str, part: &str) -> bool {
    let part = part.to_lowercase();
    let is_number = part.ends_with(|c: char| c.is_ascii_digit());
    let mut found = text.match_indices(&part).map(|(at, _)| text[at + part.len()..].chars().next());
    found.any(|next| !is_number || next.is_none_or(|c| !c.is_ascii_digit()))
}

pub enum Meaning {
    Known {
        heals: Heals,
        what: &'static str,
        hint: fn(&View<'_>, &Link) -> String,
    },
    /// More depends on the text or on the workload.
    Read(fn(&View<'_>, &Link, &str) -> Reason),
    /// The component only waited for an earlier link: which one it was, their checks tell.
    Waiting,
}

/// An object that shows that a pod got past a link.
pub struct Sign {
    pub api: crate::cluster::Api,
    /// None: objects of this name in any namespace.
    pub namespace: Option<String>,
    pub name: String,
    pub shows: fn(&Value) -> bool,
    /// What a proof calls the step, and what it says of it.
    pub step: &'static str,
    pub detail: String,
}

/// The chain is broken at a link: what was seen, why, and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct MissingLink {
    pub link: LinkName,
    /// What is written of it, where that is more than of the link.
    pub page: Option<&'static Page>,
    /// How much it matters, where that is not as its page says.
    pub severity: Option<Severity>,
    pub what: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
}

impl MissingLink {
    pub fn new(link: LinkName, what: impl Into<String>) -> Self {
        Self { link, page: None, severity: None, what: what.into(), causes: Vec::new(), hints: Vec::new() }
    }

    #[must_use]
    pub fn page(mut self, page: &'static Page) -> Self {
        self.page = Some(page);
        self
    }

    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Says why waiting does not help although the role is there.
pub fn of_an_old_role(missing: MissingLink) -> MissingLink {
    let missing = missing.because("its role was assigned more than 10 minutes ago, so this is not a new role on its way");
    let hint = "A condition of the role assignment or a deny assignment may forbid it: `az role assignment list --all --include-inherited` shows conditions.";
    MissingLink { hints: vec![hint.to_owned()], ..missing }
}

/// How long it may take until a link heals by itself; after that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heals {
    Never,
    Within(Duration),
    /// It may heal at any time, so a proof waits until its time limit.
    Perhaps,
}

impl Heals {
    /// Whether it is known by now that waiting does not help.
    pub fn is_over(self, seen_for: Duration) -> bool {
        match self {
            Self::Never => true,
            Self::Within(bound) => seen_for >= bound,
            Self::Perhaps => false,
        }
    }
}

/// What is wrong right now.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    pub heals: Heals,
    pub missing: MissingLink,
    /// The link is right already, and only takes its time.
    pub on_the_way: bool,
}

impl Reason {
    pub fn new(heals: Heals, missing: MissingLink) -> Self {
        Self { heals, missing, on_the_way: false }
    }

    /// Of a link that is right, and may take this time until it counts.
    pub fn on_the_way(bound: Duration, missing: MissingLink) -> Self {
        Self { heals: Heals::Within(bound), missing, on_the_way: true }
    }
}

/// A component that restarts, or a pod of it that starts on the node.
pub const RESTART: Duration = Duration::from_secs(30);
/// A volume driver that kubelet does not know. One that restarts registers again within seconds; one that is not installed never does.
pub const ABSENT: Duration = Duration::from_secs(6);
/// Azure's own bound for a new role assignment.
pub const ROLE: Duration = Duration::from_secs(600);
/// An entry of an access policy takes effect within seconds to minutes.
pub const POLICY: Duration = Duration::from_secs(120);
/// The name of a new vault is in the DNS after 30 to 60 s.
pub const DNS: Duration = Duration::from_secs(90);
