//! The room against real parts: raw sockets that lie, HTTP/2 shields over mutual TLS, files, and
//! a real S3 server.

#[cfg(test)]
mod close;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod http_origin;
#[cfg(test)]
mod liar;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod seaweed;
#[cfg(test)]
mod shield;
#[cfg(test)]
mod shields;
#[cfg(test)]
mod support;
