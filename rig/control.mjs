// The rig's control API: HTTP and JSON on loopback. README.md documents it.

import { createServer } from "node:http";
import { eventsOf } from "./hub/report.mjs";
import { close, listen } from "./loopback.mjs";

class NotFound extends Error {}

async function readJson(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8").trim();
  return text === "" ? {} : JSON.parse(text);
}

const required = (service, flag) => {
  if (!service) throw new NotFound(`not available: start the rig with ${flag}`);
  return service;
};

const buffers = (list) => list?.map((text) => Buffer.from(text, "base64"));

/** Every route: method, path, and `handle(rig, params, body, query)`. A Buffer is sent as it is, anything else as JSON. */
const ROUTES = [
  ["GET", "/endpoints", ({ endpoints }) => endpoints],

  ["GET", "/hub/faults", ({ hub }) => hub.faults.list()],
  ["POST", "/hub/faults", ({ hub }, _, body) => addHubFault(hub, body)],
  ["DELETE", "/hub/faults", async ({ hub }, _, __, query) => {
    const name = query.get("hub") ?? undefined;
    hub.faults.clear(name);
    if (name === undefined) await hub.bringUp();
    return { answered: hub.ingress.release(name) };
  }],
  ["POST", "/hub/release", ({ hub }, _, body) => ({ answered: hub.ingress.release(body.hub) })],
  ["POST", "/hub/settings", ({ hub }, _, { hub: name, ...settings }) => {
    hub.store.configure(name, settings);
    return hub.store.defaults;
  }],
  ["GET", "/hub/tokens", ({ hub }) => ({ ...hub.counters, last: hub.lastToken ?? null })],
  ["GET", "/hub/:hub/events", ({ hub }, { hub: name }, _, query) => eventsOf(hub.store.hub(name), query)],
  ["GET", "/hub/:hub/stats", ({ hub }, { hub: name }) => ({
    ...hub.store.hub(name).counters, ...hub.counters, openConnections: hub.openConnections, held: hub.ingress.heldCount(name),
  })],
  ["DELETE", "/hub/:hub", ({ hub }, { hub: name }) => {
    hub.store.hub(name).reset();
    return {};
  }],

  ["POST", "/watcher/blobs", ({ watcher }, _, body) => watcher.create(body)],
  ["POST", "/watcher/append", ({ watcher }, _, body) => watcher.append({ ...body, given: buffers(body.given) })],
  ["POST", "/watcher/rewrite", ({ watcher }, _, body) => watcher.rewrite({ ...body, given: buffers(body.given) })],
  ["POST", "/watcher/delete", async ({ watcher }, _, body) => {
    await watcher.remove(body);
    return {};
  }],
  ["GET", "/watcher/blob", ({ watcher }, _, __, query) => watcher.content(query.get("blob"))],
  ["GET", "/watcher/records", async ({ watcher }, _, __, query) =>
    (await watcher.records(query.get("blob"))).map((bytes) => bytes.toString("base64"))],

  ["GET", "/storage/requests", ({ proxy }, _, __, query) =>
    required(proxy, "--storage-proxy").report({ log: query.has("log"), path: query.get("path") ?? "" })],
  ["DELETE", "/storage/requests", ({ proxy }) => required(proxy, "--storage-proxy").reset()],
  ["GET", "/storage/faults", ({ proxy }) => required(proxy, "--storage-proxy").faults.list()],
  ["POST", "/storage/faults", ({ proxy }, _, body) => ({ id: required(proxy, "--storage-proxy").faults.add(body).id })],
  ["DELETE", "/storage/faults", ({ proxy }, _, __, query) => {
    const id = query.get("id");
    required(proxy, "--storage-proxy").faults.clear(id === null ? undefined : Number(id));
    return { released: id === null ? proxy.release() : 0 };
  }],
  ["POST", "/storage/release", ({ proxy }, _, body) => ({ released: required(proxy, "--storage-proxy").release(body.path) })],

  ["GET", "/identity", ({ identity }) => required(identity, "--identity").report()],
  ["POST", "/identity", ({ identity }, _, body) => required(identity, "--identity").configure(body)],
  ["DELETE", "/identity", ({ identity }) => {
    required(identity, "--identity").reset();
    return {};
  }],
].map(([method, path, handle]) => ({
  method, handle, pattern: new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
}));

async function addHubFault(hub, body) {
  const fault = hub.faults.add(body);
  const affected = {
    gone: () => hub.takeDown(body.forMs),
    "close-connections": () => hub.closeConnections(body.condition, body.description),
    "drop-connections": () => hub.dropConnections(),
    "detach-links": () => hub.detachLinks(body),
    raw: () => hub.writeRaw(body),
  }[body.action]?.();
  return { id: fault.id, affected: await affected };
}

async function route(rig, request) {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  for (const { method, pattern, handle } of ROUTES) {
    const match = method === request.method ? pattern.exec(pathname) : null;
    if (match) {
      const params = Object.fromEntries(Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]));
      return handle(rig, params, await readJson(request), searchParams);
    }
  }
  throw new NotFound(`${request.method} ${pathname} does not exist; rig/README.md lists the calls`);
}

const statusOf = (error) => {
  if (error instanceof NotFound) return 404;
  return error instanceof RangeError || error instanceof SyntaxError ? 400 : 500;
};

/** Serves the control API; resolves to `{url, close}`. */
export async function startControl(rig, port = 0) {
  const server = createServer(async (request, response) => {
    try {
      const result = await route(rig, request);
      const bytes = Buffer.isBuffer(result);
      response.writeHead(200, { "Content-Type": bytes ? "application/octet-stream" : "application/json" });
      response.end(bytes ? result : JSON.stringify(result ?? {}));
    } catch (error) {
      response.writeHead(statusOf(error), { "Content-Type": "application/json" });
      response.end(JSON.stringify({ error: error.message }));
    }
  });
  return { url: `http://127.0.0.1:${await listen(server, port)}`, close: () => close(server) };
}
