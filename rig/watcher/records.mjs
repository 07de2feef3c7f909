// Generates the bytes of flow-log records as Network Watcher writes them. They are never parsed and re-encoded, so that
// tests compare with exactly what was committed.

import { SUBSCRIPTION } from "./names.mjs";

const ENCRYPTION = ["NX", "NX", "NX", "X", "NX_LOCAL_DST", "NX_HW_NOT_SUPPORTED", "NX_FALLBACK"];
const RULES = ["DefaultRule_AllowInternetOutBound", "DefaultRule_DenyAllInBound", "Internet", "BlockHighRiskTCPPortsFromInternet", "unspecified"];

// Addresses from the ranges reserved for documentation.
const PUBLIC = ["192.0.2", "198.51.100", "203.0.113"];

const outside = (random) => (random.chance(0.1) ? `2001:db8::${random.hex(4)}` : `${random.pick(PUBLIC)}.${random.int(1, 254)}`);

/** `2026-11-22T09:01:52.5625085Z`: seven fractional digits. */
const timeText = (ms, random) => `${new Date(ms).toISOString().slice(0, 19)}.${String(random.int(0, 9_999_999)).padStart(7, "0")}Z`;

function tuple(ms, random, { empty }) {
  const inbound = random.chance(0.5);
  const inside = `10.0.0.${random.int(4, 250)}`;
  const [from, to] = inbound ? [outside(random), inside] : [inside, outside(random)];
  const state = random.pick(["B", "C", "E", "D"]);
  const quiet = state === "B" || state === "D";
  const counters = quiet
    ? (empty ? ",,," : "0,0,0,0")
    : [random.int(1, 40), random.int(60, 40_000), random.int(0, 40), random.int(0, 90_000)].join(",");
  return [ms, from, to, random.int(1024, 65535), random.pick([443, 443, 80, 53, 22, 3389]), random.pick([6, 6, 17]),
    inbound ? "I" : "O", state, random.pick(ENCRYPTION), counters].join(",");
}

function groups(at, random, options) {
  const tuples = options.tuples ?? random.int(4, 30);
  const perGroup = Math.max(1, Math.ceil(tuples / random.int(1, 3)));
  const result = [];
  for (let left = tuples; left > 0; left -= perGroup) {
    const list = Array.from({ length: Math.min(left, perGroup) }, () => `"${tuple(at - random.int(0, 60_000), random, options)}"`);
    result.push(`{"rule":"${options.rule ?? random.pick(RULES)}","flowTuples":[${list.join(",")}]}`);
  }
  return result.join(",");
}

function vnetRecord(random, options) {
  const { at, mac } = options;
  const extra = options.extra === undefined ? "" : `,${options.extra}`;
  return `{"time":"${timeText(at, random)}","flowLogVersion":4,"flowLogGUID":"${random.uuid()}","macAddress":"${mac}",`
    + `"category":"FlowLogFlowEvent","flowLogResourceID":"/SUBSCRIPTIONS/${SUBSCRIPTION.toUpperCase()}/RESOURCEGROUPS/NETWORKWATCHERRG`
    + `/PROVIDERS/MICROSOFT.NETWORK/NETWORKWATCHERS/NETWORKWATCHER_EASTUS2EUAP/FLOWLOGS/VNETFLOWLOG",`
    + `"targetResourceID":"/subscriptions/${SUBSCRIPTION}/resourceGroups/myResourceGroup/providers/Microsoft.Network/virtualNetworks/myVNet",`
    + `"operationName":"FlowLogFlowEvent","flowRecords":{"flows":[{"aclID":"${random.uuid()}","flowGroups":[${groups(at, random, options)}]}]}${extra}}`;
}

function nsgRecord(random, { at, mac, tuples = random.int(2, 12) }, version) {
  const list = Array.from({ length: tuples }, () => {
    const counters = version === 2 ? `,${random.pick(["B,,,,", "C,1,60,2,120", "E,3,705,4,4569"])}` : "";
    return `"${Math.floor(at / 1000)},${outside(random)},10.0.0.4,${random.int(1024, 65535)},443,${random.pick(["T", "U"])},I,${random.pick(["A", "D"])}${counters}"`;
  });
  return `{"time":"${timeText(at, random)}","systemId":"${random.uuid()}","macAddress":"${mac}","category":"NetworkSecurityGroupFlowEvent",`
    + `"resourceId":"/SUBSCRIPTIONS/${SUBSCRIPTION.toUpperCase()}/RESOURCEGROUPS/MYRESOURCEGROUP/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/MYNSG",`
    + `"operationName":"NetworkSecurityGroupFlowEvents","properties":{"Version":${version},"flows":[{"rule":"DefaultRule_DenyAllInBound",`
    + `"flows":[{"mac":"${mac}","flowTuples":[${list.join(",")}]}]}]}}`;
}

/** Inserts random white space wherever JSON allows it. */
function spaced(text, random) {
  let inString = false;
  let result = "";
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (inString && char === "\\") {
      result += char + text[(i += 1)];
    } else {
      if (char === '"') inString = !inString;
      result += char;
      if (!inString && "{}[],:".includes(char) && random.chance(0.3)) result += random.pick([" ", "\t", "\n", "\r\n", "  "]);
    }
  }
  return result.trimEnd();
}

const HARD_TEXT = String.raw`a \"quoted\" word, a \\ backslash, a \\\" both, {\"records\":[{}]}]} brackets, \u00e9 \ud83d\ude00 escapes, é 😀 bare, \/ \b\f\n\r\t`;

const STYLES = {
  usual: (random, options) => vnetRecord(random, options),
  empty: (random, options) => vnetRecord(random, { ...options, empty: true }),
  escapes: (random, options) => vnetRecord(random, { ...options, rule: HARD_TEXT }),
  deep: (random, options) => vnetRecord(random, { ...options, extra: `"nested":${'{"a":['.repeat(60)}"]}"${"]}".repeat(60)}` }),
  spaced: (random, options) => spaced(vnetRecord(random, { ...options, rule: HARD_TEXT }), random),
  long: (random, options) => vnetRecord(random, { ...options, tuples: options.tuples ?? 20_000 }),
  nsg1: (random, options) => nsgRecord(random, options, 1),
  nsg2: (random, options) => nsgRecord(random, options, 2),
};

/** The styles that `mixed` draws from, weighted by repetition. */
const MIX = ["usual", "usual", "usual", "empty", "usual", "escapes", "deep", "spaced"];

export const STYLE_NAMES = [...Object.keys(STYLES), "mixed"];

/**
 * The bytes of one record.
 * @param {{style?: string, at: number, mac: string, tuples?: number}} options `at`: ms since 1970
 */
export function makeRecord(random, { style = "usual", ...options }) {
  const make = STYLES[style === "mixed" ? random.pick(MIX) : style];
  if (!make) throw new RangeError(`unknown record style '${style}'; known: ${STYLE_NAMES.join(", ")}`);
  return Buffer.from(make(random, options));
}
