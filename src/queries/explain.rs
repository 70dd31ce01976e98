//! `explain`: the page of a code, or what a pasted text means. It asks nobody.

use crate::{
    chain::page::Page,
    cli::{Explain, Format, Global},
    doctor::{
        catalog,
        texts::{self, Meaning},
    },
    exit::Exit,
    failure::Failure,
    output::{Line, Terminal, Text, json, stdin, table, yaml},
};
use serde_json::{Value, json};

/// The longest text that is read from standard input: logs are long.
const LIMIT: usize = 4 << 20;
/// How many meanings of one text are shown: the first tells most.
const SHOWN: usize = 5;

pub fn explain(terminal: &Terminal, global: &Global, asked: &Explain) -> Result<Exit, Failure> {
    let text = asked.text.join(" ");
    if text.trim().is_empty() && asked.text.is_empty() {
        return list(terminal, global);
    }
    let text = if text.trim() == "-" { stdin::text(terminal, LIMIT)? } else { text };
    let is_code = text.split_whitespace().count() == 1 && text.trim().to_ascii_uppercase().starts_with("PODID");
    if is_code {
        let page =
            catalog::page(text.trim()).map_err(|hint| Failure::new(Exit::Usage, format!("there is no code {}", text.trim())).hint(hint))?;
        return answer(terminal, global, &json!({ "version": 1, "explanations": [of_page(page)] }), shown(page));
    }
    let meanings = texts::meanings(&text);
    if meanings.is_empty() {
        return Err(Failure::new(Exit::Failed, "no text that podid knows is in it")
            .hint("Paste the text of the event or of the log line that reports the error, with its code: from `kubectl describe pod POD`, `kubectl get events`, or `podid logs mic|nmi|csi|webhook`.")
            .hint("`podid doctor` looks at the links itself, and needs no text."));
    }
    let mut lines = Text::new();
    for (at, meaning) in meanings.iter().take(SHOWN).enumerate() {
        if at > 0 {
            lines.push("");
        }
        told(&mut lines, meaning);
    }
    let document = json!({ "version": 1, "explanations": meanings.iter().map(of_meaning).collect::<Vec<_>>() });
    answer(terminal, global, &document, lines)
}

fn answer(terminal: &Terminal, global: &Global, document: &Value, lines: Text) -> Result<Exit, Failure> {
    let text = match global.output {
        Format::Table => lines,
        Format::Json => json::text(document),
        Format::Yaml => yaml::text(document),
    };
    terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, "could not write the answer").because(e.to_string()))?;
    Ok(Exit::Done)
}

fn list(terminal: &Terminal, global: &Global) -> Result<Exit, Failure> {
    let pages = catalog::pages();
    let row = |page: &&'static Page| vec![page.code.to_string(), page.severity.word().to_owned(), page.title.to_owned()];
    let rows: Vec<Vec<String>> = pages.values().map(row).collect();
    let document = json!({ "version": 1, "explanations": pages.values().map(|page| of_page(page)).collect::<Vec<_>>() });
    answer(terminal, global, &document, table::list(&["CODE", "SEVERITY", "TITLE"], &rows, "", terminal.width))
}

fn of_page(page: &Page) -> Value {
    json!({
        "code": page.code, "severity": page.severity, "title": page.title, "means": page.means, "causes": page.causes,
        "podid": page.podid, "native": page.native,
    })
}

fn of_meaning(meaning: &Meaning) -> Value {
    let mut document = of_page(meaning.page);
    document["link"] = json!(meaning.link.as_ref().map(|(word, _)| word));
    document["about"] = json!(meaning.link.as_ref().map(|(_, title)| title));
    document["of"] = json!(meaning.of);
    document["text"] = json!(meaning.line);
    document["part"] = json!(meaning.part);
    document["says"] = json!(meaning.what);
    document["again"] = json!(meaning.again);
    document
}

fn head(page: &Page) -> Line {
    let line = Line::new().bold(page.code).plain(" ");
    let line = match page.severity.word() {
        "error" => line.red("error"),
        "warning" => line.yellow("warning"),
        word => line.dim(word),
    };
    line.plain(format!("  {}", page.title))
}

fn shown(page: &Page) -> Text {
    let mut lines = Text::new();
    show(&mut lines, page);
    lines
}

fn show(lines: &mut Text, page: &Page) {
    lines.push(head(page));
    lines.push("");
    lines.push(page.means);
    section(lines, "Causes:", page.causes);
    section(lines, "With podid:", page.podid);
    section(lines, "With other programs:", page.native);
}

fn section(lines: &mut Text, title: &'static str, items: &[&str]) {
    if !items.is_empty() {
        lines.push("");
        lines.push(title);
        items.iter().for_each(|item| lines.push(format!("  - {item}")));
    }
}

/// The page, with where in the text and at which link it was found.
fn told(lines: &mut Text, meaning: &Meaning) {
    show(lines, meaning.page);
    lines.push("");
    lines.push(format!("Found: {:?} in: {}", meaning.part, crate::chain::texts::cut(&meaning.line)));
    if let Some(what) = meaning.what {
        lines.push(format!("It says: {what}."));
    }
    if let Some((word, title)) = &meaning.link {
        lines.push(format!("Link: {word}, {title} ({})", meaning.of.join(", ")));
    }
    if let Some(again) = &meaning.again {
        lines.push(format!("Makes it again: {again}"));
    }
}
