//! The program: runs a command and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    podid::run(std::env::args_os()).into()
}
