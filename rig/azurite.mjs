// Starts Azurite as a child process. Run as a script, this file is the child: Azurite, exiting with its parent.

import { fileURLToPath } from "node:url";
import { azuriteAccounts } from "./accounts.mjs";
import { exitWithParent, spawnScript, stopChild } from "./child-process.mjs";

const SELF = fileURLToPath(import.meta.url);
const LISTENING = /Azurite (Blob|Table) service is successfully listening at (\S+)/g;

/**
 * Starts Azurite on free ports. With `tls` it serves https and also accepts bearer tokens (`--oauth basic`).
 * @param {{tls?: {files: {cert: string, key: string}}, location?: string}} options `location`: data directory, instead of memory
 * @returns {Promise<{blob: string, table: string, stop: () => Promise<void>}>} the root URLs of the services
 */
export async function startAzurite({ tls, location } = {}) {
  const args = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"];
  for (const service of ["blob", "queue", "table"]) args.push(`--${service}Host`, "127.0.0.1", `--${service}Port`, "0");
  args.push(...(location === undefined ? ["--inMemoryPersistence"] : ["--location", location]));
  if (tls) args.push("--oauth", "basic", "--cert", tls.files.cert, "--key", tls.files.key);

  const child = spawnScript(SELF, args, { env: { ...process.env, AZURITE_ACCOUNTS: azuriteAccounts } });
  let output = "";
  const roots = await new Promise((resolve, reject) => {
    const onOutput = (chunk) => {
      output += chunk;
      const found = Object.fromEntries([...output.matchAll(LISTENING)].map(([, service, url]) => [service.toLowerCase(), url]));
      if (found.blob && found.table) resolve(found);
    };
    child.stdout.on("data", onOutput);
    child.stderr.on("data", onOutput);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`Azurite exited with code ${code} before it listened:\n${output}`)));
  });
  return { ...roots, stop: () => stopChild(child) };
}

if (process.argv[1] === SELF) {
  exitWithParent(() => {});
  await import("azurite/dist/src/azurite.js");
}
