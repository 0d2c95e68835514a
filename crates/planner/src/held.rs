//! What boxes hold, from a file in rows.

use manifest::Held;

use crate::source::{Columns, FromRow, Kind};

impl FromRow for Held<'static> {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("site", Kind::Text),
        ("path", Kind::Text),
        ("bytes", Kind::Number),
    ];

    fn from_columns(columns: &Columns<'_>) -> Result<Self, String> {
        Ok(Self {
            site: columns.needed("site")?.into(),
            path: columns.needed("path")?.into(),
            bytes: columns.number("bytes")?.ok_or("no bytes")?,
        })
    }
}
