// A throw-away certificate authority, and a server certificate for 127.0.0.1 and localhost.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";

const DAY_MS = 86_400_000;

const named = (name) => [{ name: "commonName", value: name }];

/** Writes `ca.pem`, `cert.pem` and `key.pem` into `directory`; returns their paths as `files`, and their contents. */
export async function makeCertificate(directory) {
  const common = {
    keyType: "ec", curve: "P-256", algorithm: "sha256",
    notBeforeDate: new Date(Date.now() - DAY_MS), notAfterDate: new Date(Date.now() + 30 * DAY_MS),
  };
  const authority = await generate(named("flowlog-forwarder test authority"), {
    ...common,
    extensions: [
      { name: "basicConstraints", cA: true, pathLenConstraint: 0, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const server = await generate(named("127.0.0.1"), {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }, { type: 2, value: "localhost" }] },
    ],
  });
  const texts = { ca: authority.cert, cert: server.cert, key: server.private };
  const files = {};
  for (const [name, text] of Object.entries(texts)) {
    files[name] = join(directory, `${name}.pem`);
    await writeFile(files[name], text, { mode: 0o600 });
  }
  return { files, ...texts };
}
