//! What playlists name: HLS (RFC 8216, RFC 8216bis), DASH (ISO/IEC 23009-1) and Smooth Streaming
//! ([MS-SSTR]). Pure: text and its address go in, addresses come out.
//!
//! ```text
//! text ─▶ hls: a line at a time ──────────────────────────────────▶ Collector ─▶ Listing
//!      └▶ xml ─▶ dash: Manifest ─▶ tracks ─▶ segments ────────────▶     (counts, and names once)
//!            └─▶ smooth: a stream at a time ─▶ tracks ─▶ fragments ▶
//! ```
//!
//! Playlists are written by others. Whatever one says, reading it costs no more time and memory than
//! [`Limits`] allow, and what cannot be listed whole is an error and no short list.

mod collect;
pub mod dash;
mod hls;
mod smooth;
mod xml;

pub use collect::{Limits, Listing};
pub use url::Url;

/// Which kind of playlist it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A media or multivariant playlist.
    Hls,
    /// A media presentation description.
    Dash,
    /// A client manifest of Smooth Streaming.
    Smooth,
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
    /// Neither UTF-8 nor, where it is XML, UTF-16.
    #[error("it is in no encoding that it may have")]
    Encoding,
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
    let mut found = collect::Collector::new(limits);
    match format {
        // RFC 8216 section 4: playlists are in UTF-8.
        Format::Hls => hls::read(xml::utf8(text)?, base, &mut found)?,
        Format::Dash => {
            let text = xml::decoded(text, limits.text_bytes_max)?;
            dash::Manifest::read(&text)?.list(base, &mut found)?;
        }
        Format::Smooth => {
            let text = xml::decoded(text, limits.text_bytes_max)?;
            smooth::read(&text, base, &mut found)?;
        }
    }
    Ok(found.listing)
}
