//! Tokens and sessions that were taken back before their time.

use std::{collections::HashSet, sync::Arc};

use serde::Deserialize;

use crate::{Claims, Error, Label};

/// The longest file: some hundred thousand ids.
pub const REVOKED_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

const FIELDS: &str = "a revocation list has version and perhaps token_ids and sessions, each once";

/// Tokens that are no longer good, by their ids, and sessions, by theirs. A list is a file, so it
/// outlives its node; an entry can go once the last token that it is about has expired.
#[derive(Debug, Clone, Default)]
pub struct Revoked {
    token_ids: Arc<HashSet<Label>>,
    sessions: Arc<HashSet<Label>>,
    /// The same, as they are called where a token has them encrypted.
    hidden: Arc<HashSet<Label>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    #[serde(default)]
    token_ids: Vec<String>,
    #[serde(default)]
    sessions: Vec<String>,
}

impl Revoked {
    /// Reads a list: `{"version": 1, "token_ids": [..], "sessions": [..]}`, with the ids as signers
    /// wrote them.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let raw: Raw = crate::key_file::read_bounded(file, REVOKED_FILE_BYTES_MAX, FIELDS)?;
        crate::key_file::check_version(raw.version)?;
        let set =
            |texts: &[String]| Arc::new(texts.iter().map(|text| Label::naming(text)).collect());
        Ok(Self {
            token_ids: set(&raw.token_ids),
            sessions: set(&raw.sessions),
            hidden: Arc::new(
                raw.sessions
                    .iter()
                    .map(|text| Label::hiding(text))
                    .collect(),
            ),
        })
    }

    /// How many entries it has.
    pub fn entries(&self) -> usize {
        self.token_ids.len() + self.sessions.len()
    }

    pub(crate) fn names(&self, claims: &Claims) -> bool {
        let listed = |set: &HashSet<Label>, label: &Option<Label>| {
            label.as_ref().is_some_and(|label| set.contains(label))
        };
        listed(&self.token_ids, &claims.token_id)
            || listed(&self.sessions, &claims.session)
            || listed(&self.hidden, &claims.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    #[test]
    fn an_entry_names_its_token_or_session_and_no_other() {
        let list = br#"{"version": 1, "token_ids": ["t-1"], "sessions": ["user 7"]}"#;
        let list = Revoked::parse(list).unwrap();
        assert_eq!(list.entries(), 2);
        let site = Label::parse("films").unwrap();
        let claims = |token_id: Option<&str>, session: Option<&str>| Claims {
            token_id: token_id.map(Label::naming),
            session: session.map(Label::naming),
            ..Claims::new(site.clone(), Scope::prefix("/").unwrap(), 0, 1)
        };
        assert!(list.names(&claims(Some("t-1"), None)));
        assert!(list.names(&claims(Some("t-2"), Some("user 7"))));
        for (token_id, session) in [
            (None, None),
            (Some("t-2"), Some("t-1")),
            (Some("user 7"), None),
        ] {
            assert!(!list.names(&claims(token_id, session)));
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_an_error_and_not_an_empty_one() {
        for bad in [
            "",
            "{}",
            r#"{"version": 2}"#,
            r#"{"version": 1, "tokens": []}"#,
            "[]",
        ] {
            assert!(Revoked::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Revoked::parse(&vec![b' '; REVOKED_FILE_BYTES_MAX + 1]).is_err());
    }
}
