//! Conditions of role assignments (ABAC), as far as they are about the names of secrets: Key Vault knows one attribute,
//! `Microsoft.KeyVault/vaults/secrets:name`. What is not understood is not guessed.

/// The limit for nested parentheses and negations.
const DEEPEST: usize = 32;
const NAME: &str = "Microsoft.KeyVault/vaults/secrets:name";

/// Returns whether a condition lets an action on a secret pass. None: it says something that podid does not understand.
pub fn passes(condition: &str, action: &str, secret: &str) -> Option<bool> {
    let mut parser = Parser { rest: condition, action, secret, left: DEEPEST };
    let verdict = parser.any()?;
    parser.rest.trim().is_empty().then_some(verdict).flatten()
}

/// None: not understood. A part that is not understood may still not matter: `false AND x` is false.
type Verdict = Option<bool>;

fn and(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn not(one: Verdict) -> Verdict {
    one.map(|holds| !holds)
}

fn or(one: Verdict, other: Verdict) -> Verdict {
    not(and(not(one), not(other)))
}

struct Parser<'a> {
    rest: &'a str,
    action: &'a str,
    secret: &'a str,
    left: usize,
}

/// The outer None: the text cannot be read.
impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some((start, after)) = rest.split_at_checked(token.len()) else { return false };
        let is_word = token.chars().all(char::is_alphabetic);
        if !start.eq_ignore_ascii_case(token) || is_word && after.starts_with(char::is_alphanumeric) {
            return false;
        }
        self.rest = after;
        true
    }

    fn until(&mut self, mark: char) -> Option<&'a str> {
        let (text, rest) = self.rest.split_once(mark)?;
        self.rest = rest;
        Some(text)
    }

    fn quoted(&mut self) -> Option<&'a str> {
        self.take("'").then_some(())?;
        self.until('\'')
    }

    fn any(&mut self) -> Option<Verdict> {
        let mut verdict = self.all()?;
        while self.take("OR") || self.take("||") {
            verdict = or(verdict, self.all()?);
        }
        Some(verdict)
    }

    fn all(&mut self) -> Option<Verdict> {
        let mut verdict = self.one()?;
        while self.take("AND") || self.take("&&") {
            verdict = and(verdict, self.one()?);
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<Verdict> {
        self.left = self.left.checked_sub(1)?;
        let verdict = if self.take("!") || self.take("NOT") {
            self.one().map(not)
        } else if self.take("(") {
            let verdict = self.any()?;
            self.take(")").then_some(verdict)
        } else if self.take("ActionMatches") {
            self.take("{").then_some(())?;
            let pattern = self.quoted()?;
            self.take("}").then(|| Some(super::access::matches_action(pattern, self.action)))
        } else if self.take("SubOperationMatches") {
            self.take("{").then_some(())?;
            self.quoted()?;
            self.take("}").then_some(None)
        } else {
            self.comparison()
        };
        self.left += 1;
        verdict
    }

    /// Reads `@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'app'`.
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
            return Some(None);
        }
        let value = self.quoted()?;
        let is_name = matches!(source.to_ascii_lowercase().as_str(), "resource" | "request") && attribute.eq_ignore_ascii_case(NAME);
        if !is_name {
            return Some(None);
        }
        let (name, folded) = (self.secret, self.secret.eq_ignore_ascii_case(value));
        Some(match operator.to_ascii_lowercase().as_str() {
            "stringequals" => Some(name == value),
            "stringequalsignorecase" => Some(folded),
            "stringnotequals" => Some(name != value),
            "stringnotequalsignorecase" => Some(!folded),
            "stringstartswith" => Some(name.starts_with(value)),
            "stringnotstartswith" => Some(!name.starts_with(value)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::passes;

    const GET: &str = "Microsoft.KeyVault/vaults/secrets/getSecret/action";

    #[test]
    fn the_name_of_the_secret_decides() {
        let plain = |operator: &str| format!("@Resource[Microsoft.KeyVault/vaults/secrets:name] {operator} 'app'");
        for (operator, secret, passed) in [
            ("StringEquals", "app", true),
            ("StringEquals", "App", false),
            ("StringEqualsIgnoreCase", "App", true),
            ("stringStartsWith", "app-1", true),
            ("StringNotEquals", "app", false),
        ] {
            assert_eq!(passes(&plain(operator), GET, secret), Some(passed), "{operator} {secret}");
        }
        let guarded = format!("((!(ActionMatches{{'{GET}'}})) OR ({}))", plain("StringEquals"));
        assert_eq!(
            (passes(&guarded, GET, "app"), passes(&guarded, GET, "b"), passes(&guarded, "x", "b")),
            (Some(true), Some(false), Some(true))
        );
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for odd in [
            "",
            "true",
            "@Environment[utcNow] DateTimeGreaterThan '2026'",
            "@Resource[Microsoft.KeyVault/vaults/secrets:name] ForAnyOfAnyValues:StringEquals {'a', 'b'}",
            "(@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'app'",
            "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'app' extra",
        ] {
            assert_eq!(passes(odd, GET, "app"), None, "{odd}");
        }
        assert_eq!(passes(&"(".repeat(1 << 16), GET, "app"), None);
        assert_eq!(
            passes("@Environment[x] Y 'z' AND @Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'b'", GET, "app"),
            Some(false)
        );
    }
}
