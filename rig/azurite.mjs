// Azurite as a child process. Run as a script it is that child: Azurite itself, on a leash.

import { fileURLToPath } from "node:url";
import { azuriteAccounts } from "./accounts.mjs";
import { endWithParent, release, spawnScript } from "./leash.mjs";

const SELF = fileURLToPath(import.meta.url);
const LISTENING = /Azurite (Blob|Table) service is successfully listening at (\S+)/g;

/**
 * Starts Azurite on free ports. With `tls` it speaks https and takes bearer tokens as well (`--oauth basic`).
 * @param {{tls?: {files: {cert: string, key: string}}, location?: string}} options `location`: keep data there, not in memory
 * @returns {Promise<{blob: string, table: string, stop: () => Promise<void>}>} the services' roots
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
    child.on("exit", (code) => reject(new Error(`Azurite ended (exit code ${code}) before it listened:\n${output}`)));
  });
  return { ...roots, stop: () => release(child) };
}

if (process.argv[1] === SELF) {
  endWithParent(() => {});
  await import("azurite/dist/src/azurite.js");
}
