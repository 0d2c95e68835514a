//! A status in HPACK or QPACK: three digits, plain or in the Huffman code of RFC 7541 appendix B.

/// Reads a string literal (7-bit length, Huffman flag on top) of digits.
pub(super) fn status(literal: &[u8]) -> Option<u16> {
    let (&first, rest) = literal.split_first()?;
    let bytes = rest.get(..usize::from(first & 0x7f))?;
    if first & 0x80 == 0 {
        return std::str::from_utf8(bytes).ok()?.parse().ok();
    }
    let mut bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
    let mut digit = || {
        let five = (0..5).try_fold(0, |code, _| Some(code << 1 | bits.next()?))?;
        match five {
            // '0', '1', '2' have five bits; '3' to '9' have six, from 011001 on.
            0..=2 => Some(five),
            _ => (five << 1 | bits.next()?)
                .checked_sub(0b01_1001)
                .map(|beyond| beyond + 3),
        }
    };
    Some(digit()? * 100 + digit()? * 10 + digit()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn plain_and_huffman_digits_are_read() {
        assert_eq!(super::status(b"\x03421"), Some(421));
        // 302, from RFC 7541 appendix C.6.1.
        assert_eq!(super::status(&[0x82, 0x64, 0x02]), Some(302));
        // 307, from appendix C.6.2.
        assert_eq!(super::status(&[0x83, 0x64, 0x0e, 0xff]), Some(307));
    }
}
