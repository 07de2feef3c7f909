// The forwarder's binary, and the settings that connect it to a rig.

import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));
export const BINARY = `${ROOT}target/release/flowlog-forwarder`;
export const HUB = "flowlogs";

export const settings = ({ storageConnection, hostConnection, hubConnection, container }, logFilter = "warn") => ({
  FLOWLOG_STORAGE: storageConnection,
  FLOWLOG_CONTAINERS: container,
  AzureWebJobsStorage: hostConnection,
  EVENT_HUB_CONNECTION: hubConnection,
  EVENT_HUB_NAME: HUB,
  RUST_LOG: logFilter,
  LOG_FORMAT: "text",
});
