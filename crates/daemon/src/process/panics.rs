//! Panics, told where an operator looks.

use prometheus::{IntCounter, Registry};

/// Panics become events, and a counter that is worth an alarm.
pub(super) fn tell_of_panics(registry: &Registry) -> Result<(), prometheus::Error> {
    let help = "Panics: each is a bug. The request or task that it hit is lost, the rest goes on.";
    let panics = IntCounter::new("millpond_daemon_panics_total", help)?;
    registry.register(Box::new(panics.clone()))?;
    std::panic::set_hook(Box::new(move |panic| {
        panics.inc();
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        tracing::error!(place, message, thread, "panic");
    }));
    Ok(())
}
