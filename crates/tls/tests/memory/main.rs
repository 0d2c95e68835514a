//! The room from outside, over streams in memory.

#[cfg(test)]
mod handshakes;
