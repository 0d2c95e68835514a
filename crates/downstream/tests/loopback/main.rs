//! The room from outside, over loopback.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod support;
