//! Label selectors as text: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`, parsed with the messages of apimachinery's `labels.Parse`.

use super::super::names;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    pub fn holds(&self, labels: &Value) -> bool {
        let value = |key: &str| labels.get(key).and_then(Value::as_str);
        match self {
            Self::In(key, values) => value(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(key, values) => value(key).is_none_or(|v| !values.iter().any(|w| w == v)),
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::Greater(key, than) => value(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *than),
            Self::Less(key, than) => value(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *than),
        }
    }
}

const SYMBOLS: [&str; 9] = ["(", ")", ",", "!", "!=", "=", "==", ">", "<"];

/// Splits a text into symbols and words.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    let special = |c: char| "=!(),><".contains(c);
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut token = c.to_string();
        if special(c) {
            // The longest symbol that matches.
            while let Some(next) = chars.next_if(|next| special(*next) && SYMBOLS.contains(&format!("{token}{next}").as_str())) {
                token.push(next);
            }
        } else {
            while let Some(next) = chars.next_if(|next| !special(*next) && !next.is_whitespace()) {
                token.push(next);
            }
        }
        out.push(token);
    }
    Ok(out)
}

struct Parser {
    rest: Peekable<IntoIter<String>>,
}

fn is_word(token: &str) -> bool {
    !token.is_empty() && !SYMBOLS.contains(&token)
}

impl Parser {
    /// Returns the next token, empty at the end.
    fn next(&mut self) -> String {
        self.rest.next().unwrap_or_default()
    }

    fn ahead(&mut self) -> String {
        self.rest.peek().cloned().unwrap_or_default()
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut key = self.next();
        let missing = key == "!";
        if missing {
            key = self.next();
        }
        if !is_word(&key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(wrong) = wrong(&names::qualified(&key)) {
            return Err(format!("<nil>: Invalid value: {}: {wrong}", json!(key)));
        }
        if missing {
            return Ok(Requirement::Missing(key));
        }
        if matches!(self.ahead().as_str(), "" | ",") {
            return Ok(Requirement::Exists(key));
        }
        let operator = self.next();
        let values: Vec<String> = match operator.as_str() {
            "in" | "notin" => self.values()?.into_iter().collect(),
            "=" | "==" | "!=" | ">" | "<" => vec![self.value()?],
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let mut faults = Vec::new();
        if values.is_empty() {
            faults.push("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned());
        }
        let number = values.first().and_then(|v| v.parse().ok());
        if number.is_none() && matches!(operator.as_str(), ">" | "<") {
            let value = json!(values.first());
            faults.push(format!("values[0]: Invalid value: {value}: for 'Gt', 'Lt' operators, the value must be an integer"));
        }
        for (i, value) in values.iter().enumerate() {
            faults
                .extend(wrong(&names::label_value(value)).map(|why| format!("values[{i}][{key}]: Invalid value: {}: {why}", json!(value))));
        }
        match faults.as_slice() {
            [] => {}
            [one] => return Err(one.clone()),
            many => return Err(format!("[{}]", many.join(", "))),
        }
        Ok(match operator.as_str() {
            "notin" | "!=" => Requirement::NotIn(key, values),
            ">" => Requirement::Greater(key, number.unwrap_or_default()),
            "<" => Requirement::Less(key, number.unwrap_or_default()),
            _ => Requirement::In(key, values),
        })
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.ahead().as_str(), "" | ",") {
            return Ok(String::new());
        }
        let value = self.next();
        if is_word(&value) { Ok(value) } else { Err(format!("found '{value}', expected: identifier")) }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.next();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let first = self.ahead();
        if first == ")" {
            self.next();
            return Ok(BTreeSet::new());
        }
        if first != "," && !is_word(&first) {
            return Err(format!("found '{first}', expected: ',', ')' or identifier"));
        }
        let mut all = BTreeSet::new();
        loop {
            let token = self.next();
            if is_word(&token) {
                all.insert(token);
                match self.ahead().as_str() {
                    "," => continue,
                    ")" => break,
                    other => return Err(format!("found '{other}', expected: ',' or ')'")),
                }
            }
            if token != "," {
                return Err(format!("found '{token}', expected: ',', or identifier"));
            }
            // A missing value between two commas, or at an end, is empty.
            if all.is_empty() {
                all.insert(String::new());
            }
            match self.ahead().as_str() {
                ")" => {
                    all.insert(String::new());
                    break;
                }
                "," => {
                    self.next();
                    all.insert(String::new());
                }
                _ => {}
            }
        }
        self.next();
        Ok(all)
    }
}

fn wrong(faults: &[String]) -> Option<String> {
    (!faults.is_empty()).then(|| faults.join("; "))
}

pub fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { rest: tokens(text)?.into_iter().peekable() };
    let mut out = Vec::new();
    loop {
        let token = parser.ahead();
        if token.is_empty() {
            return Ok(out);
        }
        if token != "!" && !is_word(&token) {
            return Err(format!("found '{token}', expected: !, identifier, or 'end of string'"));
        }
        out.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
        match parser.next().as_str() {
            "" => return Ok(out),
            "," => {
                let next = parser.ahead();
                if next != "!" && !is_word(&next) {
                    return Err(format!("found '{next}', expected: identifier after ','"));
                }
            }
            other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_parsed() {
        let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<String>>();
        let all = parse("a=b, c!=d,e in (g,f),h notin (i),j,!k,l>1,m==n,o=,p<2").unwrap();
        assert_eq!(all[2], Requirement::In("e".into(), words(&["f", "g"])));
        assert_eq!(all[5], Requirement::Missing("k".into()));
        assert_eq!((&all[6], &all[8]), (&Requirement::Greater("l".into(), 1), &Requirement::In("o".into(), words(&[""]))));
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn the_messages_for_invalid_selectors_are_those_of_the_real_parser() {
        let cases = [
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a==b==c", "found '==', expected: ',' or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"),
            ("a>b", "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer"),
        ];
        for (text, why) in cases {
            assert_eq!(parse(text).unwrap_err(), why, "{text}");
        }
        assert!(parse("a=b_").unwrap_err().starts_with("unable to parse requirement: values[0][a]: Invalid value: \"b_\": "));
    }
}
