//! Which part of a log a request asks for: the options of `pods/log`.

use super::status::{Outcome, Refusal};
use crate::http::Request;
use crate::program_logs::LogLine;
use jiff::{SignedDuration, Timestamp};

pub struct LogRange {
    pub previous: bool,
    since: Option<Timestamp>,
    lines: Option<usize>,
    bytes: Option<usize>,
    timestamps: bool,
}

impl LogRange {
    pub fn of(request: &Request) -> Outcome<Self> {
        let number = |name: &str| match request.query(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => {
                text.parse::<usize>().map(Some).map_err(|_| Refusal::bad_request(format!("{name} must be a number that is not negative")))
            }
        };
        let is_on = |name: &str| request.query(name).is_some_and(|text| text == "true" || text == "1");
        let ago = number("sinceSeconds")?.map(|seconds| Timestamp::now() - SignedDuration::from_secs(seconds.min(1 << 32) as i64));
        let since = match request.query("sinceTime").filter(|text| !text.is_empty()) {
            None => ago,
            Some(text) => Some(text.parse().map_err(|_| Refusal::bad_request("sinceTime must be a time as in RFC 3339"))?),
        };
        Ok(Self {
            previous: is_on("previous"),
            since,
            lines: number("tailLines")?,
            bytes: number("limitBytes")?,
            timestamps: is_on("timestamps"),
        })
    }

    /// The text of what is asked for.
    pub fn cut(&self, mut lines: Vec<LogLine>) -> String {
        lines.retain(|line| self.since.is_none_or(|since| line.at >= since));
        let from = self.lines.map_or(0, |most| lines.len().saturating_sub(most));
        let shown = lines[from..].iter().map(|line| match self.timestamps {
            true => format!("{:.9} {}\n", line.at, line.text),
            false => format!("{}\n", line.text),
        });
        let mut text: String = shown.collect();
        if let Some(most) = self.bytes.filter(|most| *most < text.len()) {
            let whole = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            text.truncate(whole);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(query: &str) -> Outcome<String> {
        let request = Request {
            method: "GET".into(),
            host: "h".into(),
            path: "/".into(),
            query: query.into(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        };
        let line = |second: i64, text: &str| LogLine { at: Timestamp::from_second(second).unwrap(), text: text.into() };
        Ok(LogRange::of(&request)?.cut(vec![line(0, "a"), line(60, "b\u{e4}"), line(120, "c")]))
    }

    #[test]
    fn lines_are_cut_as_asked() {
        for (query, text) in [
            ("", "a\nb\u{e4}\nc\n"),
            ("tailLines=2", "b\u{e4}\nc\n"),
            ("tailLines=0", ""),
            ("sinceTime=1970-01-01T00:02:00Z&timestamps=true", "1970-01-01T00:02:00.000000000Z c\n"),
            ("sinceSeconds=10", ""),
            ("limitBytes=4", "a\nb"),
        ] {
            assert_eq!(cut(query).ok().unwrap(), text, "{query}");
        }
        for query in ["tailLines=-1", "limitBytes=x", "sinceTime=yesterday"] {
            assert_eq!(cut(query).err().unwrap().code, 400, "{query}");
        }
    }
}
