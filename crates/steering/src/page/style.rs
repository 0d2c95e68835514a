//! How the page looks, and that it may.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

/// The page's only style sheet.
pub(super) const SHEET: &str = include_str!("style.css");

/// A policy that allows this sheet, by its digest, and nothing else (Content Security Policy 3).
pub(super) fn policy() -> String {
    let sheet = STANDARD.encode(digest(&SHA256, SHEET.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{sheet}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}
