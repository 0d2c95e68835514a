//! Exact block reads and writes.
