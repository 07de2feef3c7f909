// The rig's storage accounts and credentials.

import { createHash, createHmac } from "node:crypto";

/** The key that the hub stand-in accepts. */
export const HUB_KEY_NAME = "RootManageSharedAccessKey";
export const HUB_KEY = "SAS_KEY_VALUE";

/** The emulator's well-known account holds the flow logs; the other is the function app's host storage. */
export const ACCOUNTS = {
  devstoreaccount1: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  hoststore: createHash("sha512").update("flowlog-forwarder rig: hoststore").digest("base64"),
};

export const FLOW_LOG_ACCOUNT = "devstoreaccount1";
export const HOST_ACCOUNT = "hoststore";
export const FLOW_LOG_CONTAINER = "insights-logs-flowlogflowevent";
export const NSG_CONTAINER = "insights-logs-networksecuritygroupflowevent";

/** The value of Azurite's AZURITE_ACCOUNTS. */
export const azuriteAccounts = Object.entries(ACCOUNTS).map(([name, key]) => `${name}:${key}`).join(";");

/** @param {{blob: string, table: string}} endpoints root URLs of the services, without the account */
export function connectionString(account, { blob, table }) {
  const protocol = new URL(blob).protocol.replace(":", "");
  return `DefaultEndpointsProtocol=${protocol};AccountName=${account};AccountKey=${ACCOUNTS[account]};`
    + `BlobEndpoint=${blob}/${account};TableEndpoint=${table}/${account};`;
}

/** An account SAS with the permissions that tests need for blobs and tables, valid for one day. Begins with `?`. */
export function accountSas(account, protocol = "https,http") {
  const fields = {
    sp: "rwdlacu", ss: "bt", srt: "sco", st: "", se: new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+/, ""),
    sip: "", spr: protocol, sv: "2020-12-06", ses: "",
  };
  const toSign = [account, fields.sp, fields.ss, fields.srt, fields.st, fields.se, fields.sip, fields.spr, fields.sv, fields.ses, ""];
  const sig = createHmac("sha256", Buffer.from(ACCOUNTS[account], "base64")).update(toSign.join("\n")).digest("base64");
  const { sp, ss, srt, se, spr, sv } = fields;
  return `?${new URLSearchParams({ sv, ss, srt, sp, se, spr, sig })}`;
}
