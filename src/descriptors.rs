//! Checks that enough files can be opened, before the runtime and its libraries start, which panic if they cannot.

use std::io::{self, PipeReader, PipeWriter};

/// The number of free file descriptors that podid needs: about ten for the runtime, four for the state and its journal, one for a trust
/// store, and one for each connection, or two with a sandbox in the same process.
pub const NEEDED: usize = 64;

/// There are too few free file descriptors.
#[derive(Debug, PartialEq)]
pub struct TooFew {
    pub free: usize,
}

/// Opens as many files as are needed, and closes them again.
pub fn check() -> Result<(), TooFew> {
    check_with(io::pipe)
}

fn check_with(open: impl Fn() -> io::Result<(PipeReader, PipeWriter)>) -> Result<(), TooFew> {
    let mut held = Vec::with_capacity(NEEDED / 2);
    while held.len() * 2 < NEEDED {
        match open() {
            Ok(pair) => held.push(pair),
            Err(_) => return Err(TooFew { free: held.len() * 2 }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn free_file_descriptors_are_counted_at_the_start() {
        let left = Cell::new(3);
        let few = || match left.get() {
            0 => Err(io::Error::other("too many open files")),
            n => {
                left.set(n - 1);
                io::pipe()
            }
        };
        assert_eq!(check_with(few), Err(TooFew { free: 6 }));
        assert_eq!(check(), Ok(()));
    }
}
