// Validates tokens like the service does, except for what needs Azure: signatures of JSON web tokens, and roles.

import { createHmac, timingSafeEqual } from "node:crypto";

export const HUB_RESOURCE = "https://eventhubs.azure.net";

export class TokenRefused extends Error {}

/** The path of an audience: `sb://127.0.0.1:5672/hub/Partitions/1` → `hub/Partitions/1`. */
export function entityPath(audience) {
  return audience
    .replace(/^[a-z]+:\/\/[^/]*/i, "")
    .replace(/^\/+|\/+$/g, "");
}

/** Whether a claim for the path `granted` covers `requested`: the same path or one below it. */
export function covers(granted, requested) {
  const a = granted.toLowerCase();
  const b = requested.toLowerCase();
  return a === "" || a === b || b.startsWith(`${a}/`);
}

function checkSas(token, audience, keys) {
  const fields = new URLSearchParams(token.replace(/^SharedAccessSignature\s+/, ""));
  const [sr, sig, se, skn] = ["sr", "sig", "se", "skn"].map((name) => fields.get(name));
  if (!token.startsWith("SharedAccessSignature ") || !sr || !sig || !se || !skn) {
    throw new TokenRefused("MalformedToken: not of the form 'SharedAccessSignature sr=…&sig=…&se=…&skn=…'");
  }
  const key = keys[skn];
  if (key === undefined) throw new TokenRefused(`InvalidSignature: no shared access key is named '${skn}'`);
  // The signature covers the percent-encoded `sr`, as it appears in the token.
  const signed = /(?:^|[ &])sr=([^&]*)/.exec(token)[1];
  const expected = createHmac("sha256", key).update(`${signed}\n${se}`).digest();
  const given = Buffer.from(sig, "base64");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new TokenRefused("InvalidSignature: the token has an invalid signature");
  }
  if (!covers(entityPath(sr), entityPath(audience))) {
    throw new TokenRefused(`InvalidAudience: the token is for '${sr}', the claim is for '${audience}'`);
  }
  return Number(se) * 1000;
}

/** The claims of a JSON web token, without a check of its signature. */
function jwtClaims(token) {
  const parts = token.split(".");
  try {
    if (parts.length !== 3) throw new Error("not three parts");
    return JSON.parse(Buffer.from(parts[1], "base64url").toString("utf8"));
  } catch {
    throw new TokenRefused("MalformedToken: the token is not a JSON web token");
  }
}

function checkJwt(token) {
  const { aud, iss, nbf, exp } = jwtClaims(token);
  if (typeof aud !== "string" || aud.replace(/\/$/, "") !== HUB_RESOURCE) {
    throw new TokenRefused(`InvalidAudience: the token is for '${aud}', not '${HUB_RESOURCE}'`);
  }
  if (typeof iss !== "string" || !iss.startsWith("https://sts.windows.net/")) {
    throw new TokenRefused(`InvalidIssuer: '${iss}'`);
  }
  if (typeof nbf === "number" && nbf * 1000 > Date.now()) throw new TokenRefused("the token is not valid yet");
  return Number(exp) * 1000;
}

/**
 * Validates a token for an audience. Returns its expiry, ms since 1970; throws TokenRefused with the reason.
 * @param {{type: string, token: string, audience: string, keys: Record<string, string>}} claim
 */
export function checkToken({ type, token, audience, keys }) {
  if (typeof token !== "string" || token === "") throw new TokenRefused("MalformedToken: the body is not a string");
  if (typeof audience !== "string" || audience === "") throw new TokenRefused("the request has no audience");
  let expires;
  if (type === "servicebus.windows.net:sastoken") expires = checkSas(token, audience, keys);
  else if (type === "jwt") expires = checkJwt(token);
  else throw new TokenRefused(`UnsupportedTokenType: '${type}'`);
  if (!Number.isFinite(expires)) throw new TokenRefused("MalformedToken: the token has no expiry");
  if (expires <= Date.now()) throw new TokenRefused(`ExpiredToken: expired at ${new Date(expires).toISOString()}`);
  return expires;
}
