//! Tests the engine with toy kinds: no cloud, no clock, no file.

mod fields;
mod graphs;
mod killed_writes;
mod kills;
mod kinds;
mod lab;
mod moves;
mod owners;
mod papers;
mod plans;
mod removals;
mod runs;
mod toy;
mod unseen;
