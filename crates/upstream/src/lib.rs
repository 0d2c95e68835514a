//! Towards the next hop: shields, object storage and HTTP origins.
