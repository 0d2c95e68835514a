//! Variables (RFC 8216bis section 4.3).

use std::{borrow::Cow, collections::HashMap};

use url::Url;

use super::attributes::attribute;
use crate::{Error, collect::REFERENCE_BYTES_MAX};

/// Variables of a playlist.
const VARIABLES_MAX: usize = 64;

/// What was defined so far.
#[derive(Default)]
pub(super) struct Variables(HashMap<String, String>);

impl Variables {
    /// Obeys an `EXT-X-DEFINE`.
    pub(super) fn define(&mut self, list: &str, base: &Url) -> Result<(), Error> {
        let (name, value) = if let Some(name) = attribute(list, "QUERYPARAM") {
            let mut query = base.query_pairs();
            let value = query.find(|(known, _)| known == name);
            // RFC 8216bis section 4.4.2.3: without it the playlist must not be used.
            let value = value.ok_or_else(|| Error::Malformed(format!("no parameter {name:?}")))?;
            (name, value.1.into_owned())
        } else if let Some(name) = attribute(list, "NAME") {
            let value = attribute(list, "VALUE").unwrap_or_default();
            (name, self.substitute(value)?.into_owned())
        } else {
            return Err(Error::Unsupported("variables from another playlist"));
        };
        if value.len() > REFERENCE_BYTES_MAX || self.0.len() >= VARIABLES_MAX {
            return Err(Error::TooMany("variables"));
        }
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// Puts values in the place of `{$name}`.
    pub(super) fn substitute<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Error> {
        if !text.contains("{$") {
            return Ok(Cow::Borrowed(text));
        }
        let (mut made, mut rest) = (String::new(), text);
        while let Some((before, reference)) = rest.split_once("{$") {
            let known = reference.split_once('}');
            let known = known.and_then(|(name, behind)| Some((self.0.get(name)?, behind)));
            // RFC 8216bis section 4.3: a reference to nothing fails the playlist.
            let bad = || Error::Malformed("a variable that is not defined".to_owned());
            let (value, behind) = known.ok_or_else(bad)?;
            made.push_str(before);
            made.push_str(value);
            if made.len() > REFERENCE_BYTES_MAX {
                return Err(Error::TooMany("characters of a reference"));
            }
            rest = behind;
        }
        made.push_str(rest);
        Ok(Cow::Owned(made))
    }
}
