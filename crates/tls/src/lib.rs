//! Certificates, SNI, ALPN, mutual TLS and hot swap over rustls.
