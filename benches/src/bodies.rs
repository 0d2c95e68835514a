//! Bodies of known content: a function of their name, so that whoever reads one can check it.

use bytes::Bytes;

/// 64 KiB: a segment of audio, or of a low rung.
pub const SMALL_BYTES: usize = 64 << 10;
/// 1 MiB: a segment of video, and one whole slice.
pub const LARGE_BYTES: usize = 1 << 20;

/// The body of the object that `number` and `length` name.
///
/// Pseudo-random (splitmix64), so that nothing on the way can compress it, and no two objects, nor
/// two places in one, are alike.
pub fn body(number: u32, length: usize) -> Bytes {
    let mut state = (u64::from(number) << 32) ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Where the object is on its site.
pub fn path(number: u32, length: usize) -> String {
    format!("/vod/{length}/{number}.m4s")
}

/// The number and the body that a path names, if it names one.
pub fn at(path: &str) -> Option<(u32, Bytes)> {
    let (length, number) = path
        .strip_prefix("/vod/")?
        .strip_suffix(".m4s")?
        .split_once('/')?;
    let (number, length) = (number.parse().ok()?, length.parse().ok()?);
    Some((number, body(number, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_body_and_no_other() {
        let (number, own) = at(&path(7, 1000)).unwrap();
        assert_eq!((number, &own), (7, &body(7, 1000)));
        assert_eq!(own.len(), 1000);
        assert_ne!(own, body(8, 1000));
        assert_eq!(at("/vod/10/x.m4s"), None);
    }
}
