//! The path of a request, split into segments.

use super::ids;

/// The decoded segments of a path, and the same in lower case.
pub struct Path {
    pub parts: Vec<String>,
    pub low: Vec<String>,
}

impl Path {
    pub fn of(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decode).collect();
        let low = parts.iter().map(|p| ids::fold(p)).collect();
        Self { parts, low }
    }
}

fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_by_segment_and_doubled_slashes_are_skipped() {
        let path = Path::of("//subscriptions/S/resourceGroups/a%20b/");
        assert_eq!(path.parts, ["subscriptions", "S", "resourceGroups", "a b"]);
        assert_eq!(path.low[2], "resourcegroups");
        assert_eq!(decode("a%2Fb%zz%"), "a/b%zz%");
    }
}
