//! Towards clients: listeners, HTTP/1, 2 and 3, limits and drain.
