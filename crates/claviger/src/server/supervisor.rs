//! What the server tells whoever supervises it (systemd's `sd_notify`): that it serves, that it stops, that it lives.
//!
//! Without `NOTIFY_SOCKET` nobody asked, and nothing is said.

use tokio_util::sync::CancellationToken;

/// Says that requests are answered now, and tells the rest as it comes, until the server has begun to stop.
#[cfg(unix)]
pub(super) async fn inform(stop: CancellationToken) {
    use sd_notify::NotifyState;

    tell(NotifyState::Ready);
    match sd_notify::watchdog_enabled() {
        None => stop.cancelled().await,
        Some(patience) => {
            // Twice as often as demanded, as the protocol advises.
            let mut pulse = tokio::time::interval(patience / 2);
            while stop.run_until_cancelled(pulse.tick()).await.is_some() {
                tell(NotifyState::Watchdog);
            }
        }
    }
    tell(NotifyState::Stopping);
}

#[cfg(unix)]
fn tell(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor (NOTIFY_SOCKET) cannot be reached");
    }
}

#[cfg(not(unix))]
pub(super) async fn inform(stop: CancellationToken) {
    stop.cancelled().await;
}
