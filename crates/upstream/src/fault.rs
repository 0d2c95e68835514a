//! What went wrong below HTTP, in RFC 9209's names.

use std::{error::Error as StdError, io};

use message::{Error, Kind};

/// While what was going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Connecting, TLS included.
    Connect,
    /// Between the request and the end of the response head.
    Head,
    /// Within the body.
    Body,
}

/// Names what a connection or an exchange failed with, by the deepest cause that says something.
pub(crate) fn of(phase: Phase, whom: &str, error: &(dyn StdError + 'static)) -> Error {
    let mut detail = format!("{whom}: {error}");
    let mut kind = None;
    let mut cause = Some(error);
    while let Some(current) = cause {
        kind = named(phase, current).or(kind);
        cause = current.source();
        if let Some(deeper) = cause {
            let text = deeper.to_string();
            if !detail.ends_with(&text) {
                detail = format!("{detail}: {text}");
            }
        }
    }
    Error::new(kind.unwrap_or(Kind::ConnectionTerminated), detail)
}

fn named(phase: Phase, error: &(dyn StdError + 'static)) -> Option<Kind> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_hyper(phase, error);
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        // What our side refuses is the peer's breach of the protocol; what the peer resets is a
        // termination.
        let breach = error.is_library() && error.reason() != Some(h2::Reason::NO_ERROR);
        return Some(if breach {
            Kind::HttpProtocolError
        } else {
            Kind::ConnectionTerminated
        });
    }
    // `io::Error` hides what it wraps from `source`.
    let error = error.downcast_ref::<io::Error>()?;
    match error.get_ref() {
        Some(inner) => named(phase, inner).or_else(|| of_io(phase, error)),
        None => of_io(phase, error),
    }
}

fn of_tls(error: &rustls::Error) -> Kind {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate,
        ) => Kind::TlsCertificateError,
        _ => Kind::TlsProtocolError,
    }
}

fn of_hyper(phase: Phase, error: &hyper::Error) -> Option<Kind> {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        return Some(Kind::HttpProtocolError);
    }
    if error.is_timeout() {
        return Some(Kind::ConnectionReadTimeout);
    }
    if error.is_incomplete_message() && phase == Phase::Body {
        return Some(Kind::HttpResponseIncomplete);
    }
    (error.is_canceled() || error.is_closed() || error.is_incomplete_message())
        .then_some(Kind::ConnectionTerminated)
}

fn of_io(phase: Phase, error: &io::Error) -> Option<Kind> {
    match (error.kind(), phase) {
        (io::ErrorKind::ConnectionRefused, _) => Some(Kind::ConnectionRefused),
        (io::ErrorKind::TimedOut, Phase::Connect) => Some(Kind::ConnectionTimeout),
        (io::ErrorKind::TimedOut, Phase::Head | Phase::Body) => Some(Kind::ConnectionReadTimeout),
        (
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable,
            _,
        ) => Some(Kind::DestinationUnavailable),
        (io::ErrorKind::UnexpectedEof, Phase::Body) => Some(Kind::HttpResponseIncomplete),
        _ => None,
    }
}
