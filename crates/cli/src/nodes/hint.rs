//! What may help when a node has not done what it was asked.

use steering::{Reason, client::ClientError};

use super::Failed;

pub(super) fn hint(error: &Failed) -> Option<&'static str> {
    match error {
        Failed::Call(error) => of_call(error),
        Failed::Restless => Some("wait until no more manifests are pushed, and run it again"),
        Failed::Unwritten { .. } => None,
    }
}

fn of_call(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Url { .. } | ClientError::Tls(_) => None,
        ClientError::Broken { what, .. } => Some(of_broken(what)),
        ClientError::Odd(_) => Some("is this a steering API, and of this version?"),
        // What is not found is a generation or a site.
        ClientError::Refused(problem)
            if problem.code == Reason::NotFound.code()
                && problem.detail.starts_with("generation") =>
        {
            Some("`millpond manifest status` tells which one is in force")
        }
        ClientError::Refused(problem) => {
            let reasons = Reason::ALL.into_iter();
            let mut reasons = reasons.filter(|reason| reason.code() == problem.code);
            reasons.next().and_then(of_reason)
        }
    }
}

/// By what TLS says of either certificate, where it says anything.
fn of_broken(what: &str) -> &'static str {
    if what.contains("invalid peer certificate") {
        "that is the node's certificate: is --ca its authority, and is the node called by a name in it?"
    } else if what.contains("fatal alert") {
        "the node refuses our certificate: did the client_ca of its [steering] sign it, and is it still valid?"
    } else {
        "is it up, and is this the `listen` of its [steering]?"
    }
}

fn of_reason(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Role => Some("its config's [steering] says which certificate's name may do what"),
        Reason::NotFound => Some("a site is named as in the node's config, not by its host"),
        Reason::Unsupported => Some("its config's [fill] has no keys, so it takes no manifests"),
        Reason::RateLimited | Reason::Busy | Reason::AuditUnwritable => {
            Some("wait a moment, and run it again")
        }
        Reason::ManifestUntrusted => Some(
            "sign it with a key that its config's [fill] trusts; `millpond manifest verify` tells \
             what is wrong with it",
        ),
        Reason::ManifestAudience => Some(
            "push it to the node it is for, or write it anew with this one as `manifest new --audience`",
        ),
        Reason::ManifestGeneration => Some(
            "`millpond manifest status` tells what is in force; a new one needs a higher number",
        ),
        Reason::ManifestExpired => Some("compare the clocks, and write and sign it anew"),
        Reason::ManifestEviction => Some(
            "if that is meant: `manifest new --allow-mass-eviction`, and a key with the role evict",
        ),
        Reason::Malformed
        | Reason::Browser
        | Reason::Method
        | Reason::TooSlow
        | Reason::TooLarge
        | Reason::MediaType
        | Reason::ManifestUnsupported
        | Reason::ManifestQuarantined
        | Reason::UnknownHost
        | Reason::Content
        | Reason::NoRoom
        | Reason::Loop
        | Reason::Conflict
        | Reason::Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_certificate_is_wrong_is_told() {
        for (what, told) in [
            ("invalid peer certificate: UnknownIssuer", "--ca"),
            ("received fatal alert: CertificateUnknown", "client_ca"),
            ("Connection refused (os error 111)", "is it up"),
        ] {
            let (to, what) = (String::new(), what.to_owned());
            let hint = hint(&ClientError::Broken { to, what }.into()).unwrap_or_default();
            assert!(hint.contains(told), "{hint}");
        }
    }
}
