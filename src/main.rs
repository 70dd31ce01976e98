//! Ten lines: run, exit code.
fn main() {}
