//! Wildcards: other vendors' run over slashes; a segment of our globs has none.

/// The longest pattern, of CloudFront's whole URLs.
pub(crate) const WILD_BYTES_MAX: usize = 1024;

/// Whether `text` as a whole is what `pattern` means: `?` is one byte, `*` any run of bytes.
///
/// On a mismatch the last star takes one byte more; earlier stars need no second try, because what
/// stood between them was found as far left as it can be. So it costs at most the product of the
/// lengths, and does not recurse.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((after_star, taken)) = retry else {
                    return false;
                };
                retry = Some((after_star, taken + 1));
                (p, t) = (after_star, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn obvious(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => obvious(rest, text),
            (Some((b'*', rest)), Some((_, more))) => obvious(rest, text) || obvious(pattern, more),
            (Some((p, rest)), Some((t, more))) => (*p == b'?' || p == t) && obvious(rest, more),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_obvious_matcher(
            pattern in "[/ab*?]{0,8}",
            text in "[/ab]{0,10}",
        ) {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(found, obvious(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
