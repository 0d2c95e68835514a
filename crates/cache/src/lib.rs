//! The HTTP cache: lookup, serve, fill, collapse and revalidate.
