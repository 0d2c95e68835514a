//! Why a manifest is refused.

use signing::Label;

use crate::{Digest, Wrong};

/// Why a manifest is refused. What was active before stays as it is; the text is for the one who
/// sent it and for the audit log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No line of signatures, or none in it.
    #[error("the manifest is not signed; sign it with `millpond manifest sign`")]
    Unsigned,
    /// A key that we know has not signed these bytes.
    #[error("the signature of key {0} is not one of these bytes")]
    BadSignature(Label),
    /// A signature of a key whose time has not come or is over.
    #[error("key {0} is not valid now")]
    KeyNotValid(Label),
    /// Too few of the keys that may sign this.
    #[error(
        "{signed} of {threshold} keys with role `{role}` have signed{}",
        told(others)
    )]
    BelowThreshold {
        /// What was to be allowed.
        role: &'static str,
        /// Keys with this role that have signed.
        signed: usize,
        /// Keys that are needed.
        threshold: usize,
        /// Key ids that have signed and do not count: unknown, or without the role.
        others: Vec<String>,
    },
    /// Made for another node.
    #[error("the manifest is for {audience}; this node is {ours}")]
    OtherAudience {
        /// As the manifest says.
        audience: Label,
        /// As we are called.
        ours: Label,
    },
    /// Not newer than what is here.
    #[error("generation {generation} is not above {current}, which is here already")]
    Replayed {
        /// Of the manifest.
        generation: u64,
        /// Of the node.
        current: u64,
    },
    /// A delta against another plan.
    #[error("the delta is against generation {base}; here is {current}; send a full manifest")]
    OtherBase {
        /// Of the manifest.
        base: u64,
        /// Of the node.
        current: u64,
    },
    /// It follows another manifest than the one that is here.
    #[error(
        "the manifest follows {previous}; here is {}; send a full manifest without `previous`",
        current.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
    )]
    OtherPrevious {
        /// Of the manifest.
        previous: Digest,
        /// Of the node.
        current: Option<Digest>,
    },
    /// Its time is over.
    #[error("the manifest expired at {expires_s}; it is {now_s}")]
    Expired {
        /// When, in seconds since the Unix epoch.
        expires_s: u64,
        /// By our clock.
        now_s: u64,
    },
    /// Made in the future: one of the clocks is wrong.
    #[error("the manifest was issued at {issued_s}; it is {now_s}: look at both clocks")]
    FromTheFuture {
        /// When, in seconds since the Unix epoch.
        issued_s: u64,
        /// By our clock.
        now_s: u64,
    },
    /// It would drop too much of what is planned.
    #[error(
        "the manifest drops {dropped_bytes} of {planned_bytes} planned bytes, over \
         {percent_max} %; if that is meant, sign it with `allow_mass_eviction`"
    )]
    MassEviction {
        /// Bytes of the present plan that it does not list, or has with other content.
        dropped_bytes: u64,
        /// Bytes of the present plan.
        planned_bytes: u64,
        /// What may go without the flag.
        percent_max: u8,
    },
    /// Over a limit, told before it is read.
    #[error("{what}: {found}, over the limit of {max}")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// How much at least.
        found: u64,
        /// How much may be.
        max: u64,
    },
    /// Not the format.
    #[error("line {line}: {problem}")]
    Malformed {
        /// Line of the file, from 1, signatures included.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
    /// A format that came after this program.
    #[error("schema {found}; this program reads {known}: update the node, or write the older one")]
    NewerSchema {
        /// As the manifest says, cut.
        found: String,
        /// The newest that is known.
        known: &'static str,
    },
    /// Something that must be understood is not.
    #[error("member `{0}` is critical and not known here")]
    CriticalUnknown(String),
    /// Members that a manifest never has, because nodes would have to follow them elsewhere.
    #[error("line {line}: member `{name}`: a manifest names no hosts and includes nothing")]
    NamesHosts {
        /// Line of the file.
        line: u64,
        /// The member.
        name: String,
    },
    /// Valid longer than a manifest may be.
    #[error("the manifest is valid for {lifetime_s} s; at most {max_s} s are accepted")]
    LivesTooLong {
        /// From issued to expires.
        lifetime_s: u64,
        /// The limit.
        max_s: u64,
    },
    /// Well-formed, but saying what cannot be.
    #[error("line {line}: {wrong}")]
    Wrong {
        /// Line of the file; the last one for what is wrong with all of them.
        line: u64,
        /// What.
        wrong: Wrong,
    },
}

impl Refused {
    /// The status of an answer to who pushed it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::Unsigned
            | Self::BadSignature(_)
            | Self::KeyNotValid(_)
            | Self::BelowThreshold { .. }
            | Self::OtherAudience { .. } => 403,
            Self::Replayed { .. }
            | Self::OtherBase { .. }
            | Self::OtherPrevious { .. }
            | Self::Expired { .. }
            | Self::FromTheFuture { .. }
            | Self::MassEviction { .. } => 409,
            Self::TooLarge { .. } => 413,
            Self::NewerSchema { .. }
            | Self::CriticalUnknown(_)
            | Self::NamesHosts { .. }
            | Self::LivesTooLong { .. }
            | Self::Wrong { .. } => 422,
        }
    }

    /// A word for a metric label, from a small fixed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::BadSignature(_) => "bad_signature",
            Self::KeyNotValid(_) => "key_not_valid",
            Self::BelowThreshold { .. } => "below_threshold",
            Self::OtherAudience { .. } => "other_audience",
            Self::Replayed { .. } => "replayed",
            Self::OtherBase { .. } => "other_base",
            Self::OtherPrevious { .. } => "other_previous",
            Self::Expired { .. } => "expired",
            Self::FromTheFuture { .. } => "from_the_future",
            Self::MassEviction { .. } => "mass_eviction",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::NewerSchema { .. } => "newer_schema",
            Self::CriticalUnknown(_) => "critical_unknown",
            Self::NamesHosts { .. } => "names_hosts",
            Self::LivesTooLong { .. } => "lives_too_long",
            Self::Wrong { .. } => "wrong",
        }
    }
}

fn told(others: &[String]) -> String {
    if others.is_empty() {
        return String::new();
    }
    format!(" (not counted: {})", others.join(", "))
}
