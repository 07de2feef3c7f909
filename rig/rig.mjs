// Starts local stand-ins for every service that the forwarder uses. Run as a script, it prints its endpoints as one
// line of JSON when everything is ready, and exits when its stdin closes.

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  accountSas, connectionString, FLOW_LOG_ACCOUNT, FLOW_LOG_CONTAINER, HOST_ACCOUNT, HUB_KEY, HUB_KEY_NAME,
} from "./accounts.mjs";
import { startAzurite } from "./azurite.mjs";
import { makeCertificate } from "./certificate.mjs";
import { startControl } from "./control.mjs";
import { exitWithParent } from "./child-process.mjs";
import { HubServer } from "./hub/server.mjs";
import { DEFAULTS } from "./hub/store.mjs";
import { Identity } from "./identity.mjs";
import { startStorageProxy } from "./storage-proxy.mjs";
import { Watcher } from "./watcher/watcher.mjs";

const OPTIONS = {
  tls: { type: "boolean", default: false },
  identity: { type: "boolean", default: false },
  "storage-proxy": { type: "boolean", default: false },
  location: { type: "string" },
  partitions: { type: "string", default: String(DEFAULTS.partitions) },
  "max-message-size": { type: "string", default: String(DEFAULTS.maxMessageSize) },
  discard: { type: "boolean", default: false },
  seed: { type: "string", default: "1" },
  "control-port": { type: "string", default: "0" },
  "hub-port": { type: "string", default: "0" },
  "hub-tls-port": { type: "string", default: "0" },
  help: { type: "boolean", default: false },
};

const HELP = `node rig.mjs [option…]
  --tls                   Azurite serves https only and accepts bearer tokens; the hub also listens for AMQP over TLS
  --identity              also start the managed-identity endpoint of App Service
  --storage-proxy         put a proxy before Azurite that counts requests and injects faults
  --location DIR          Azurite keeps its data in DIR instead of in memory
  --partitions N          partitions of each hub (${DEFAULTS.partitions})
  --max-message-size N    largest message of each hub, bytes (${DEFAULTS.maxMessageSize})
  --discard               the hubs count events but do not store them
  --seed N                seed of all random data (1)
  --control-port, --hub-port, --hub-tls-port N     use these ports instead of free ones
`;

async function certificateFor(stops) {
  const directory = await mkdtemp(join(tmpdir(), "flowlog-rig-"));
  stops.push(() => rm(directory, { recursive: true, force: true }));
  return makeCertificate(directory);
}

/**
 * Starts the rig. The options are those of the command line, in camel case.
 * @returns {Promise<{endpoints: object, stop: () => Promise<void>}>} with the parts `hub, watcher, proxy, identity`
 */
export async function startRig({
  tls = false, identity = false, storageProxy = false, location, partitions = DEFAULTS.partitions,
  maxMessageSize = DEFAULTS.maxMessageSize, discard = DEFAULTS.discard, seed = 1, controlPort = 0, hubPort = 0, hubTlsPort = 0,
} = {}) {
  const stops = [];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const certificate = tls ? await certificateFor(stops) : undefined;
    if (location !== undefined) await mkdir(location, { recursive: true });

    const azurite = await startAzurite({ tls: certificate, location });
    stops.push(azurite.stop);
    const proxy = storageProxy ? await startStorageProxy({ blob: azurite.blob, table: azurite.table, tls: certificate }) : undefined;
    if (proxy) stops.push(proxy.close);
    const storage = { blob: proxy?.blob ?? azurite.blob, table: proxy?.table ?? azurite.table };

    const hub = new HubServer({ keys: { [HUB_KEY_NAME]: HUB_KEY }, tls: certificate, defaults: { partitions, maxMessageSize, discard } });
    const ports = await hub.listen({ port: hubPort, tlsPort: hubTlsPort });
    stops.push(() => hub.close());

    const id = identity ? await new Identity().listen() : undefined;
    if (id) stops.push(() => id.close());

    const watcher = new Watcher({ blob: azurite.blob, publicBlob: storage.blob, ca: certificate?.ca, seed });
    await watcher.createContainer(FLOW_LOG_CONTAINER);

    const rig = { hub, watcher, proxy, identity: id, stop };
    const control = await startControl(rig, controlPort);
    stops.push(control.close);
    rig.endpoints = {
      control: control.url,
      blob: `${storage.blob}/${FLOW_LOG_ACCOUNT}`,
      table: `${storage.table}/${FLOW_LOG_ACCOUNT}`,
      storageConnection: connectionString(FLOW_LOG_ACCOUNT, storage),
      storageSas: accountSas(FLOW_LOG_ACCOUNT),
      hostBlob: `${storage.blob}/${HOST_ACCOUNT}`,
      hostTable: `${storage.table}/${HOST_ACCOUNT}`,
      hostConnection: connectionString(HOST_ACCOUNT, storage),
      hostSas: accountSas(HOST_ACCOUNT),
      container: FLOW_LOG_CONTAINER,
      hubConnection: `Endpoint=sb://127.0.0.1:${ports.port};SharedAccessKeyName=${HUB_KEY_NAME};SharedAccessKey=${HUB_KEY};UseDevelopmentEmulator=true;`,
      hubPort: ports.port,
      ...(tls ? { hubTlsPort: ports.tlsPort, hubTlsHost: `127.0.0.1:${ports.tlsPort}`, caFile: certificate.files.ca } : {}),
      ...(id ? { identityEndpoint: id.endpoint, identityHeader: id.header } : {}),
    };
    return rig;
  } catch (error) {
    await stop();
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
  } else {
    const rig = await startRig({
      tls: values.tls, identity: values.identity, storageProxy: values["storage-proxy"], location: values.location,
      partitions: Number(values.partitions), maxMessageSize: Number(values["max-message-size"]), discard: values.discard,
      seed: values.seed, controlPort: Number(values["control-port"]), hubPort: Number(values["hub-port"]),
      hubTlsPort: Number(values["hub-tls-port"]),
    });
    exitWithParent(rig.stop);
    process.stdout.write(`${JSON.stringify(rig.endpoints)}\n`);
  }
}
