//! "Did you mean": the known name that is nearest to a mistyped one.

/// Names longer than this are not compared: the table of distances grows with their product.
const NAME_BYTES_MAX: usize = 64;

/// The nearest of `known`, if it is near enough to be what was meant: a third of its letters wrong
/// at most, and never more than three.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let near = |candidate: &&str| {
        let distance = distance(name.as_bytes(), candidate.as_bytes());
        (distance <= (candidate.len() / 3).clamp(1, 3)).then_some(distance)
    };
    known
        .iter()
        .filter_map(|candidate| near(candidate).map(|distance| (distance, *candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &other) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(letter != other)).min(last[j + 1] + 1);
            best = best.min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_key() {
        let known = ["address", "http3", "admin"];
        for slip in ["adress", "addres", "adderss", "addreess", "Address"] {
            assert_eq!(nearest(slip, &known), Some("address"), "{slip}");
        }
        assert_eq!(nearest("htpt3", &known), Some("http3"));
    }

    #[test]
    fn another_word_finds_nothing() {
        assert_eq!(nearest("certificates", &["address", "http3"]), None);
        assert_eq!(nearest(&"a".repeat(1 << 20), &["address"]), None);
        assert_eq!(nearest("", &["address"]), None);
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"ab", b"ba"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
    }
}
