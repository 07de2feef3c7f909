// Plays an hour of Network Watcher against a handler: commits blobs and delivers their events.

import { readFile } from "node:fs/promises";
import { deliveriesOf } from "../host.mjs";
import { thisHour } from "../watcher/names.mjs";
import { seeded } from "../watcher/random.mjs";
import { recordsOf } from "../watcher/record-scanner.mjs";

const SAMPLES = new URL("../fixtures/samples.json", import.meta.url);

/** Traffic of an interface: ranges for the tuples in a record and the records in a commit. */
const PROFILES = [
  { tuples: [150, 320], records: [1, 3] },
  { tuples: [30, 110], records: [1, 3] },
  { tuples: [4, 30], records: [1, 2] },
];

const BUSY = 0;

/** The commits to one interface's blob, as arguments of `watcher.append`. */
function* generatedCommits(nic, commits, random, samples) {
  const profile = PROFILES[nic === 0 ? BUSY : random.int(1, PROFILES.length - 1)];
  for (let i = 0; i < commits; i += 1) {
    if (i === 1 && samples) {
      yield { given: samples };
      continue;
    }
    yield {
      records: random.int(...profile.records),
      tuples: random.int(...profile.tuples),
      style: random.chance(0.25) ? "mixed" : "usual",
      separator: random.chance(0.85) ? "comma" : random.pick(["crlf", "lines", "wide"]),
    };
  }
}

/** The records of a file, spread over `commits` commits in order. */
function* fileCommits(records, commits) {
  const cut = (i) => Math.floor((i * records.length) / commits);
  for (let i = 0; i < commits; i += 1) yield { given: records.slice(cut(i), cut(i + 1)) };
}

/**
 * What to play: `{minutes, interfaces: [{blob, commits}]}`, where `commits` is an iterator.
 * @param {{watcher: object, nics: number, commits: number, seed: unknown, file?: string}} options
 */
export async function prepare({ watcher, nics, commits, seed, file }) {
  const hour = thisHour();
  const random = seeded(`hour ${seed}`);
  const create = async () => (await watcher.create({ mac: `00224871${random.hex(4)}`.toUpperCase(), hour })).blob;
  if (file !== undefined) {
    const records = recordsOf(await readFile(file));
    if (records.length === 0) throw new RangeError(`${file} has no records`);
    const minutes = Math.min(commits, records.length);
    return { minutes, interfaces: [{ blob: await create(), commits: fileCommits(records, minutes) }] };
  }
  const samples = recordsOf(await readFile(SAMPLES));
  const interfaces = [];
  for (let nic = 0; nic < nics; nic += 1) {
    const commitsOfNic = generatedCommits(nic, commits, seeded(`nic ${nic} ${seed}`), nic === nics - 1 ? samples : undefined);
    interfaces.push({ blob: await create(), commits: commitsOfNic });
  }
  return { minutes: commits, interfaces };
}

/** Counts what the vendors' function would do: at each event, read the whole blob and send it as one message. */
class Naive {
  constructor(maxMessageBytes) {
    Object.assign(this, { maxMessageBytes, sends: 0, bytes: 0, tooLong: 0 });
  }

  onEvent(blobLength) {
    this.sends += 1;
    this.bytes += blobLength;
    if (blobLength > this.maxMessageBytes) this.tooLong += 1;
  }
}

/**
 * Commits and delivers until the hour is over and every delivery has ended.
 * @param {{watcher: object, host: object, verifier: object, interfaces: object[], seed: unknown, lose: number,
 *   maxMessageBytes: number, onMinute: (progress: object) => void}} options
 * @returns {Promise<{commits: number, events: number, doubled: number, late: number, lost: number, naive: Naive, givenUp: object[]}>}
 */
export async function play({ watcher, host, verifier, interfaces, seed, lose, maxMessageBytes, onMinute }) {
  const random = seeded(`deliveries ${seed}`);
  const naive = new Naive(maxMessageBytes);
  const tally = { commits: 0, events: 0, doubled: 0, late: 0, lost: 0, naive, givenUp: [] };
  const lengths = new Map();
  const due = new Map();
  const running = new Set();

  const deliver = async ({ blob, event }) => {
    naive.onEvent(lengths.get(blob));
    tally.events += 1;
    const { ok, reason } = await host.deliver(event, { attempts: 6, speedUp: 100 });
    if (!ok) tally.givenUp.push({ blob, reason });
  };

  const schedule = (minute, blob, event, plan) => {
    if (plan.length === 0) tally.lost += 1;
    if (plan.length > 1) tally.doubled += 1;
    if (plan[0] > 0) tally.late += 1;
    for (const wait of plan) {
      if (!due.has(minute + wait)) due.set(minute + wait, []);
      due.get(minute + wait).push({ blob, event });
    }
  };

  const commit = async (minute, { blob, commits }, plan, wording) => {
    const { value, done } = commits.next();
    if (done) return false;
    const { event, records, contentLength } = await watcher.append({ blob, ...value, wording });
    for (const record of records) verifier.commit(Buffer.from(record, "base64"));
    lengths.set(blob, contentLength);
    tally.commits += 1;
    schedule(minute, blob, event, plan);
    return true;
  };

  const startDeliveries = (minute) => {
    for (const delivery of random.shuffle(due.get(minute) ?? [])) {
      const work = deliver(delivery).finally(() => running.delete(work));
      running.add(work);
    }
    due.delete(minute);
  };

  for (let minute = 0, open = true; open || due.size > 0; minute += 1) {
    // Drawn before anything is awaited, so that the same seed gives the same schedule.
    const drawn = interfaces.map(() => [deliveriesOf(random, { lose }), {
      schema: random.chance(0.5) ? "grid" : "cloud", quotedETag: random.chance(0.5), encodeUrl: random.chance(0.7),
    }]);
    const grown = await Promise.all(interfaces.map((nic, i) => commit(minute, nic, ...drawn[i])));
    open = grown.some(Boolean);
    startDeliveries(minute);
    // Usually the handler finishes before the next commit; sometimes the blobs grow while it works.
    if (random.chance(0.75) || !open) await Promise.all(running);
    if (open) onMinute({ minute: minute + 1, commits: tally.commits, records: verifier.committed, events: tally.events });
  }
  await Promise.all(running);
  return tally;
}
