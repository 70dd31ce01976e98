//! Ten lines: run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    podid::run(std::env::args_os()).into()
}
