//! argv in, an Invocation out.
