//! Lines for people. Added text cannot bring its own line break or color: only `push` starts a line, and a color is the style of a part.
//! Every part goes through `clean`, so no caller can forget to.

use super::{clean, paint::Paint};
use std::fmt::{self, Display};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Green,
    Yellow,
    Red,
    Dim,
    Bold,
}

impl Style {
    fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Green => paint.green(text),
            Self::Yellow => paint.yellow(text),
            Self::Red => paint.red(text),
            Self::Dim => paint.dim(text),
            Self::Bold => paint.bold(text),
        }
    }
}

/// One line, made of parts that each have a color.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Style, String)>);

impl Line {
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, style: Style, text: impl Display) -> Self {
        self.0.push((style, clean::line(&text.to_string()).into_owned()));
        self
    }

    #[must_use]
    pub fn plain(self, text: impl Display) -> Self {
        self.with(Style::Plain, text)
    }
    #[must_use]
    pub fn green(self, text: impl Display) -> Self {
        self.with(Style::Green, text)
    }
    #[must_use]
    pub fn yellow(self, text: impl Display) -> Self {
        self.with(Style::Yellow, text)
    }
    #[must_use]
    pub fn red(self, text: impl Display) -> Self {
        self.with(Style::Red, text)
    }
    #[must_use]
    pub fn dim(self, text: impl Display) -> Self {
        self.with(Style::Dim, text)
    }
    #[must_use]
    pub fn bold(self, text: impl Display) -> Self {
        self.with(Style::Bold, text)
    }

    /// Returns the line as it is printed. The whole text decides whether it is a command to a CI, because parts, and cells of a table, may
    /// form one together.
    pub fn render(&self, paint: Paint) -> String {
        let whole: String = self.0.iter().map(|(_, text)| text.as_str()).collect();
        let commands = clean::commands(&whole);
        let (mut begin, mut line) = (0, String::new());
        for (style, text) in &self.0 {
            let end = begin + text.len();
            let (mut shown, mut done) = (String::new(), begin);
            for at in commands.iter().filter(|at| (begin..end).contains(*at)) {
                // commands consist of ASCII characters
                shown.push_str(&whole[done..*at]);
                shown.push_str(&clean::escaped(char::from(whole.as_bytes()[*at])));
                done = at + 1;
            }
            shown.push_str(&whole[done..end]);
            line.push_str(&style.paint(paint, &shown));
            begin = end;
        }
        line
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint(false)))
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::new().plain(text)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Line>);

impl Text {
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a text with podid's own line breaks: help, a document, a file that is shown line by line.
    pub fn of_lines(text: &str) -> Self {
        text.lines().map(Line::from).collect()
    }

    pub fn push(&mut self, line: impl Into<Line>) {
        self.0.push(line.into());
    }

    /// Adds a message from elsewhere, which may have several lines. Each further line starts with a bar, so that none looks like podid's
    /// own.
    pub fn push_message(&mut self, first: Line, indent: &str, message: &str) {
        let mut lines = message.lines();
        self.push(first.plain(lines.next().unwrap_or_default()));
        for line in lines {
            self.push(Line::new().plain(indent).dim("| ").plain(line));
        }
    }

    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Formats the text; each line ends with a line break.
    pub fn render(&self, paint: Paint) -> String {
        self.0.iter().map(|line| line.render(paint) + "\n").collect()
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint(false)))
    }
}

impl FromIterator<Line> for Text {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}

impl Extend<Line> for Text {
    fn extend<I: IntoIterator<Item = Line>>(&mut self, lines: I) {
        self.0.extend(lines);
    }
}

impl From<Line> for Text {
    fn from(line: Line) -> Self {
        Self(vec![line])
    }
}

/// Makes one line; trailing line breaks are dropped.
impl From<&str> for Text {
    fn from(line: &str) -> Self {
        Line::from(line.trim_end_matches('\n')).into()
    }
}

impl From<String> for Text {
    fn from(line: String) -> Self {
        line.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_colour_nor_a_line_can_be_forged() {
        let line = Line::new().red("error:").plain(" \u{1b}[32mproved\u{1b}[0m\n+ create x");
        assert_eq!(line.render(Paint(true)), "\u{1b}[31merror:\u{1b}[0m \\x1b[32mproved\\x1b[0m\\n+ create x");
        assert_eq!(line.to_string(), "error: \\x1b[32mproved\\x1b[0m\\n+ create x");
    }

    #[test]
    fn parts_that_form_a_ci_command_together_are_escaped() {
        assert_eq!(Line::new().plain(" :").green(":error::").to_string(), " \\x3a:error::");
        assert_eq!(Line::new().plain("a #").bold("#[error]").render(Paint(true)), "a #\u{1b}[1m\\x23[error]\u{1b}[0m");
        assert_eq!(Line::from("üü ##vso[x] ##[y]").to_string(), "üü #\\x23vso[x] #\\x23[y]");
    }

    #[test]
    fn further_lines_of_a_message_begin_with_a_bar() {
        let mut text = Text::new();
        text.push_message(Line::from("  because "), "    ", "az failed:\r\n::error::x\nplan: 0 to create");
        assert_eq!(text.to_string(), "  because az failed:\n    | ::error::x\n    | plan: 0 to create\n");
    }
}
