//! The shield node: mutual TLS in front of the cache, object storage behind it.
