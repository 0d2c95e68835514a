//! The edge node: signed URLs in front of the cache, shields behind it.
