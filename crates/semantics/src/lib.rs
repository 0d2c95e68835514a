//! HTTP caching rules as pure decisions.
