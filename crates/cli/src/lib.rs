//! The millpond command: demo, keys, sign and check.
