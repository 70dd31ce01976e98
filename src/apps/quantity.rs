//! Amounts of CPU and memory as Kubernetes writes them (apimachinery, `resource.Quantity`). Pure.

use crate::spec::{names::Checked, suggest::nearest};

/// The resources that an app asks for.
pub const NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Suffixes, and the factor of each.
const SUFFIXES: [(&str, f64); 16] = [
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("", 1.0),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// Returns the amount in cores or bytes. None: it is not a quantity, or a negative one.
pub fn amount(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok().filter(|_| number.bytes().any(|b| b.is_ascii_digit()))?;
    let factor = match SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        Some((_, factor)) => *factor,
        // more is more than any machine has
        None => 10f64.powi(suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|power: &i32| power.abs() <= 18)?),
    };
    Some(number * factor)
}

pub fn name(text: &str) -> Checked {
    if NAMES.contains(&text) {
        return Ok(());
    }
    let meant = nearest(text, NAMES).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    Err(format!("unknown resource{meant}; the known ones are: {}", NAMES.join(", ")))
}

/// Checks the amount of a resource.
pub fn check(name: &str, text: &str) -> Checked {
    let example = if name == "cpu" { "`250m` or `2`" } else { "`256Mi` or `1Gi`" };
    if amount(text).is_none() {
        return Err(format!("`{text}` is not a quantity of Kubernetes, such as {example}"));
    }
    // Kubernetes accepts it, and the container never starts
    if name != "cpu" && text.ends_with('m') {
        return Err(format!("`{text}` is in thousandths of a byte; did you mean `{}`?", text.replace('m', "Mi")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_read_as_kubernetes_reads_it() {
        let all = [
            ("1", 1.0),
            ("0.5", 0.5),
            (".5", 0.5),
            ("250m", 0.25),
            ("1k", 1e3),
            ("1Ki", 1024.0),
            ("2E", 2e18),
            ("2e3", 2e3),
            ("5E-1", 0.5),
        ];
        for (text, wanted) in all {
            assert!(amount(text).is_some_and(|found| (found - wanted).abs() < 1e-9), "{text}: {:?}", amount(text));
        }
        for text in ["", ".", "m", "1.2.3", "-1", "1 Gi", "1gi", "1K", "1MB", "1e", "1e999", "inf", "NaN"] {
            assert_eq!(amount(text), None, "{text}");
        }
    }

    #[test]
    fn memory_in_thousandths_of_a_byte_is_a_mistake() {
        assert!(check("cpu", "250m").is_ok() && check("memory", "256Mi").is_ok() && check("memory", "0.1Gi").is_ok());
        let told = check("memory", "128m").unwrap_err();
        assert!(told.contains("did you mean `128Mi`?"), "{told}");
        assert!(check("memory", "lots").unwrap_err().contains("`256Mi`"));
        assert!(name("memroy").unwrap_err().contains("did you mean `memory`?"));
    }
}
