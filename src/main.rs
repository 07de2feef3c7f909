//! The custom handler that the Functions host starts: `flowlog-forwarder`, without arguments.

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

/// How long work in progress may take to save its progress and end after a signal: as long as an event has.
/// A container gets 30 s before it is killed, and [`CLOSE`] has to fit in as well.
const DRAIN: Duration = Duration::from_secs(25);

/// How long parting from the hub may take.
const CLOSE: Duration = Duration::from_secs(2);

/// The status for wrong settings (`EX_USAGE` of `sysexits.h`): neither 0, after which the host would not
/// start the process again, nor 200, which asks for a restart that does not count as a failure.
const WRONG_SETTINGS: u8 = 64;

fn main() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(errors) => return fail(WRONG_SETTINGS, &errors),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format_args!("stopped: {error:#}")),
    }
}

/// Says why the process ends. The host shows lines of standard error as errors, so here they belong.
#[expect(clippy::print_stderr, reason = "the last words of the process, when logging may not have begun")]
fn fail(status: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("flowlog-forwarder: {reason}");
    ExitCode::from(status)
}

fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log).map_err(anyhow::Error::from_boxed).context("logging can't be started")?;
    // One thread: the work is to move bytes, of which one core moves more than a network brings; and buffers
    // that are freed by the thread that took them are used again. Measured while catching up with 512 MB, a
    // thread for each of two cores costs 40 % more CPU and 20 % more memory (docs/performance.md).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(listen(config));
    // A name lookup under way can't be cancelled: don't wait for it.
    runtime.shutdown_background();
    result
}

/// Serves the host until a signal asks the process to stop.
async fn listen(config: Config) -> anyhow::Result<()> {
    // Before anything that takes time: the host waits for this port.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port))
        .await
        .with_context(|| format!("port {} can't be listened on", config.port))?;
    let stop = stop_signal()?;
    let App { handler, hub } = app::build(&config)?;
    tracing::info!(port = config.port, "listening");
    host::serve(listener, handler, stop, DRAIN).await;
    hub.close(Instant::now() + CLOSE).await;
    tracing::info!("stopped");
    Ok(())
}

/// Ready at the first SIGTERM (a container that stops) or SIGINT (Ctrl-C).
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
