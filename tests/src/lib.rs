//! The harness, the oracle and the scenarios.
