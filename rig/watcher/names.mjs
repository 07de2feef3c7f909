// Names of Network Watcher's blobs.

import { FLOW_LOG_CONTAINER, NSG_CONTAINER } from "../accounts.mjs";

export const SUBSCRIPTION = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

const two = (n) => String(n).padStart(2, "0");

function hourPath(hour, mac) {
  const at = new Date(hour);
  if (Number.isNaN(at.getTime())) throw new RangeError(`'${hour}' is not a time; write it like 2026-11-22T09:00:00Z`);
  return `y=${at.getUTCFullYear()}/m=${two(at.getUTCMonth() + 1)}/d=${two(at.getUTCDate())}/h=${two(at.getUTCHours())}/m=00`
    + `/macAddress=${mac.toUpperCase()}/PT1H.json`;
}

/** The current hour, like `2026-11-22T09:00:00.000Z`. */
export const thisHour = () => new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000).toISOString();

/** `{container, name}` of a VNet flow log. */
export function vnetBlob({ subscription = SUBSCRIPTION, region = "EASTUS2EUAP", flowLog = "MYVNET-MYRESOURCEGROUP-FLOWLOG", mac, hour }) {
  const root = `flowLogResourceID=/${subscription}_NETWORKWATCHERRG/NETWORKWATCHER_${region}_${flowLog}`.toUpperCase();
  return { container: FLOW_LOG_CONTAINER, name: `${root.replace("FLOWLOGRESOURCEID", "flowLogResourceID")}/${hourPath(hour, mac)}` };
}

/** `{container, name}` of a network security group's flow log, the legacy kind. */
export function nsgBlob({ subscription = SUBSCRIPTION, resourceGroup = "MYRESOURCEGROUP", flowLog = "MYNSG", mac, hour }) {
  const root = `/SUBSCRIPTIONS/${subscription}/RESOURCEGROUPS/${resourceGroup}/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/${flowLog}`;
  return { container: NSG_CONTAINER, name: `resourceId=${root.toUpperCase()}/${hourPath(hour, mac)}` };
}
