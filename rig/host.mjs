// A Functions host stand-in: starts a custom handler as the host does, hands it events as the host does, and judges
// its answers as the host and Event Grid do.

import { randomUUID } from "node:crypto";
import { Agent, request as requestHttp } from "node:http";
import { createServer } from "node:net";
import { release, spawnGuarded } from "./leash.mjs";

const PROBE_EVERY_MS = 25;
const EVENT_GRID_WAITS_MS = 30_000;

/** When Event Grid tries again, in seconds after a failure. */
export const RETRY_SECONDS = [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A port of loopback that nobody listens on. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// What a handler may know of the machine. Nothing else: settings meant for a real account must not leak into a test.
const INHERITED = ["PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE"];
const inherited = () => Object.fromEntries(INHERITED.filter((name) => name in process.env).map((name) => [name, process.env[name]]));

/** How the host would put an Event Grid binding's value on the wire, by the binding's form. */
const DATA_FORMS = {
  object: (event) => event,
  string: (event) => JSON.stringify(event),
  array: (event) => [event],
  "string-array": (event) => JSON.stringify([event]),
};

function eventEnvelope(functionName, event, form) {
  return {
    Data: { eventGridEvent: DATA_FORMS[form](event) },
    Metadata: { data: event.data, sys: { MethodName: functionName, UtcNow: new Date().toISOString(), RandGuid: randomUUID() } },
  };
}

function timerEnvelope(functionName) {
  const now = new Date();
  const at = (minutes) => new Date(now.getTime() + minutes * 60_000).toISOString();
  return {
    Data: { timer: { Schedule: { AdjustForDST: true }, ScheduleStatus: { Last: at(-1), LastUpdated: at(-1), Next: at(1) }, IsPastDue: false } },
    Metadata: { sys: { MethodName: functionName, UtcNow: now.toISOString(), RandGuid: randomUUID() } },
  };
}

/** What the host makes of an answer: `{ok, reason?}`. */
export function judge({ status, contentType, body }) {
  if (status < 200 || status > 299) return { ok: false, reason: `status ${status}: ${body.slice(0, 300)}` };
  if (body.trim() === "" || body.trim() === "null") return { ok: false, reason: `status ${status} with an empty body: the host would wait for the function's timeout` };
  if (!/^application\/json\b/i.test(contentType ?? "")) return { ok: false, reason: `content type '${contentType}', not application/json` };
  try {
    const answer = JSON.parse(body);
    if (answer === null || typeof answer !== "object" || Array.isArray(answer)) throw new SyntaxError("no object");
    return { ok: true, answer };
  } catch (error) {
    return { ok: false, reason: `the body is no JSON object: ${error.message}` };
  }
}

export class FunctionsHost {
  #agent = new Agent({ keepAlive: true });

  constructor(port, handler) {
    this.port = port;
    this.handler = handler;
    this.counts = { invocations: 0, failed: 0, deliveries: 0, retried: 0, givenUp: 0 };
  }

  /**
   * Starts a handler and waits until it answers.
   * @param {{command: string, args?: string[], env?: object, onOutput?: (text: string) => void, readyWithinMs?: number}} how
   */
  static async start({ command, args = [], env = {}, onOutput = () => {}, readyWithinMs = 30_000 }) {
    const port = await freePort();
    const id = randomUUID();
    const handler = await spawnGuarded(command, args, {
      env: {
        ...inherited(), ...env, FUNCTIONS_CUSTOMHANDLER_PORT: String(port), FUNCTIONS_CUSTOMHANDLER_WORKER_ID: id,
        FUNCTIONS_HTTPWORKER_PORT: String(port), FUNCTIONS_HTTPWORKER_ID: id, FUNCTIONS_APP_ROOT_PATH: process.cwd(),
      },
    });
    let output = "";
    for (const stream of [handler.child.stdout, handler.child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        output = (output + text).slice(-4000);
        onOutput(text);
      });
    }
    const host = new FunctionsHost(port, handler);
    let ended;
    handler.exited.then((how) => { ended = how; });
    const giveUp = Date.now() + readyWithinMs;
    while (!(await host.#answers())) {
      if (ended) throw new Error(`${command} ended (exit code ${ended.code}, signal ${ended.signal}) before it answered:\n${output}`);
      if (Date.now() > giveUp) {
        await host.stop();
        throw new Error(`${command} did not answer on port ${port} within ${readyWithinMs} ms:\n${output}`);
      }
      await sleep(PROBE_EVERY_MS);
    }
    return host;
  }

  // Any answer at all means ready; only a refused connection means wait.
  #answers() {
    return new Promise((resolve) => {
      const probe = requestHttp({ host: "127.0.0.1", port: this.port, path: "/", method: "GET" }, (answer) => {
        answer.resume();
        answer.on("end", () => resolve(true));
      });
      probe.on("error", () => resolve(false));
      probe.end();
    });
  }

  #post(functionName, envelope, timeoutMs) {
    return new Promise((resolve, reject) => {
      const request = requestHttp({
        host: "127.0.0.1", port: this.port, path: `/${functionName}`, method: "POST", agent: this.#agent,
        headers: {
          "Content-Type": "application/json; charset=utf-8", "Transfer-Encoding": "chunked",
          "User-Agent": "Azure-Functions-Host/4.1037.0.0", "X-Azure-Functions-HostVersion": "4.1037.0.0",
          "X-Azure-Functions-InvocationId": randomUUID(),
        },
      }, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => resolve({ status: answer.statusCode, contentType: answer.headers["content-type"], body: Buffer.concat(chunks).toString("utf8") }));
        answer.on("error", reject);
      });
      const impatience = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      request.on("error", reject).on("close", () => clearTimeout(impatience));
      const text = JSON.stringify(envelope);
      request.write(text.slice(0, 20));
      request.end(text.slice(20));
    });
  }

  async #invoke(functionName, envelope, timeoutMs) {
    this.counts.invocations += 1;
    let verdict;
    try {
      verdict = judge(await this.#post(functionName, envelope, timeoutMs));
    } catch (error) {
      verdict = { ok: false, reason: error.message };
    }
    if (!verdict.ok) this.counts.failed += 1;
    return verdict;
  }

  /** One invocation for an event: `{ok, reason?, answer?}`. `form`: object, string, array or string-array. */
  invoke(event, { functionName = "FlowLogBlobCreated", form = "object", timeoutMs = EVENT_GRID_WAITS_MS } = {}) {
    return this.#invoke(functionName, eventEnvelope(functionName, event, form), timeoutMs);
  }

  /** One invocation by a timer. */
  invokeTimer(functionName = "FlowLogSweep", { timeoutMs = 300_000 } = {}) {
    return this.#invoke(functionName, timerEnvelope(functionName), timeoutMs);
  }

  /**
   * Delivers an event as Event Grid does: again and again until it succeeds. `hurry` divides the waits between.
   * @returns {Promise<{ok: boolean, attempts: number, reason?: string}>}
   */
  async deliver(event, { attempts = 30, hurry = 1, onAttempt = () => {}, ...how } = {}) {
    this.counts.deliveries += 1;
    for (let attempt = 1; ; attempt += 1) {
      onAttempt(attempt);
      const { ok, reason } = await this.invoke(event, how);
      if (ok) return { ok, attempts: attempt };
      if (attempt === attempts) {
        this.counts.givenUp += 1;
        return { ok, attempts: attempt, reason };
      }
      this.counts.retried += 1;
      await sleep((RETRY_SECONDS[Math.min(attempt - 1, RETRY_SECONDS.length - 1)] * 1000) / hurry);
    }
  }

  /** Ends the handler as the host does on a crash or a restart: at once. */
  async kill() {
    process.kill(this.handler.pid, "SIGKILL");
    return this.handler.exited;
  }

  /** Asks the handler to end, and waits. */
  async stop() {
    this.#agent.destroy();
    await release(this.handler.child);
  }
}

/**
 * When an event reaches the handler, in commits from now: mostly once and at once; sometimes late (behind newer
 * ones), twice at once, or again later; with `lose`, sometimes never.
 * @returns {number[]} one entry for each delivery
 */
export function deliveriesOf(random, { late = 0.12, doubled = 0.08, again = 0.05, lose = 0 } = {}) {
  if (random.chance(lose)) return [];
  const first = random.chance(late) ? random.int(1, 5) : 0;
  if (random.chance(doubled)) return [first, first];
  return random.chance(again) ? [first, first + random.int(1, 8)] : [first];
}
