//! A server to measure.

/// A server under one of its settings.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What the table calls it.
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// Stands before every path: a token, or nothing.
    pub(crate) prefix: String,
    /// All its processes.
    pub(crate) pids: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The edge as in production.
    Signed,
    /// The edge without signed URLs.
    Open,
    Nginx,
}

impl Target {
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let (host, port) = (self.host, self.port);
        format!("https://{host}:{port}{}", self.target(path))
    }
}
