//! Criterion benches and whole-node comparisons.
