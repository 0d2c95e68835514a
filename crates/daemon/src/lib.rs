//! A good process: config, logs, metrics, admin listener, systemd and drain.
