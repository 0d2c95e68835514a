//! What a box holds.

use serde::Deserialize;

use crate::source::{Columns, FromRow, Kind};

/// An object that a box holds, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Held {
    pub(crate) site: String,
    pub(crate) path: String,
    /// Bytes from its beginning on.
    pub(crate) bytes: u64,
}

impl FromRow for Held {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("site", Kind::Text),
        ("path", Kind::Text),
        ("bytes", Kind::Number),
    ];

    fn from_columns(columns: &Columns<'_>) -> Result<Self, String> {
        Ok(Self {
            site: columns.needed("site")?,
            path: columns.needed("path")?,
            bytes: columns.number("bytes")?.ok_or("no bytes")?,
        })
    }
}
