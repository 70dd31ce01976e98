//! The commands of other programs that podid prints beside its own: all of them are parsed by az, kubectl and helm themselves, and those that
//! need no name put in are run as they are printed (see runs.rs), or not-run.txt says why not.

mod complete;
mod hints;
mod parse;
mod runs;
