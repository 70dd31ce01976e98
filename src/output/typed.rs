//! Reads what a person types at a terminal, with or without echo. What was typed before a question was shown is dropped. Ctrl-C ends a
//! question at once, although the program handles the signal itself.

use super::Line;
use secrecy::SecretString;
use std::io;

/// A function that returns whether Ctrl-C was pressed.
pub type Stopped<'a> = &'a dyn Fn() -> bool;

#[cfg(unix)]
pub use on_unix::{drop_what_was_typed, hidden, line};

#[cfg(unix)]
mod on_unix {
    use super::{Line, SecretString, Stopped, io};
    use dialoguer::console::Term;
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        stdio::stdin,
        termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr},
    };

    /// The interval at which Ctrl-C is checked.
    const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    /// Input that follows a line break within this time was pasted, not typed.
    const PASTED: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    const END_OF_INPUT: u8 = 0x04;
    const BACKSPACE: u8 = 0x08;
    const ERASE_LINE: u8 = 0x15;
    const DELETE: u8 = 0x7f;

    pub fn drop_what_was_typed() {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    /// Reads one whole line; empty at the end of the input.
    pub fn line(question: &str, stopped: Stopped<'_>) -> io::Result<String> {
        drop_what_was_typed();
        Term::stderr().write_str(&Line::from(question).to_string())?;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut more = [0; 256];
            match read(&mut more, stopped)? {
                0 => {
                    Term::stderr().write_line("")?;
                    break;
                }
                count => line.extend_from_slice(&more[..count]),
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Reads one line of any length without echo. The terminal's own line mode would cut it at 4095 bytes.
    pub fn hidden(question: &str, stopped: Stopped<'_>) -> io::Result<SecretString> {
        let echo = WithoutEcho::begin()?;
        drop_what_was_typed();
        Term::stderr().write_str(&Line::from(question).to_string())?;
        let mut value = Vec::new();
        loop {
            let mut key = [0; 1];
            let typed = if read(&mut key, stopped)? == 0 { END_OF_INPUT } else { key[0] };
            match typed {
                b'\n' | b'\r' => break,
                END_OF_INPUT if value.is_empty() => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                END_OF_INPUT => break,
                BACKSPACE | DELETE => erase(&mut value),
                ERASE_LINE => value.clear(),
                other => value.push(other),
            }
        }
        // the rest of a paste would be read and shown by the shell
        let pasted = is_there(PASTED)?;
        drop_what_was_typed();
        drop(echo);
        Term::stderr().write_line("")?;
        if pasted {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a value of several lines cannot be typed"));
        }
        let value = String::from_utf8(value).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the value is not UTF-8 text"))?;
        Ok(SecretString::from(value))
    }

    /// Removes the last character, which may have several bytes.
    fn erase(value: &mut Vec<u8>) {
        while value.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }

    fn read(into: &mut [u8], stopped: Stopped<'_>) -> io::Result<usize> {
        loop {
            if stopped() {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
            if is_there(LOOK)? {
                return Ok(rustix::io::read(stdin(), into)?);
            }
        }
    }

    fn is_there(within: Timespec) -> io::Result<bool> {
        match poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], Some(&within)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The former settings of the terminal, which are restored on drop.
    struct WithoutEcho(Termios);

    impl WithoutEcho {
        fn begin() -> io::Result<Self> {
            let before = tcgetattr(stdin())?;
            let mut modes = before.clone();
            modes.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(stdin(), OptionalActions::Flush, &modes)?;
            Ok(Self(before))
        }
    }

    impl Drop for WithoutEcho {
        fn drop(&mut self) {
            let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn a_character_is_erased_whole() {
            let mut value = "aé€".as_bytes().to_vec();
            for left in ["aé", "a", "", ""] {
                super::erase(&mut value);
                assert_eq!(String::from_utf8(value.clone()).unwrap(), left);
            }
        }
    }
}

#[cfg(not(unix))]
pub use elsewhere::{drop_what_was_typed, hidden, line};

#[cfg(not(unix))]
mod elsewhere {
    use super::{Line, SecretString, Stopped, io};
    use dialoguer::console::Term;

    pub fn drop_what_was_typed() {}

    pub fn line(question: &str, _: Stopped<'_>) -> io::Result<String> {
        Term::stderr().write_str(&Line::from(question).to_string())?;
        Term::stderr().read_line()
    }

    pub fn hidden(question: &str, _: Stopped<'_>) -> io::Result<SecretString> {
        Term::stderr().write_str(&Line::from(question).to_string())?;
        Term::stderr().read_secure_line().map(SecretString::from)
    }
}
