//! URL grammar, token formats and key sets; verify and sign, purely.
//!
//! No I/O, no clock and no async: `now_s` is an argument, key files are bytes that a caller read.
//! The order on a request's way:
//!
//! 1. [`Carriers::find`] takes the token out of the path, the query or a cookie. What is left is
//!    all that the key, the log and upstream ever see. [`Malformed`] is answered with 400.
//! 2. [`ObjectPath::parse`] holds the path to a byte grammar. [`Malformed`] again.
//! 3. [`Verifier::admit`] says who may have what: a [`Grant`], or [`Denied`], answered with 403
//!    and one body for all reasons.
//!
//! The native token format is drawn in [`token`]. What a scheme has to yield for the verifier is
//! small (key id, [`Claims`], signed message, signature), so that other vendors' schemes can be
//! decoded beside it.

mod carrier;
mod claims;
pub mod cloudfront;
mod denied;
pub mod edge_auth;
mod error;
mod glob;
mod hex;
mod key;
mod key_file;
mod key_set;
mod label;
pub mod media_cdn;
mod net;
mod nonces;
mod path;
mod percent;
mod policy;
mod presented;
mod recent;
mod region;
mod revoked;
mod scheme;
mod scope;
mod session;
pub mod token;
pub mod uri_signing;
mod url_scope;
mod verifier;
mod wild;

pub use carrier::{Carrier, Carriers, Found, Names};
pub use claims::{Claims, Facts, Fields, Grant};
pub use denied::Denied;
pub use error::{Error, Malformed};
pub use glob::{GLOB_BYTES_MAX, GLOBS_MAX, Glob};
pub use key::{
    Algorithm, DecryptionKey, HMAC_SECRET_BYTES_MAX, HMAC_SECRET_BYTES_MIN, SigningKey, VerifyKey,
};
pub use key_set::{KEY_FILE_BYTES_MAX, KEYS_MAX, KeySet};
pub use label::{LABEL_BYTES_MAX, Label};
pub use net::ClientNet;
pub use nonces::{Nonce, Nonces};
pub use path::{Grammar, OBJECT_PATH_BYTES_MAX, ObjectPath};
pub use policy::{Jti, Policy};
pub use presented::Token;
pub use region::Regions;
pub use revoked::{REVOKED_FILE_BYTES_MAX, Revoked};
pub use scheme::{Scheme, Schemes};
pub use scope::Scope;
pub use session::{Exchange, exchange};
pub use token::{TOKEN_CHARS_MAX, TokenDigest, sign};
pub use url_scope::UrlScope;
pub use verifier::Verifier;
