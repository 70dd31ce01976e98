//! Formats lists and single objects for people: columns without frames, as in kubectl.

use super::{Line, Text, clean};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};

/// Formats a list. It is wrapped at `width` if that is known; a pipe gets whole lines. `empty` is the text for an empty list.
pub fn list(headers: &[&str], rows: &[Vec<String>], empty: &str, width: Option<u16>) -> Text {
    if rows.is_empty() {
        return empty.into();
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headers.iter().map(|h| h.to_uppercase()));
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    // cleaned before it is wrapped: an escape takes more columns, and a line break in a cell would start a new line
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| clean::line(cell).into_owned()).collect::<Vec<_>>()));
    lines(&table)
}

/// Formats one object: a line for each field that has a value.
pub fn record(fields: &[(&str, Option<String>)]) -> Text {
    let shown: Vec<(&str, &String)> = fields.iter().filter_map(|(name, value)| value.as_ref().map(|v| (*name, v))).collect();
    let widest = shown.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    shown.iter().map(|(name, value)| Line::from(format!("{:<1$} {value}", format!("{name}:"), widest + 1))).collect()
}

/// Removes the padding of the frame.
fn lines(table: &Table) -> Text {
    table.lines().map(|line| Line::from(line.strip_prefix(' ').unwrap_or(&line).trim_end())).collect()
}
