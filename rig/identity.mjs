// A stand-in for the managed-identity endpoint of App Service. Its tokens are well-formed but unsigned.

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { close, listen } from "./loopback.mjs";

const API_VERSION = "2019-08-01";
const TENANT = "72f988bf-0000-4000-8000-2d7cd011db47";
const SYSTEM_ASSIGNED = "11111111-0000-4000-8000-000000000000";

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An unsigned JSON web token with the claims that Azurite and the hub check. */
export function makeToken({ audience, lifetimeSeconds, clientId = SYSTEM_ASSIGNED, issuer = `https://sts.windows.net/${TENANT}/` }) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: audience, iss: issuer, iat: now, nbf: now, exp: now + lifetimeSeconds,
    appid: clientId, oid: clientId, sub: clientId, tid: TENANT, ver: "1.0", uti: randomUUID(),
  };
  return { token: `${base64url({ typ: "JWT", alg: "none" })}.${base64url(claims)}.unsigned`, expires: claims.exp };
}

export class Identity {
  #server;

  constructor() {
    this.header = randomUUID();
    this.settings = { lifetimeSeconds: 86_400, fail: 0, failStatus: 500, hang: 0, audience: undefined };
    this.requests = [];
  }

  async listen(port = 0) {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.endpoint = `http://127.0.0.1:${await listen(this.#server, port)}/msi/token`;
    return this;
  }

  async close() {
    await close(this.#server);
  }

  /** Changes `this.settings`; README.md describes them. */
  configure(settings) {
    for (const [name, value] of Object.entries(settings)) {
      if (!(name in this.settings)) throw new RangeError(`unknown identity setting '${name}'; known: ${Object.keys(this.settings).join(", ")}`);
      this.settings[name] = value ?? undefined;
    }
    return this.settings;
  }

  report() {
    const byResource = {};
    for (const { resource } of this.requests) byResource[resource] = (byResource[resource] ?? 0) + 1;
    return { requests: this.requests.length, byResource, log: this.requests, settings: this.settings };
  }

  reset() {
    this.requests = [];
  }

  #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.endpoint);
    const send = (status, body) => {
      this.requests.at(-1).status = status;
      response.writeHead(status, { "Content-Type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
    };
    const resource = searchParams.get("resource");
    const clientId = searchParams.get("client_id") ?? undefined;
    this.requests.push({ resource, clientId });
    if (this.settings.hang > 0) {
      this.settings.hang -= 1;
      return;
    }
    if (this.settings.fail > 0) {
      this.settings.fail -= 1;
      send(this.settings.failStatus, { statusCode: this.settings.failStatus, message: "injected through the control API" });
    } else if (pathname !== new URL(this.endpoint).pathname || request.method !== "GET") {
      send(404, { statusCode: 404, message: `use GET ${this.endpoint}` });
    } else if (request.headers["x-identity-header"] !== this.header) {
      send(401, { statusCode: 401, message: "X-IDENTITY-HEADER is missing or does not equal IDENTITY_HEADER" });
    } else if (searchParams.get("api-version") !== API_VERSION) {
      send(400, { statusCode: 400, message: `api-version must be ${API_VERSION}` });
    } else if (!resource) {
      send(400, { statusCode: 400, message: "resource is missing" });
    } else {
      const { lifetimeSeconds, audience = resource } = this.settings;
      const { token, expires } = makeToken({ audience, lifetimeSeconds, clientId });
      send(200, {
        access_token: token, client_id: clientId ?? SYSTEM_ASSIGNED, expires_on: String(expires),
        not_before: String(expires - lifetimeSeconds), resource, token_type: "Bearer",
      });
    }
  }
}
