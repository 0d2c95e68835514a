//! Slices by key on two tiers: RAM and a slice log on disk.
