// A stand-in for the Functions host and for Event Grid: starts a custom handler, invokes it, validates its responses, and
// delivers an event again after a failure.

import { randomUUID } from "node:crypto";
import { Agent, request as requestHttp } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnSupervised, stopChild } from "./child-process.mjs";
import { close, listen } from "./loopback.mjs";

const PROBE_INTERVAL_MS = 25;
/** How long Event Grid waits for a response. */
const EVENT_GRID_TIMEOUT_MS = 30_000;

/** Event Grid's waits between deliveries, seconds. */
const RETRY_SECONDS = [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200];

/** A free port on loopback. */
export async function freePort() {
  const server = createServer();
  const port = await listen(server);
  await close(server);
  return port;
}

// The only variables that a handler inherits: settings for a real account must not leak into a test.
const INHERITED = ["PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE"];
const inherited = () => Object.fromEntries(INHERITED.filter((name) => name in process.env).map((name) => [name, process.env[name]]));

/** The forms in which the host may send the value of an Event Grid binding. */
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

/** Whether the host accepts a response: `{ok, reason?, answer?}`. */
export function validate({ status, contentType, body }) {
  if (status < 200 || status > 299) return { ok: false, reason: `status ${status}: ${body.slice(0, 300)}` };
  if (body.trim() === "" || body.trim() === "null") return { ok: false, reason: `status ${status} with an empty body: the host would wait until the function times out` };
  if (!/^application\/json\b/i.test(contentType ?? "")) return { ok: false, reason: `content type '${contentType}', not application/json` };
  try {
    const answer = JSON.parse(body);
    if (answer === null || typeof answer !== "object" || Array.isArray(answer)) throw new SyntaxError("not an object");
    return { ok: true, answer };
  } catch (error) {
    return { ok: false, reason: `the body is not a JSON object: ${error.message}` };
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
   * @param {{command: string, args?: string[], env?: object, onOutput?: (text: string) => void, readyWithinMs?: number}} options
   */
  static async start({ command, args = [], env = {}, onOutput = () => {}, readyWithinMs = 30_000 }) {
    const port = await freePort();
    const id = randomUUID();
    const handler = await spawnSupervised(command, args, {
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
    let exit;
    handler.exited.then((result) => { exit = result; });
    const deadline = Date.now() + readyWithinMs;
    while (!(await host.#answers())) {
      if (exit) throw new Error(`${command} exited (code ${exit.code}, signal ${exit.signal}) before it answered:\n${output}`);
      if (Date.now() > deadline) {
        await host.stop();
        throw new Error(`${command} did not answer on port ${port} within ${readyWithinMs} ms:\n${output}`);
      }
      await sleep(PROBE_INTERVAL_MS);
    }
    return host;
  }

  // Any response means ready; only a refused connection means not yet.
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
      const timeout = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      request.on("error", reject).on("close", () => clearTimeout(timeout));
      const text = JSON.stringify(envelope);
      request.write(text.slice(0, 20));
      request.end(text.slice(20));
    });
  }

  async #invoke(functionName, envelope, timeoutMs) {
    this.counts.invocations += 1;
    let verdict;
    try {
      verdict = validate(await this.#post(functionName, envelope, timeoutMs));
    } catch (error) {
      verdict = { ok: false, reason: error.message };
    }
    if (!verdict.ok) this.counts.failed += 1;
    return verdict;
  }

  /** One invocation with an event: `{ok, reason?, answer?}`. `form` is a key of `DATA_FORMS`. */
  invoke(event, { functionName = "FlowLogBlobCreated", form = "object", timeoutMs = EVENT_GRID_TIMEOUT_MS } = {}) {
    return this.#invoke(functionName, eventEnvelope(functionName, event, form), timeoutMs);
  }

  /** One invocation by a timer. */
  invokeTimer(functionName = "FlowLogSweep", { timeoutMs = 300_000 } = {}) {
    return this.#invoke(functionName, timerEnvelope(functionName), timeoutMs);
  }

  /**
   * Delivers an event as Event Grid does: repeatedly until it succeeds. `speedUp` divides the waits in between.
   * @returns {Promise<{ok: boolean, attempts: number, reason?: string}>}
   */
  async deliver(event, { attempts = 30, speedUp = 1, ...options } = {}) {
    this.counts.deliveries += 1;
    for (let attempt = 1; ; attempt += 1) {
      const { ok, reason } = await this.invoke(event, options);
      if (ok) return { ok, attempts: attempt };
      if (attempt === attempts) {
        this.counts.givenUp += 1;
        return { ok, attempts: attempt, reason };
      }
      this.counts.retried += 1;
      await sleep((RETRY_SECONDS[Math.min(attempt - 1, RETRY_SECONDS.length - 1)] * 1000) / speedUp);
    }
  }

  /** Kills the handler, as a crash would. */
  async kill() {
    process.kill(this.handler.pid, "SIGKILL");
    return this.handler.exited;
  }

  /** Stops the handler gracefully and waits until it has exited. */
  async stop() {
    this.#agent.destroy();
    await stopChild(this.handler.child);
  }
}

/**
 * Draws the deliveries of one event, each as a number of commits from now: mostly one at once, sometimes one late
 * (after newer events), two at once, or one now and one later; none with probability `lose`.
 * @returns {number[]} one entry for each delivery
 */
export function deliveriesOf(random, { late = 0.12, doubled = 0.08, again = 0.05, lose = 0 } = {}) {
  if (random.chance(lose)) return [];
  const first = random.chance(late) ? random.int(1, 5) : 0;
  if (random.chance(doubled)) return [first, first];
  return random.chance(again) ? [first, first + random.int(1, 8)] : [first];
}
