//! Runs az and azd for azure_identity, whose own executor reads output of any size and lets the programs prompt on the terminal.

use super::limits::size;
use async_trait::async_trait;
use azure_identity::Executor;
use std::{
    ffi::OsStr,
    io,
    process::{Output, Stdio},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

/// The limit of a program's output in bytes; a token has a few thousand.
const MOST: usize = 1024 * 1024;

#[derive(Debug)]
pub struct Program;

#[async_trait]
impl Executor for Program {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = tokio::try_join!(all_of(out), all_of(err))?;
        Ok(Output { status: child.wait().await?, stdout, stderr })
    }
}

async fn all_of(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(MOST as u64 + 1).read_to_end(&mut all).await?;
    }
    if all.len() > MOST { Err(io::Error::other(format!("it printed more than {}", size(MOST)))) } else { Ok(all) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    async fn shell(line: &str) -> io::Result<Output> {
        Program.run(OsStr::new("/bin/sh"), &[OsStr::new("-c"), OsStr::new(line)]).await
    }

    #[tokio::test]
    async fn output_of_a_program_is_read_up_to_a_limit() {
        let output = shell("echo token; echo why >&2; exit 3").await.unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice(), output.status.code()), (&b"token\n"[..], &b"why\n"[..], Some(3)));
        let begun = Instant::now();
        for line in ["exec yes", "exec yes >&2"] {
            let error = shell(line).await.unwrap_err();
            assert!(error.to_string().contains("more than 1 MiB"), "{line}: {error}");
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
