//! Cache directives, from `Cache-Control` and from targeted fields.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use crate::{
    lines,
    structured::{self, Value},
};

/// RFC 9111 section 1.2.2: what is too big to hold counts as 2^31 seconds.
pub(crate) const DELTA_S_MAX: u64 = 1 << 31;

/// RFC 9213 section 2.2: our target list, the most specific first.
const TARGETED: [HeaderName; 1] = [HeaderName::from_static("cdn-cache-control")];

/// The directives that a rule here obeys; unknown ones are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive that is given or not"
)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    /// Without field names.
    pub(crate) no_cache: bool,
    /// Without field names.
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) immutable: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    /// Without an argument: however stale.
    pub(crate) max_stale: Option<Duration>,
    /// RFC 9111 sections 5.2.2.4 and 5.2.2.7: fields that the qualified forms of `no-cache` and
    /// `private` keep out of what is reused.
    pub(crate) withheld: Vec<HeaderName>,
}

enum Slot<'d> {
    Flag(&'d mut bool),
    Seconds(&'d mut Option<Duration>),
}

impl Directives {
    /// The directives of the first targeted field that is valid and not empty.
    pub(crate) fn targeted(headers: &HeaderMap) -> Option<Self> {
        TARGETED
            .iter()
            .find_map(|name| Self::structured(&joined(headers, name)))
    }

    /// The directives of `Cache-Control`, of a request or a response.
    pub(crate) fn of_cache_control(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        for member in lines::all_members(headers, &header::CACHE_CONTROL) {
            all.read(member);
        }
        all
    }

    /// RFC 9213 section 2.1: a structured dictionary; an empty or invalid one is as if it were
    /// not there, a value of the wrong type is not consumed, parameters are ignored.
    fn structured(text: &[u8]) -> Option<Self> {
        let members = structured::dictionary(text).filter(|members| !members.is_empty())?;
        let mut all = Self::default();
        for (key, value) in members {
            match (all.slot(key), value) {
                (Some(Slot::Flag(flag)), Value::Boolean(given)) => *flag = given,
                // `private="set-cookie"` is the qualified form; anything else errs on its side.
                (Some(Slot::Flag(flag)), Value::Integer(_) | Value::Other) => *flag = true,
                (Some(Slot::Seconds(delta)), Value::Integer(seconds)) => {
                    *delta = Some(clamped(u64::try_from(seconds).unwrap_or(0)));
                }
                (Some(Slot::Seconds(_)), Value::Boolean(_) | Value::Other) | (None, _) => {}
            }
        }
        Some(all)
    }

    /// Reads one `name`, `name=token` or `name="quoted"`.
    fn read(&mut self, member: &[u8]) {
        let end = member.iter().position(|byte| !lines::is_token_byte(*byte));
        let (name, rest) = member.split_at(end.unwrap_or(member.len()));
        // RFC 9111 section 5.2: directive names are case-insensitive.
        let Ok(name) = String::from_utf8(name.to_ascii_lowercase()) else {
            return;
        };
        if matches!(&*name, "no-cache" | "private")
            && let Some(names) = field_names(rest)
        {
            return self.withheld.extend(names);
        }
        if name == "max-stale" && rest.is_empty() {
            // RFC 9111 section 5.2.1.2: without a value, a response of any age is wanted.
            self.max_stale.get_or_insert_with(|| clamped(u64::MAX));
            return;
        }
        match self.slot(&name) {
            Some(Slot::Flag(flag)) => *flag = true,
            // RFC 9111 section 4.2.1: of several the first; what is no number makes it stale.
            Some(Slot::Seconds(delta)) => {
                delta.get_or_insert_with(|| seconds(rest).unwrap_or_default());
            }
            None => {}
        }
    }

    fn slot(&mut self, name: &str) -> Option<Slot<'_>> {
        Some(match name {
            "no-store" => Slot::Flag(&mut self.no_store),
            "no-cache" => Slot::Flag(&mut self.no_cache),
            "private" => Slot::Flag(&mut self.private),
            "public" => Slot::Flag(&mut self.public),
            "immutable" => Slot::Flag(&mut self.immutable),
            "must-revalidate" => Slot::Flag(&mut self.must_revalidate),
            "proxy-revalidate" => Slot::Flag(&mut self.proxy_revalidate),
            "must-understand" => Slot::Flag(&mut self.must_understand),
            "only-if-cached" => Slot::Flag(&mut self.only_if_cached),
            "max-age" => Slot::Seconds(&mut self.max_age),
            "s-maxage" => Slot::Seconds(&mut self.s_maxage),
            "stale-while-revalidate" => Slot::Seconds(&mut self.stale_while_revalidate),
            "stale-if-error" => Slot::Seconds(&mut self.stale_if_error),
            "min-fresh" => Slot::Seconds(&mut self.min_fresh),
            "max-stale" => Slot::Seconds(&mut self.max_stale),
            _ => return None,
        })
    }
}

/// The field names of `="a, b"`. `None` if there are none, or what is there is no list of names: then
/// the directive counts as unqualified, which withholds everything.
fn field_names(argument: &[u8]) -> Option<Vec<HeaderName>> {
    let value = argument.strip_prefix(b"=")?;
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let names = lines::members(unquoted.unwrap_or(value)).map(HeaderName::from_bytes);
    let names: Vec<_> = names.collect::<Result<_, _>>().ok()?;
    (!names.is_empty()).then_some(names)
}

/// `=60` or `="60"`.
fn seconds(argument: &[u8]) -> Option<Duration> {
    let value = argument.strip_prefix(b"=")?;
    // RFC 9111 section 5.2: both forms of an argument are accepted.
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    lines::number(unquoted.unwrap_or(value)).map(clamped)
}

/// RFC 9111 section 1.2.2: too much is 2^31 seconds.
pub(crate) fn clamped(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(DELTA_S_MAX))
}

/// All lines of a field as one value.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    lines.join(b", ".as_slice())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lenient(lines: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, line.parse().unwrap());
        }
        Directives::of_cache_control(&headers)
    }

    fn max_age_s(line: &str) -> Option<u64> {
        lenient(&[line]).max_age.map(|delta| delta.as_secs())
    }

    #[test]
    fn arguments_are_read_quoted_or_not() {
        // RFC 9111 section 5.2: both forms of an argument are accepted, names in any case.
        assert_eq!(max_age_s("max-age=60"), Some(60));
        assert_eq!(max_age_s("Public , MAX-AGE=\"60\""), Some(60));
    }

    #[test]
    fn too_much_is_clamped() {
        // X17. RFC 9111 section 1.2.2: too much is 2^31 seconds.
        assert_eq!(max_age_s("max-age=9223372036854775808"), Some(DELTA_S_MAX));
        assert_eq!(
            max_age_s(&format!("max-age={}", "9".repeat(400))),
            Some(DELTA_S_MAX)
        );
    }

    #[test]
    fn junk_makes_it_stale() {
        // X17. RFC 9111 section 4.2.1: what is no number makes it stale.
        for line in [
            "max-age",
            "max-age=",
            "max-age=1e9",
            "max-age=-1",
            "max-age=1.5",
            "max-age =60",
            "max-age= 60",
            "max-age=\"60",
            "max-age='60'",
            "max-age=0x3c",
            "max-age=60s",
        ] {
            assert_eq!(max_age_s(line), Some(0), "{line}");
        }
    }

    #[test]
    fn of_several_the_first_counts() {
        // X17. RFC 9111 section 4.2.1: of several the first.
        assert_eq!(max_age_s("max-age=1, max-age=100"), Some(1));
        assert_eq!(
            lenient(&["max-age=7", "max-age=9"]).max_age,
            Some(Duration::from_secs(7))
        );
    }

    #[test]
    fn a_directive_inside_quotes_is_text() {
        assert!(!lenient(&[r#"x="no-store, private""#]).no_store);
        assert!(
            lenient(&[r#"x="a, no-store"#]).no_store,
            "an open quote hides nothing"
        );
        assert!(lenient(&[r#"private="set-cookie, x y""#]).private);
    }

    #[test]
    fn names_are_whole_words() {
        assert_eq!(
            lenient(&["x-no-store, no-storex, smax-age=1, max_age=1"]),
            Directives::default()
        );
    }

    #[test]
    fn a_targeted_field_is_a_dictionary() {
        // RFC 9213 section 2.1: invalid or empty is ignored, wrong types are not consumed.
        let read = |text: &str| Directives::structured(text.as_bytes());
        assert_eq!(
            read("max-age=60").unwrap().max_age,
            Some(Duration::from_mins(1))
        );
        assert_eq!(
            read("max-age=60;x=y").unwrap().max_age,
            Some(Duration::from_mins(1))
        );
        assert_eq!(read("max-age=-1").unwrap().max_age, Some(Duration::ZERO));
        assert_eq!(
            read("max-age=1, max-age=9").unwrap().max_age,
            Some(Duration::from_secs(9))
        );
        for wrong in [
            "max-age=1.5",
            "max-age=\"60\"",
            "max-age=x",
            "max-age",
            "max-age=(60)",
        ] {
            assert_eq!(read(wrong).unwrap().max_age, None, "{wrong}");
        }
        assert!(!read("no-store=?0").unwrap().no_store);
        assert!(read("private=\"set-cookie\"").unwrap().private);
        for ignored in [
            "",
            "  ",
            "max-age=60, &&&",
            "max-age=60,",
            "Max-Age=60",
            "max-age= 60",
        ] {
            assert_eq!(read(ignored), None, "{ignored}");
        }
    }

    #[test]
    fn qualified_forms_name_fields() {
        // RFC 9111 sections 5.2.2.4 and 5.2.2.7.
        let names = |line: &str| {
            let all = lenient(&[line]);
            let names = all.withheld.iter().map(|name| name.as_str().to_owned());
            (
                names.collect::<Vec<_>>().join(","),
                all.private,
                all.no_cache,
            )
        };
        for (line, expected, private, no_cache) in [
            (
                "private=\"Set-Cookie, x-a\"",
                "set-cookie,x-a",
                false,
                false,
            ),
            ("no-cache=x-a", "x-a", false, false),
            ("no-cache=\"x-a\", private", "x-a", true, false),
            ("no-cache=\"\"", "", false, true),
            ("private=\"a b\"", "", true, false),
            ("private=\"x-a", "", true, false),
        ] {
            let expected = (expected.to_owned(), private, no_cache);
            assert_eq!(names(line), expected, "{line}");
        }
    }

    #[test]
    fn max_stale_may_come_without_a_number() {
        // RFC 9111 section 5.2.1.2.
        assert_eq!(lenient(&["max-stale"]).max_stale, Some(clamped(u64::MAX)));
        assert_eq!(lenient(&["max-stale=9"]).max_stale, Some(clamped(9)));
        assert_eq!(lenient(&["max-stale=x"]).max_stale, Some(clamped(0)));
    }

    proptest! {
        #[test]
        fn arbitrary_fields_never_panic_and_stay_in_bounds(
            junk in proptest::collection::vec(any::<u8>(), 0..80),
            tail in r#"[-a-z0-9=", \\]{0,60}"#,
        ) {
            let mut headers = HeaderMap::new();
            for value in [junk, [b"max-age=".as_slice(), tail.as_bytes()].concat()] {
                if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                    headers.append(header::CACHE_CONTROL, value.clone());
                    headers.append(&TARGETED[0], value);
                }
            }
            let most = Duration::from_secs(DELTA_S_MAX);
            prop_assert!(Directives::of_cache_control(&headers).max_age.unwrap_or_default() <= most);
            let targeted = Directives::targeted(&headers).unwrap_or_default();
            prop_assert!(targeted.max_age.unwrap_or_default() <= most);
        }
    }
}
