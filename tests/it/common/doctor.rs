//! What `podid doctor` says of a fault that was planted: the table of faults is that of `verify`, too.

use super::World;
use serde_json::Value;

/// The findings of severity error, the first one first. `doctor` sends nothing but reads, and no secret is in its answer.
pub fn errors(world: &World, words: &[&str]) -> Vec<Value> {
    let mark = world.mark();
    let output = world.podid(&[&["doctor", "-o", "json"], words].concat()).ok();
    let sent: Vec<String> = world
        .since(mark)
        .iter()
        .filter(|line| line.by == "client" && line.method != "GET" && !line.is_token())
        .map(|line| line.short())
        .collect();
    assert_eq!(sent, Vec::<String>::new(), "`doctor` only reads");
    assert!(!output.stdout.contains("not-a-real-secret") && !output.stderr.contains("not-a-real-secret"));
    let document = output.json();
    let findings = document["findings"].as_array().unwrap().clone();
    findings.into_iter().filter(|finding| finding["severity"] == "error" && finding["suppressed"].is_null()).collect()
}

/// What is wrong with what `doctor` says of a single fault. None: it names exactly that link.
pub fn misses(world: &World, link: &str, says: &str) -> Option<String> {
    let found = errors(world, &[]);
    let Some(first) = found.first() else { return Some("doctor: no error is found".into()) };
    let text = format!("{} {} {}", first["title"], first["causes"], first["consequences"]);
    let shown = || serde_json::to_string_pretty(&found).unwrap();
    if first["link"] != link || !text.contains(says) {
        return Some(format!("doctor: wanted {link} and {says:?}\n{}", shown()));
    }
    (found.len() > 1).then(|| format!("doctor: one fault is one finding\n{}", shown()))
}

/// Runs the first command of podid that a finding prints, by a shell, as it is printed; it is consented to.
pub fn run_fix(world: &World, finding: &Value) -> Option<super::Output> {
    let command = finding["podid"].as_array()?.first()?.as_str().unwrap();
    let folder = std::path::Path::new(super::PODID).parent().unwrap();
    let script = format!("PATH={}:$PATH; {command} --yes", folder.display());
    let output = world.program("sh", &["-c", &script]).output().unwrap();
    Some(super::Output::of(&[command], output))
}
