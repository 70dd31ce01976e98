//! Splits an ARM path, or an id, into its parts.

/// The parts of a path below its subscription.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub group: Option<String>,
    /// The namespace after the last `providers`.
    pub namespace: String,
    /// Types and names in turn after that namespace; the last may be a type alone.
    pub parts: Vec<String>,
    /// Everything before the last `providers`.
    pub scope: String,
}

impl Place {
    pub fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').filter(|p| !p.is_empty()).collect();
        let low: Vec<String> = parts.iter().map(|p| p.to_ascii_lowercase()).collect();
        let group = low.iter().position(|p| p == "resourcegroups").and_then(|at| parts.get(at + 1)).map(|g| (*g).to_owned());
        let at = low.iter().rposition(|p| p == "providers");
        let rest = |from: usize| parts.get(from..).unwrap_or_default().iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        Self {
            group,
            namespace: at.and_then(|at| parts.get(at + 1)).map(|n| (*n).to_owned()).unwrap_or_default(),
            parts: at.map(|at| rest(at + 2)).unwrap_or_default(),
            scope: match at {
                Some(at) => format!("/{}", parts[..at].join("/")),
                None => format!("/{}", parts.join("/")),
            },
        }
    }

    /// Returns the name that follows the type.
    pub fn name(&self, kind: &str) -> Option<&str> {
        let at = self.parts.iter().position(|p| p.eq_ignore_ascii_case(kind))?;
        self.parts.get(at + 1).map(String::as_str)
    }
}
