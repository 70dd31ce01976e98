//! Reads a spec: typed, checked, every complaint with its place. It expands nothing and asks no cloud.

use super::{
    check,
    complaint::Complaint,
    model::{API_VERSION, KIND, Spec},
    source::SourceSpec,
    source_map::SourceMap,
    suggest::nearest,
};
use crate::files::{
    self,
    whole::{self, Accept, SPEC_LIMIT},
};
use serde_saphyr::Error as Yaml;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug)]
pub struct Loaded {
    pub spec: Spec,
    /// As it was given; `-` for standard input.
    pub path: PathBuf,
}

/// Wrong use, exit 2, whichever it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    Missing { file: PathBuf },
    Unreadable { file: PathBuf, why: String },
    Wrong(Box<Wrong>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    pub file: PathBuf,
    /// From 1.
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub message: String,
    /// A whole sentence.
    pub hint: Option<String>,
}

impl Error {
    /// The way out, a whole sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("Name a spec with `-f FILE`, or run podid in the folder of one.".into()),
            Self::Unreadable { .. } => None,
            Self::Wrong(wrong) => wrong.hint.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { file } => write!(f, "there is no spec {}", shown(file)),
            Self::Unreadable { file, why } => write!(f, "the spec {} could not be read: {why}", shown(file)),
            Self::Wrong(wrong) => {
                f.write_str(&shown(&wrong.file))?;
                let place = wrong.line.into_iter().chain(wrong.column);
                place.into_iter().try_for_each(|number| write!(f, ":{number}"))?;
                write!(f, ": {}", wrong.message)
            }
        }
    }
}

impl std::error::Error for Error {}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn shown(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".into() } else { path.display().to_string() }
}

/// `-` reads standard input.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    parse(path, &read(path)?)
}

/// The spec beside a single command. Of its vaults and workloads only the names are checked: a fault in what the command does not use
/// must not stop it.
pub fn load_beside(path: &Path) -> Result<Loaded, Error> {
    parse_checked(path, &read(path)?, check::check_references)
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |why: &str| Error::Unreadable { file: path.to_owned(), why: why.to_owned() };
    let bytes = if is_stdin(path) {
        let read = whole::read_within(io::stdin().lock(), SPEC_LIMIT).map_err(|e| unreadable(&e.to_string()))?;
        read.ok_or_else(|| unreadable(&format!("it is larger than {SPEC_LIMIT} bytes")))?
    } else {
        whole::read(path, SPEC_LIMIT, Accept::Pipes).map_err(|error| match error {
            files::Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Error::Missing { file: path.to_owned() },
            other => unreadable(&other.cause()),
        })?
    };
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text"))
}

/// The same for a text that is already there. `path` is for messages, and for the folder that paths in it are relative to.
pub fn parse(path: &Path, text: &str) -> Result<Loaded, Error> {
    parse_checked(path, text, check::check)
}

fn parse_checked(path: &Path, text: &str, check: fn(&Spec) -> Result<(), Complaint>) -> Result<Loaded, Error> {
    let marks = SourceMap::of(text);
    let wrong = |wrong: Wrong| Error::Wrong(Box::new(Wrong { file: path.to_owned(), ..wrong }));
    let mut spec: Spec = serde_saphyr::from_str(text).map_err(|error| wrong(explained(error.without_snippet(), &marks)))?;
    check(&spec).map_err(|complaint| wrong(placed(complaint, &marks)))?;
    place_files(&mut spec, path);
    Ok(Loaded { spec, path: path.to_owned() })
}

/// Paths in a spec are relative to its folder; from here on, to the working directory.
fn place_files(spec: &mut Spec, path: &Path) {
    let Some(folder) = path.parent().filter(|folder| !is_stdin(path) && !folder.as_os_str().is_empty()) else { return };
    let secrets = spec.vault.iter_mut().chain(&mut spec.vaults).flat_map(|vault| &mut vault.secrets).map(|secret| &mut secret.value);
    let of_cluster = spec.cluster.iter_mut().filter_map(|cluster| cluster.create.as_mut()?.secret());
    for source in secrets.chain(of_cluster) {
        if let SourceSpec::File(file) = source {
            *file = folder.join(&*file);
        }
    }
}

fn placed(complaint: Complaint, marks: &SourceMap) -> Wrong {
    let at = marks.values.get(&complaint.path).copied();
    Wrong {
        file: PathBuf::new(),
        line: at.map(|at| at.0),
        column: at.map(|at| at.1),
        message: format!("{}: {}", complaint.path, complaint.message),
        hint: complaint.hint,
    }
}

/// The parser's complaints in the words of a spec. No scalar is repeated where a secret's value may stand.
fn explained(error: &Yaml, marks: &SourceMap) -> Wrong {
    let mut at = error.location().map(|l| (l.line(), l.column())).filter(|at| at.0 > 0);
    let path = at.and_then(|at| marks.path_at(at)).unwrap_or_default().to_owned();
    let within = |path: &str| if path.is_empty() { String::new() } else { format!("{}: ", known_part(path)) };
    let mut hint = None;
    let message = match error {
        Yaml::SerdeUnknownField { field, expected, .. } => {
            hint = Some(known("fields here", field, expected));
            // a value that stands where a field belongs is not repeated
            let around = marks.around(&path).0;
            let is_field = is_word(field) && (!around.contains("secrets[") || nearest(field, expected.iter().copied()).is_some());
            let shown = if is_field { format!("unknown field `{field}`") } else { "unknown field".to_owned() };
            format!("{}{shown}", within(&around))
        }
        Yaml::SerdeMissingField { field, .. } => {
            // reported where the last field was read; the fields begin before that
            let (around, begins) = marks.around(&path);
            at = begins.or(at);
            format!("{}the field `{field}` is missing", within(&around))
        }
        Yaml::SerdeUnknownVariant { variant, expected, .. } if expected.contains(&"prompt") => {
            let meant = nearest(variant, expected.iter().copied()).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
            hint = Some(format!("{meant}{SOURCES}"));
            let path = path.rfind(".value").map_or("", |at| &path[..at + ".value".len()]);
            format!("{}do not write the secret here; give its source (file, env, generate, prompt)", within(path))
        }
        Yaml::SerdeUnknownVariant { variant, expected, .. } => {
            hint = Some(known("known ones", variant, expected));
            let shown = if is_word(variant) { format!("unknown word `{variant}`") } else { "unknown word".to_owned() };
            format!("{}{shown}", within(&path))
        }
        Yaml::TaggedEnumMismatch { .. } => {
            hint = Some(SOURCES.into());
            format!("{}a tag (`!...`) is not a source of a value", within(&path))
        }
        Yaml::SerdeInvalidType { expected, .. } | Yaml::SerdeInvalidValue { expected, .. } => {
            format!("{}expected {expected}", within(&path))
        }
        Yaml::InvalidScalar { ty, .. } => format!("{}expected {}", within(&path), kind_of_scalar(ty)),
        Yaml::NonFiniteFloat { .. } => format!("{}expected a finite number", within(&path)),
        Yaml::DuplicateMappingKey { .. } => format!("{}duplicate key", within(&path)),
        Yaml::MultipleDocuments { .. } => "a spec is one document; a second one begins here".into(),
        Yaml::Eof { .. } => {
            hint = Some(format!("A spec begins with `apiVersion: {API_VERSION}` and `kind: {KIND}`."));
            "the spec is empty".into()
        }
        Yaml::NullIntoString { .. } => format!("{}it has no value", within(&path)),
        Yaml::Unexpected { expected, .. } => {
            let wanted = match *expected {
                "sequence start" => "expected a list",
                "mapping start" => "expected fields",
                "string scalar" => "expected a single value",
                other => other,
            };
            if path.contains("].value") {
                hint = Some(SOURCES.into());
            }
            format!("{}{wanted}", within(&path))
        }
        Yaml::ExpectedMappingEndAfterEnumVariantValue { .. } | Yaml::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
            hint = Some(SOURCES.into());
            format!("{}give exactly one source", within(&path))
        }
        other => {
            let text = other.to_string();
            let text = at.map_or(text.as_str(), |(line, column)| text.trim_end_matches(&format!(" at line {line}, column {column}")));
            format!("{}{text}", within(&path))
        }
    };
    Wrong { file: PathBuf::new(), line: at.map(|at| at.0), column: at.map(|at| at.1), message, hint }
}

/// What a field takes, from the name of its type.
fn kind_of_scalar(name: &str) -> &str {
    match name {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "boolean" => "true or false",
        other => other,
    }
}

/// A path up to what cannot be a field of a spec, which may be a value in the place of one.
fn known_part(path: &str) -> &str {
    let mut end = 0;
    for segment in path.split_inclusive('.') {
        let name = segment.trim_end_matches('.').split('[').next().unwrap_or_default();
        let is_known = is_word(name) && (!path[..end].ends_with(".value.") || ["file", "env", "prompt", "generate"].contains(&name));
        if !is_known {
            return path[..end].trim_end_matches('.');
        }
        end += segment.len();
    }
    path
}

/// Whether a text is written as fields and words of a spec are, and not as a password.
fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_')
}

const SOURCES: &str = "Write one of `{file: PATH}`, `{env: VARIABLE}`, `{prompt: true}` and `{generate: LENGTH}`.";

fn known(what: &str, typed: &str, expected: &[&str]) -> String {
    let meant = nearest(typed, expected.iter().copied()).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
    format!("{meant}The {what} are: {}.", expected.join(", "))
}

#[cfg(test)]
mod tests;
