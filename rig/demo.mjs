// Plays an hour of flow logs through the forwarder on the local rig, and verifies what arrived in the hub.

import { access, constants } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { play, prepare } from "./demo/hour.mjs";
import { Verifier } from "./demo/verifier.mjs";
import { readBack } from "./demo/read-back.mjs";
import { bytes, count, Screen } from "./demo/screen.mjs";
import { BINARY, HUB, settings } from "./forwarder.mjs";
import { FunctionsHost } from "./host.mjs";
import { DEFAULTS } from "./hub/store.mjs";
import { startRig } from "./rig.mjs";

const MAX_MESSAGE_BYTES = DEFAULTS.maxMessageSize;
/** The hour that the ratio of bytes read to bytes delivered is checked for. */
const DEFAULT_HOUR = { nics: 6, commits: 60 };
const MAX_READ_RATIO = 1.05;
const SHOWN_LOG_LINES = 5;
const MAX_LINE_LENGTH = 400;

const OPTIONS = {
  handler: { type: "string", default: BINARY },
  file: { type: "string", default: process.env.FILE || undefined },
  nics: { type: "string" },
  commits: { type: "string" },
  seed: { type: "string", default: "1" },
  lose: { type: "string", default: "0.05" },
  help: { type: "boolean", default: false },
};

const HELP = `node demo.mjs [option…]
  --handler PATH   the forwarder's binary (${BINARY})
  --file PATH      play this PT1H.json, cut at record boundaries, instead of a generated hour (or FILE=PATH)
  --nics N         network interfaces, one blob each (${DEFAULT_HOUR.nics})
  --commits N      commits to each blob in the hour (${DEFAULT_HOUR.commits})
  --seed N         seed of all random data (1)
  --lose P         share of the events that are lost, 0 to 1; the sweep must forward their records (0.05)
`;

class UsageError extends Error {}

function wholeNumber(text, name) {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`--${name} must be a whole number above 0, not '${text}'`);
  return Number(text);
}

/**
 * Plays the hour and verifies the result.
 * @param {{handler: {command: string, args?: string[]}, screen: Screen, nics?: number, commits?: number, seed?: unknown,
 *   file?: string, lose?: number}} options
 * @returns {Promise<{ok: boolean, verdict: object, figures: object, problems: string[]}>}
 */
export async function demo({ handler, screen, nics = DEFAULT_HOUR.nics, commits = DEFAULT_HOUR.commits, seed = 1, file, lose = 0 }) {
  let log = "";
  const rig = await startRig({ storageProxy: true, seed, maxMessageSize: MAX_MESSAGE_BYTES });
  let host;
  try {
    const { watcher, endpoints, proxy } = rig;
    const verifier = new Verifier(MAX_MESSAGE_BYTES);
    const { minutes, interfaces } = await prepare({ watcher, nics, commits, seed, file });
    host = await FunctionsHost.start({
      ...handler, env: settings(endpoints, process.env.RUST_LOG), onOutput: (text) => { log = (log + text).slice(-20_000); },
    });
    proxy.reset();

    const played = file === undefined ? `${count(nics)} network interfaces, ${commits} commits each` : file;
    screen.heading(`Playing an hour of flow logs: ${played}`);
    const started = Date.now();
    const tally = await play({
      watcher, host, verifier, interfaces, seed, lose, maxMessageBytes: MAX_MESSAGE_BYTES,
      onMinute: (progress) => screen.progress(progress, minutes),
    });
    let sweep;
    if (lose > 0) sweep = await host.invokeTimer("FlowLogSweep");
    const seconds = (Date.now() - started) / 1000;
    const storage = proxy.report();
    screen.line("Reading the hub back with Microsoft's @azure/event-hubs client…");
    await readBack(endpoints.hubConnection, HUB, (body) => verifier.receive(body));

    const verdict = verifier.verdict();
    const figures = {
      ...tally, seconds, messages: verifier.messages, delivered: verifier.messageBytes, read: storage.blobReadBytes,
      readPerDelivered: storage.blobReadBytes / Math.max(1, verifier.messageBytes), calls: storage.requests, host: host.counts,
    };
    const limitsReading = file === undefined && nics === DEFAULT_HOUR.nics && commits === DEFAULT_HOUR.commits;
    const problems = problemsOf({ verdict, figures, sweep, limitsReading, verifier });
    report(screen, verdict, figures);
    screen.verdict(problems.length === 0, problems.length === 0 ? ["Every record arrived, once, byte for byte."] : problems);
    if (problems.length > 0 && log.trim() !== "") {
      screen.line();
      screen.line("The forwarder's last log lines:");
      for (const line of log.trim().split("\n").slice(-SHOWN_LOG_LINES)) screen.line(`  ${line.slice(0, MAX_LINE_LENGTH)}`);
    }
    return { ok: problems.length === 0, verdict, figures, problems };
  } finally {
    await host?.stop();
    await rig.stop();
  }
}

function problemsOf({ verdict, figures, sweep, limitsReading, verifier }) {
  const problems = [];
  if (verdict.missing > 0) problems.push(`LOST: ${count(verdict.missing)} records were committed and never arrived.`);
  if (verdict.duplicates > 0) problems.push(`DOUBLED: ${count(verdict.duplicates)} records arrived more than once.`);
  if (verdict.altered > 0) problems.push(`ALTERED: ${count(verdict.altered)} records arrived with bytes that were never committed.`);
  if (verdict.malformed > 0) problems.push(`MALFORMED: ${count(verdict.malformed)} messages are not of the form {"records":[…]}; the first: ${verifier.malformed[0]}`);
  if (limitsReading && figures.readPerDelivered > MAX_READ_RATIO) {
    problems.push(`WASTEFUL: ${figures.readPerDelivered.toFixed(3)} bytes were read for each byte delivered; at most ${MAX_READ_RATIO} are allowed in this hour.`);
  }
  const [first] = figures.givenUp;
  if (first) problems.push(`FAILED: ${count(figures.givenUp.length)} events failed in all their deliveries; the first: ${first.reason}`);
  if (sweep && !sweep.ok) problems.push(`FAILED: the sweep: ${sweep.reason}`);
  return problems;
}

function report(screen, verdict, figures) {
  const { naive } = figures;
  screen.table("Records", [
    ["committed by Network Watcher", count(verdict.committed)],
    ["received from the Event Hub", count(verdict.received), verdict.inParts > 0 ? `${count(verdict.inParts)} too long for one message, in parts` : ""],
    ["missing", count(verdict.missing)],
    ["duplicates", count(verdict.duplicates)],
    ["byte-exact", verdict.byteExact ? "yes" : "no", verdict.altered > 0 ? `${count(verdict.altered)} altered` : ""],
  ]);
  const retries = figures.host.retried > 0 ? `, ${count(figures.host.retried)} retries` : "";
  screen.table("On the way", [
    ["events delivered", count(figures.events), `${count(figures.late)} late, ${count(figures.doubled)} doubled, ${count(figures.lost)} lost${retries}`],
    ["messages", count(figures.messages), `${bytes(figures.delivered)} in ${figures.seconds.toFixed(1)} s`],
    ["bytes read per byte delivered", figures.readPerDelivered.toFixed(3), `${bytes(figures.read)} read from storage`],
    ["storage calls per event", (figures.calls / Math.max(1, figures.events)).toFixed(1), `${count(figures.calls)} calls, checkpoints included`],
  ]);
  const limit = naive.tooLong > 0 ? `${count(naive.tooLong)} of ${count(naive.sends)} sends` : "none";
  screen.table("The vendors' ten-line function, for the same events", [
    ["bytes it would have sent", bytes(naive.bytes), `${(naive.bytes / Math.max(1, figures.delivered)).toFixed(1)} times what was delivered here`],
    ["over the hub's 1 MB limit, so refused", limit],
  ]);
}

async function main() {
  let values;
  try {
    ({ values } = parseArgs({ options: OPTIONS }));
  } catch (error) {
    throw new UsageError(`${error.message} (--help shows the options)`);
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const handler = resolve(values.handler);
  const file = values.file === undefined ? undefined : resolve(values.file);
  await access(handler, constants.X_OK).catch(() => {
    throw new UsageError(`no executable at ${handler}: run 'cargo build --release', or name another binary with --handler`);
  });
  if (file !== undefined) {
    await access(file, constants.R_OK).catch(() => {
      throw new UsageError(`cannot read ${file}: FILE or --file must name a PT1H.json`);
    });
  }
  const lose = Number(values.lose);
  if (!(lose >= 0 && lose <= 1)) throw new UsageError(`--lose must be a number from 0 to 1, not '${values.lose}'`);
  const { ok } = await demo({
    handler: { command: handler }, screen: new Screen(), file, lose, seed: values.seed,
    nics: values.nics === undefined ? undefined : wholeNumber(values.nics, "nics"),
    commits: values.commits === undefined ? undefined : wholeNumber(values.commits, "commits"),
  });
  return ok ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`demo: ${error.message}\n`);
    process.exitCode = error instanceof UsageError ? 64 : 1;
  }
}
