//! The custom handler that the Functions host starts, without arguments.

use anyhow::Context as _;
use flowlog_forwarder::app::{self, App};
use flowlog_forwarder::config::Config;
use flowlog_forwarder::host;
use flowlog_forwarder::host::telemetry;
use std::future::Future;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long running invocations may take to save their progress after a signal: as long as one event may
/// take. A container is killed after 30 s, and [`CLOSE_TIMEOUT`] must fit in as well.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);

/// How long closing the connection to the hub may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Exit status for invalid settings (`EX_USAGE` of `sysexits.h`). After 0 the host would not restart the
/// process; 200 requests a restart that does not count as a failure.
const INVALID_SETTINGS: u8 = 64;

fn main() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(errors) => return fail(INVALID_SETTINGS, &errors),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format_args!("stopped: {error:#}")),
    }
}

/// Prints why the process ends. The host shows standard error as errors.
#[expect(clippy::print_stderr, reason = "logging may not have started")]
fn fail(status: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("flowlog-forwarder: {reason}");
    ExitCode::from(status)
}

fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log).map_err(anyhow::Error::from_boxed).context("can't start logging")?;
    // One thread: one core moves more bytes than the network delivers, and the allocator reuses buffers that
    // the same thread frees. Catching up with 512 MB, two threads cost 40 % more CPU and 20 % more memory
    // (docs/performance.md).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(listen(config));
    // Does not wait for a DNS lookup, which can't be cancelled.
    runtime.shutdown_background();
    result
}

/// Serves the host until a stop signal.
async fn listen(config: Config) -> anyhow::Result<()> {
    // First, because the host waits for this port.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port))
        .await
        .with_context(|| format!("can't listen on port {}", config.port))?;
    let stop = stop_signal()?;
    let App { functions, hub } = app::build(&config)?;
    tracing::info!(port = config.port, "listening");
    host::serve(listener, functions, stop, DRAIN_TIMEOUT).await;
    hub.close(Instant::now() + CLOSE_TIMEOUT).await;
    tracing::info!("stopped");
    Ok(())
}

/// Ready at the first SIGTERM (sent when a container stops) or SIGINT (Ctrl-C).
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
