//! What playlists name: HLS (RFC 8216, RFC 8216bis) and DASH (ISO/IEC 23009-1). Pure: text and its
//! address go in, addresses come out.
//!
//! ```text
//! text ─▶ hls: a line at a time ─────────────────────────────▶ Collector ─▶ Listing
//!      └▶ dash: events ─▶ Manifest ─▶ tracks ─▶ segments ───▶     (counts, and names once)
//! ```
//!
//! Playlists are written by others. Whatever one says, reading it costs no more time and memory than
//! [`Limits`] allow, and what cannot be listed whole is an error and no short list.

mod collect;
pub mod dash;
mod hls;

pub use collect::{Limits, Listing};
pub use url::Url;

/// Which kind of playlist it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A media or multivariant playlist.
    Hls,
    /// A media presentation description.
    Dash,
}

/// Why a playlist cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than [`Limits::text_bytes_max`].
    #[error("a playlist has up to {0} bytes")]
    TooLong(usize),
    /// It names more than [`Limits`] allow.
    #[error("a playlist names up to {0}")]
    TooMany(&'static str),
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Something else, or cut short.
    #[error("it is no playlist: {0}")]
    Malformed(String),
    /// Well formed, but for something that is not done here.
    #[error("{0}")]
    Unsupported(&'static str),
    /// What makes no address.
    #[error("{0:?} is no reference to anything")]
    Reference(String),
}

/// Lists what a playlist at `base` names.
///
/// # Errors
/// What cannot be listed whole.
pub fn list(format: Format, text: &[u8], base: &Url, limits: &Limits) -> Result<Listing, Error> {
    if text.len() > limits.text_bytes_max {
        return Err(Error::TooLong(limits.text_bytes_max));
    }
    let text = std::str::from_utf8(text).map_err(|_invalid| Error::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}');
    let mut found = collect::Collector::new(limits);
    match format {
        Format::Hls => hls::read(text, base, &mut found)?,
        Format::Dash => dash::Manifest::read(text)?.list(base, &mut found)?,
    }
    Ok(found.listing)
}
