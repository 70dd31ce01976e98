//! Evaluates conditions of role assignments (ABAC) on the name of a secret: Key Vault's attribute `secrets:name`, `ActionMatches`, and
//! their combinations. Anything else evaluates to `Unknown`, which grants nothing.

use super::{action, ids};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails,
    /// The sandbox does not support a relevant part of the condition.
    Unknown,
}

use Verdict::{Fails, Holds, Unknown};

impl Verdict {
    fn of(holds: bool) -> Self {
        if holds { Holds } else { Fails }
    }
    fn not(self) -> Self {
        match self {
            Holds => Fails,
            Fails => Holds,
            Unknown => Unknown,
        }
    }
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Fails, _) | (_, Fails) => Fails,
            (Holds, Holds) => Holds,
            _ => Unknown,
        }
    }
    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// Evaluates a condition for an action. `secret` is the name of the secret, if the request is for one.
pub fn evaluate(condition: &str, action: &str, secret: Option<&str>) -> Verdict {
    let mut parser = Parser { rest: condition, action, secret, left: DEEPEST };
    match parser.any() {
        Some(verdict) if parser.rest.trim().is_empty() => verdict,
        _ => Unknown,
    }
}

/// The limit for nested parentheses and negations.
const DEEPEST: usize = 64;

struct Parser<'a> {
    rest: &'a str,
    action: &'a str,
    secret: Option<&'a str>,
    /// How many more levels may be nested.
    left: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let word = token.chars().all(char::is_alphabetic);
        let Some(start) = rest.get(..token.len()).filter(|start| start.eq_ignore_ascii_case(token)) else { return false };
        let after = rest.get(start.len()..).unwrap_or_default();
        if word && after.starts_with(|c: char| c.is_alphanumeric()) {
            return false;
        }
        self.rest = after;
        true
    }

    /// Reads up to the mark and skips the mark.
    fn until(&mut self, mark: char) -> Option<&'a str> {
        let (text, rest) = self.rest.split_once(mark)?;
        self.rest = rest;
        Some(text)
    }

    fn any(&mut self) -> Option<Verdict> {
        let mut verdict = self.all()?;
        while self.take("OR") || self.take("||") {
            verdict = verdict.or(self.all()?);
        }
        Some(verdict)
    }

    fn all(&mut self) -> Option<Verdict> {
        let mut verdict = self.one()?;
        while self.take("AND") || self.take("&&") {
            verdict = verdict.and(self.one()?);
        }
        Some(verdict)
    }

    /// Parses a nested expression. Conditions that are nested too deeply are not supported.
    fn inside(&mut self, what: impl FnOnce(&mut Self) -> Option<Verdict>) -> Option<Verdict> {
        self.left = self.left.checked_sub(1)?;
        let verdict = what(self);
        self.left += 1;
        verdict
    }

    fn one(&mut self) -> Option<Verdict> {
        if self.take("!") || self.take("NOT") {
            return self.inside(Self::one).map(Verdict::not);
        }
        if self.take("(") {
            let verdict = self.inside(Self::any)?;
            return self.take(")").then_some(verdict);
        }
        if self.take("ActionMatches") {
            self.take("{").then_some(())?;
            let pattern = self.literal()?;
            return self.take("}").then(|| Verdict::of(action::matches(pattern, self.action)));
        }
        if self.take("SubOperationMatches") {
            self.take("{").then_some(())?;
            self.literal()?;
            return self.take("}").then_some(Unknown);
        }
        self.comparison()
    }

    fn literal(&mut self) -> Option<&'a str> {
        self.take("'").then_some(())?;
        self.until('\'')
    }

    /// Parses `@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'app'`.
    fn comparison(&mut self) -> Option<Verdict> {
        self.take("@").then_some(())?;
        let source = self.until('[')?.trim();
        let attribute = self.until(']')?.trim();
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != ':')?;
        let (operator, rest) = rest.split_at(end);
        self.rest = rest.trim_start();
        if self.rest.starts_with('{') {
            // a set of values
            self.until('}')?;
            return Some(Unknown);
        }
        let value = self.literal()?;
        let known = ["Resource", "Request"].iter().any(|s| s.eq_ignore_ascii_case(source))
            && attribute.eq_ignore_ascii_case("Microsoft.KeyVault/vaults/secrets:name");
        if !known {
            return Some(Unknown);
        }
        // a missing attribute fails every comparison, also a negative one
        let Some(name) = self.secret else { return Some(Fails) };
        let (name, folded) = (name.to_owned(), ids::fold(name));
        let starts = name.starts_with(value);
        Some(match ids::fold(operator).as_str() {
            "stringequals" => Verdict::of(name == value),
            "stringequalsignorecase" => Verdict::of(folded == ids::fold(value)),
            "stringnotequals" => Verdict::of(name != value),
            "stringnotequalsignorecase" => Verdict::of(folded != ids::fold(value)),
            "stringstartswith" => Verdict::of(starts),
            "stringnotstartswith" => Verdict::of(!starts),
            _ => Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "Microsoft.KeyVault/vaults/secrets/getSecret/action";
    const LIST: &str = "Microsoft.KeyVault/vaults/secrets/readMetadata/action";

    #[test]
    fn the_name_of_a_secret_decides() {
        let plain = "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'app'";
        assert_eq!(evaluate(plain, GET, Some("app")), Holds);
        assert_eq!(evaluate(plain, GET, Some("App")), Fails);
        assert_eq!(evaluate(plain, GET, Some("other")), Fails);
        assert_eq!(evaluate(plain, LIST, None), Fails);
        let prefix = "@Resource[Microsoft.KeyVault/vaults/secrets:name] stringStartsWith 'app-'";
        assert_eq!((evaluate(prefix, GET, Some("app-1")), evaluate(prefix, GET, Some("app"))), (Holds, Fails));
    }

    #[test]
    fn an_action_outside_of_the_condition_is_allowed() {
        let guarded = "((!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/getSecret/action'})) OR (@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'app'))";
        assert_eq!(evaluate(guarded, LIST, None), Holds);
        assert_eq!((evaluate(guarded, GET, Some("app")), evaluate(guarded, GET, Some("other"))), (Holds, Fails));
    }

    #[test]
    fn an_unsupported_condition_grants_nothing() {
        let delegation = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {4633458b-17de-408a-b874-0445c86b69e6}))";
        assert_eq!(evaluate(delegation, "Microsoft.Authorization/roleAssignments/write", None), Unknown);
        assert_eq!(evaluate(delegation, "Microsoft.KeyVault/vaults/write", None), Holds);
        for deep in ["(".repeat(1 << 20), "!".repeat(1 << 20), "NOT ".repeat(1 << 18)] {
            assert_eq!(evaluate(&deep, GET, Some("a")), Unknown);
        }
        for odd in ["", "true", "@Resource[x] StringEquals 'a' extra", "(@Resource[x] StringEquals 'a'", "@Resource[x] GuidEquals {"] {
            assert_eq!(evaluate(odd, GET, Some("a")), Unknown, "{odd}");
        }
    }
}
