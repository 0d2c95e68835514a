//! What the service manager is told (`sd_notify(3)`). Without one, nothing happens.

use std::{io, time::Duration};

use sd_notify::NotifyState;
use tokio::{task::JoinHandle, time::MissedTickBehavior};

/// The process answers.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell the service manager of a reload"),
    }
}

/// The process ends, within `deadline`, whatever the unit says.
pub(super) fn stopping(deadline: Duration) {
    let us = u32::try_from(deadline.as_micros()).unwrap_or(u32::MAX);
    let status = NotifyState::Status("draining");
    notify(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(us),
        status,
    ]);
}

/// Tells the service manager three times in each period that this runtime still turns, if it
/// wants to know. The task ends when it is aborted.
pub(super) fn watchdog() -> Option<JoinHandle<()>> {
    let mut period_us = 0;
    if !sd_notify::watchdog_enabled(false, &mut period_us) || period_us == 0 {
        return None;
    }
    Some(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_micros(period_us / 3).max(TICK_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Off the runtime: a service manager that does not read blocks whoever writes.
            let told = tokio::task::spawn_blocking(|| notify(&[NotifyState::Watchdog])).await;
            if told.is_err() {
                return;
            }
        }
    }))
}

/// A watchdog period in microseconds must not make us spin.
const TICK_MIN: Duration = Duration::from_millis(10);

fn notify(states: &[NotifyState<'_>]) {
    let told: io::Result<()> = sd_notify::notify(false, states);
    if let Err(error) = told {
        tracing::warn!(%error, "cannot tell the service manager of our state");
    }
}
