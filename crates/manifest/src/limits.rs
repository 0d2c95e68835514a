//! How large, how long and how destructive a manifest may be.

use crate::Refused;

/// What a node accepts. The defaults are those of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file as it arrives. 64 MiB: a million objects with their digests take 45 MiB
    /// compressed.
    pub file_bytes_max: u64,
    /// Bytes when decompressed. 512 MiB: twice what a million objects take; they are read in
    /// pieces and never lie in memory at once.
    pub payload_bytes_max: u64,
    /// Objects and removals together. 2 million: 300 MB of memory.
    pub names_max: u64,
    /// Bytes of memory that its objects and removals, and for a delta the plan that they lead to, may
    /// take together. 2 GiB: more than the other limits allow. A node sets it to what it has.
    pub memory_bytes_max: u64,
    /// Seconds from issued to expires. 35 days: who has not planned for a month plans anew.
    pub lifetime_s_max: u64,
    /// How far ahead of ours the planner's clock may be, in seconds.
    pub skew_s: u64,
    /// How many percent of the planned bytes may go without the second flag.
    pub eviction_percent_max: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes_max: 64 << 20,
            payload_bytes_max: 512 << 20,
            names_max: 2_000_000,
            memory_bytes_max: 2 << 30,
            lifetime_s_max: 35 * 24 * 3600,
            skew_s: 300,
            eviction_percent_max: 30,
        }
    }
}

impl Limits {
    /// Whether so much memory may be taken.
    ///
    /// # Errors
    /// When it is more than may be.
    pub fn check_memory(&self, found: u64) -> Result<(), Refused> {
        let max = self.memory_bytes_max;
        if found <= max {
            return Ok(());
        }
        let what = "bytes of memory";
        Err(Refused::TooLarge { what, found, max })
    }
}
