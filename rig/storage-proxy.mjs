// A reverse proxy in front of Azurite that counts requests and injects faults. It forwards requests unchanged, including
// the Host header, so that signatures stay valid.

import { createServer as createHttp, Agent as HttpAgent, request as requestHttp } from "node:http";
import { createServer as createHttps, Agent as HttpsAgent, request as requestHttps } from "node:https";
import { close, listen } from "./loopback.mjs";
import { StorageFaults } from "./storage-faults.mjs";

const LOG_LENGTH = 100_000;

/** The kind of a request: `blob read`, `put block`, `table merge`, … */
export function kindOf(service, method, url) {
  const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
  if (service === "table") {
    const [, , resource = ""] = pathname.split("/");
    if (/^Tables(\(|$)/.test(resource)) return { POST: "table create", DELETE: "table drop" }[method] ?? "table list";
    if (method === "GET") return /\(.+\)$/.test(decodeURIComponent(resource)) ? "table get" : "table query";
    return { POST: resource === "$batch" ? "table batch" : "table insert", PUT: "table update", DELETE: "table delete" }[method]
      ?? (["MERGE", "PATCH"].includes(method) ? "table merge" : `table ${method}`);
  }
  const comp = searchParams.get("comp");
  if (searchParams.get("restype") === "container") {
    if (comp === "list") return "list blobs";
    return { PUT: "container create", DELETE: "container delete" }[method] ?? "container properties";
  }
  if (comp === "block") return "put block";
  if (comp === "blocklist") return method === "GET" ? "get block list" : "put block list";
  if (comp !== null) return `blob ${comp}`;
  return { GET: "blob read", HEAD: "blob properties", PUT: "put blob", DELETE: "blob delete" }[method] ?? `blob ${method}`;
}

/** Sums over requests: `{requests, requestBytes, responseBytes, blobReadBytes, byKind}`. */
function totals(log) {
  const byKind = {};
  for (const entry of log) {
    const kind = (byKind[entry.kind] ??= { requests: 0, requestBytes: 0, responseBytes: 0, statuses: {} });
    kind.requests += 1;
    kind.requestBytes += entry.requestBytes;
    kind.responseBytes += entry.responseBytes;
    kind.statuses[entry.status] = (kind.statuses[entry.status] ?? 0) + 1;
  }
  const sum = (field) => Object.values(byKind).reduce((total, kind) => total + kind[field], 0);
  return {
    requests: sum("requests"), requestBytes: sum("requestBytes"), responseBytes: sum("responseBytes"),
    blobReadBytes: byKind["blob read"]?.responseBytes ?? 0, byKind,
  };
}

/** Sets the `Date` of a response to `seconds` from now. */
function shiftDate(response, seconds) {
  response.setHeader("Date", new Date(Date.now() + seconds * 1000).toUTCString());
}

/** The upstream's headers, except that a `Date` already set on the response wins. */
function headersOf({ rawHeaders }, response) {
  if (!response.hasHeader("Date")) return rawHeaders;
  const pairs = rawHeaders.flatMap((name, i) => (i % 2 === 0 && name.toLowerCase() !== "date" ? [[name, rawHeaders[i + 1]]] : []));
  return [...pairs.flat(), "Date", response.getHeader("Date")];
}

class StorageProxy {
  #held = [];

  constructor(tls) {
    this.faults = new StorageFaults();
    this.log = [];
    this.secure = tls !== undefined;
    this.agent = this.secure ? new HttpsAgent({ keepAlive: true, ca: tls.ca }) : new HttpAgent({ keepAlive: true });
    this.tls = tls;
    this.servers = [];
  }

  async serve(service, upstream) {
    const onRequest = (request, response) => this.#onRequest(service, new URL(upstream), request, response);
    const server = this.secure ? createHttps({ key: this.tls.key, cert: this.tls.cert }, onRequest) : createHttp(onRequest);
    this.servers.push(server);
    return `${this.secure ? "https" : "http"}://127.0.0.1:${await listen(server)}`;
  }

  async close() {
    this.release();
    await Promise.all(this.servers.map(close));
    this.agent.destroy();
  }

  /** Resumes the requests that `hold` faults stopped and whose path matches; returns their number. */
  release(path = "") {
    const pattern = new RegExp(path);
    const due = this.#held.filter((held) => pattern.test(held.path));
    this.#held = this.#held.filter((held) => !due.includes(held));
    for (const { go } of due) go();
    return due.length;
  }

  /** Counts of the requests whose path matches. */
  report({ log = false, path = "" } = {}) {
    const pattern = new RegExp(path);
    const matching = this.log.filter((entry) => pattern.test(entry.path));
    const held = this.#held.filter((entry) => pattern.test(entry.path)).length;
    return { ...totals(matching), held, ...(log ? { log: matching } : {}) };
  }

  reset() {
    this.log = [];
  }

  #remember(entry) {
    if (this.log.push(entry) > LOG_LENGTH) this.log.shift();
  }

  async #onRequest(service, upstream, request, response) {
    const entry = {
      service, kind: kindOf(service, request.method, request.url), method: request.method, path: request.url.split("?")[0],
      range: request.headers["x-ms-range"] ?? request.headers.range, status: "none", requestBytes: 0, responseBytes: 0,
    };
    response.on("close", () => this.#remember(entry));
    request.on("data", (chunk) => { entry.requestBytes += chunk.length; });
    request.pause();

    const { fault, delayMs, dateSeconds } = this.faults.onRequest(entry);
    if (dateSeconds !== undefined) shiftDate(response, dateSeconds);
    if (fault?.action === "hang") return;
    if (fault?.action === "reset-before") {
      request.socket.resetAndDestroy?.() ?? request.socket.destroy();
      return;
    }
    if (fault?.action === "hold") await new Promise((go) => this.#held.push({ path: entry.path, go }));
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (fault?.action === "status") this.#refuse(fault, entry, request, response);
    else this.#forward(fault, entry, upstream, request, response);
  }

  #refuse({ status = 503, code = "ServerBusy" }, entry, request, response) {
    entry.status = status;
    const refuse = () => {
      const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>injected by the rig</Message></Error>`;
      response.writeHead(status, { "x-ms-error-code": code, "Content-Type": "application/xml" });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    // A request without a body may have ended while it was delayed.
    if (request.readableEnded) refuse();
    else request.on("end", refuse).resume();
  }

  #forward(fault, entry, upstream, request, response) {
    const options = {
      host: upstream.hostname, port: upstream.port, method: request.method, path: request.url,
      headers: request.headers, agent: this.agent, setHost: false,
    };
    const onward = (this.secure ? requestHttps : requestHttp)(options, (answer) => {
      entry.status = answer.statusCode;
      if (fault?.action === "reset-after") {
        answer.resume();
        answer.on("end", () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode, answer.statusMessage, headersOf(answer, response));
      let left = fault?.action === "cut" ? fault.bytes ?? 0 : Infinity;
      answer.on("data", (chunk) => {
        const part = chunk.subarray(0, Math.min(left, chunk.length));
        left -= part.length;
        entry.responseBytes += part.length;
        if (!response.write(part) && left > 0) {
          answer.pause();
          response.once("drain", () => answer.resume());
        }
        if (left === 0) request.socket.destroySoon();
      });
      answer.on("end", () => response.end());
    });
    onward.on("error", () => request.socket.destroy());
    request.pipe(onward);
    response.on("close", () => response.writableFinished || onward.destroy());
  }
}

/** Starts a proxy for both services; `blob` and `table` of the result are the root URLs to use instead. */
export async function startStorageProxy({ blob, table, tls }) {
  const proxy = new StorageProxy(tls);
  const roots = { blob: await proxy.serve("blob", blob), table: await proxy.serve("table", table) };
  return Object.assign(proxy, roots, { close: proxy.close.bind(proxy) });
}
