//! The shape of a live stream's segment paths.

/// Bytes of a template.
const TEMPLATE_BYTES_MAX: usize = 512;

/// More digits than any counter of milliseconds has, and few enough for 64 bits.
const DIGITS_MAX: usize = 19;

/// `/live/*/seg-{number}.m4s`: one `{number}`, and `*` for anything but a slash.
///
/// The number is a whole run of digits, leading zeros or not. What is the same in two paths but
/// for it names one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    before: String,
    after: String,
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// It is too long.
    #[error("longer than {TEMPLATE_BYTES_MAX} bytes")]
    Long,
    /// It has no `{number}`, or several.
    #[error("exactly one {{number}} is needed")]
    Number,
    /// It does not begin with a slash.
    #[error("it begins with a slash, as paths do")]
    Relative,
}

/// A segment's path, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered<'p> {
    /// What is before the number.
    pub before: &'p str,
    /// The number.
    pub number: u64,
    /// What is after it.
    pub after: &'p str,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(BadTemplate::Long);
        }
        if !text.starts_with('/') {
            return Err(BadTemplate::Relative);
        }
        let (before, after) = text.split_once("{number}").ok_or(BadTemplate::Number)?;
        if after.contains("{number}") {
            return Err(BadTemplate::Number);
        }
        Ok(Self {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// The number in a path of this shape. Of several runs of digits that fit, the last.
    pub fn read<'p>(&self, path: &'p str) -> Option<Numbered<'p>> {
        let mut end = path.len();
        while let Some(last) = path[..end].rfind(|c: char| c.is_ascii_digit()) {
            let start = path[..last]
                .trim_end_matches(|c: char| c.is_ascii_digit())
                .len();
            let (before, digits, after) = (&path[..start], &path[start..=last], &path[last + 1..]);
            if digits.len() <= DIGITS_MAX && fits(&self.before, before) && fits(&self.after, after)
            {
                let number = digits.parse().ok()?;
                return Some(Numbered {
                    before,
                    number,
                    after,
                });
            }
            end = start;
        }
        None
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{{number}}{}", self.before, self.after)
    }
}

/// Whether a text is of a pattern's shape: as `*` never stands for a slash, folder by folder.
fn fits(pattern: &str, text: &str) -> bool {
    let mut folders = text.split('/');
    let all = pattern.split('/').all(|pattern| {
        folders
            .next()
            .is_some_and(|folder| is_like(pattern, folder))
    });
    all && folders.next().is_none()
}

/// One folder's name. The last star takes more until the rest fits: linear but for that.
fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(template: &str, path: &str) -> Option<u64> {
        let template = Template::parse(template).unwrap();
        template.read(path).map(|numbered| numbered.number)
    }

    #[test]
    fn the_number_is_read_where_the_template_has_it() {
        for (template, path, expected) in [
            (
                "/live/*/seg-{number}.m4s",
                "/live/a1/seg-0042.m4s",
                Some(42),
            ),
            ("/live/*/seg-{number}.m4s", "/live/a/b/seg-1.m4s", None),
            ("/live/*/seg-{number}.m4s", "/live/a/seg-.m4s", None),
            ("/*/{number}.ts", "/720p/9.ts", Some(9)),
            ("/*/{number}*.ts", "/720p/9-a.ts", Some(9)),
            ("/v{number}/*.mp4", "/v7/3.mp4", Some(7)),
            ("/s{number}.ts", "/s99999999999999999999.ts", None),
            ("/s{number}.ts", "/s1.ts.bak", None),
            ("/s{number}", "/t/s1", None),
        ] {
            assert_eq!(number(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn what_is_around_the_number_names_the_stream() {
        let template = Template::parse("/*/s{number}.ts").unwrap();
        let one = template.read("/a/s1.ts").unwrap();
        let other = template.read("/a/s22.ts").unwrap();
        assert_eq!((one.before, one.after), (other.before, other.after));
        assert_ne!(one.before, template.read("/b/s1.ts").unwrap().before);
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, why) in [
            ("/a.ts", BadTemplate::Number),
            ("/{number}/{number}", BadTemplate::Number),
            ("a{number}", BadTemplate::Relative),
        ] {
            assert_eq!(Template::parse(text), Err(why), "{text}");
        }
        let long = format!("/{{number}}{}", "a".repeat(TEMPLATE_BYTES_MAX));
        assert_eq!(Template::parse(&long), Err(BadTemplate::Long));
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(path in "[/a0-9*é]{0,40}", template in "/[a*/]{0,8}") {
            let template = Template::parse(&format!("{template}{{number}}*")).unwrap();
            if let Some(numbered) = template.read(&path) {
                prop_assert!(path.starts_with(numbered.before) && path.ends_with(numbered.after));
            }
        }
    }
}
