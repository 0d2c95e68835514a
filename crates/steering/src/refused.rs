//! Why something was not done, in one word for programs and a status for HTTP.

use http::StatusCode;

/// What kind of refusal it is. The word is part of the API: it never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The request makes no sense.
    Malformed,
    /// It comes from a page in a browser.
    Browser,
    /// The name in the client's certificate may not do this.
    Role,
    /// Nothing is there under this address.
    NotFound,
    /// The address does not take this method.
    Method,
    /// The body did not come in time.
    TooSlow,
    /// The body is larger than may be.
    TooLarge,
    /// The body is of another kind than this address takes.
    MediaType,
    /// More requests than this client may make.
    RateLimited,
    /// The change could not be noted down, so it was not made.
    AuditUnwritable,
    /// A manifest's signature is absent, wrong, or of a key without the right.
    ManifestUntrusted,
    /// A manifest is for somebody else.
    ManifestAudience,
    /// A manifest is not newer than what is in force, or does not build on it.
    ManifestGeneration,
    /// A manifest is not valid at this time.
    ManifestExpired,
    /// A manifest would drop more than may be dropped without a word.
    ManifestEviction,
    /// A manifest has a field that must be understood and is not.
    ManifestUnsupported,
    /// A manifest comes from a source that has sent too many bad ones.
    ManifestQuarantined,
    /// No site of this node has this host.
    UnknownHost,
    /// The object could not be had from upstream.
    Content,
    /// There is no room, or the disks refuse.
    NoRoom,
    /// So much is under way that no more is taken.
    Busy,
    /// A command that came back to where it was before.
    Loop,
    /// This node cannot do that.
    Unsupported,
    /// It contradicts what is under way.
    Conflict,
    /// Something of ours failed.
    Failed,
}

impl Reason {
    /// All of them, for the document of the API.
    pub const ALL: [Self; 25] = [
        Self::Malformed,
        Self::Browser,
        Self::Role,
        Self::NotFound,
        Self::Method,
        Self::TooSlow,
        Self::TooLarge,
        Self::MediaType,
        Self::RateLimited,
        Self::AuditUnwritable,
        Self::ManifestUntrusted,
        Self::ManifestAudience,
        Self::ManifestGeneration,
        Self::ManifestExpired,
        Self::ManifestEviction,
        Self::ManifestUnsupported,
        Self::ManifestQuarantined,
        Self::UnknownHost,
        Self::Content,
        Self::NoRoom,
        Self::Busy,
        Self::Loop,
        Self::Unsupported,
        Self::Conflict,
        Self::Failed,
    ];

    /// The word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Browser => "browser",
            Self::Role => "role",
            Self::NotFound => "not_found",
            Self::Method => "method",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::MediaType => "media_type",
            Self::RateLimited => "rate_limited",
            Self::AuditUnwritable => "audit_unwritable",
            Self::ManifestUntrusted => "manifest_untrusted",
            Self::ManifestAudience => "manifest_audience",
            Self::ManifestGeneration => "manifest_generation",
            Self::ManifestExpired => "manifest_expired",
            Self::ManifestEviction => "manifest_eviction",
            Self::ManifestUnsupported => "manifest_unsupported",
            Self::ManifestQuarantined => "manifest_quarantined",
            Self::UnknownHost => "unknown_host",
            Self::Content => "content",
            Self::NoRoom => "no_room",
            Self::Busy => "busy",
            Self::Loop => "loop",
            Self::Unsupported => "unsupported",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }

    /// The status of the response.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::Loop => StatusCode::BAD_REQUEST,
            Self::Browser | Self::Role | Self::ManifestUntrusted | Self::ManifestAudience => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound | Self::UnknownHost => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited | Self::ManifestQuarantined => StatusCode::TOO_MANY_REQUESTS,
            Self::ManifestGeneration
            | Self::ManifestExpired
            | Self::ManifestEviction
            | Self::Conflict => StatusCode::CONFLICT,
            Self::ManifestUnsupported => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Content => StatusCode::BAD_GATEWAY,
            Self::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Self::AuditUnwritable | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.code())]
pub struct Refused {
    /// What kind of refusal it is.
    pub reason: Reason,
    /// What exactly is wrong, for people; it is sent to the client.
    pub detail: String,
    /// When it is worth another try, if that is known: the client is told in `Retry-After`.
    pub not_before_unix_s: Option<u64>,
}

impl Refused {
    /// A refusal.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            not_before_unix_s: None,
        }
    }

    /// The same, with the time from which on it is worth another try.
    #[must_use]
    pub fn not_before(self, unix_s: u64) -> Self {
        Self {
            not_before_unix_s: Some(unix_s),
            ..self
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Reason::Malformed, detail)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let words: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(
            Reason::ALL
                .iter()
                .all(|reason| reason.status().as_u16() >= 400)
        );
    }
}
