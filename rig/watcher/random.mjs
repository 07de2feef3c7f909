// Reproducible randomness: the same seed gives the same run on every machine.

import { fnv1a } from "../fnv.mjs";

/** A generator (mulberry32) seeded with any number or text. */
export function seeded(seed) {
  let state = fnv1a(String(seed));
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (min, max) => min + Math.floor(next() * (max - min + 1));
  const pick = (list) => list[int(0, list.length - 1)];
  const hex = (digits) => Array.from({ length: digits }, () => int(0, 15).toString(16)).join("");
  const uuid = () => [8, 4, 4, 4, 12].map(hex).join("-");
  const shuffle = (list) => {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i -= 1) {
      const j = int(0, i);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  };
  return { next, int, pick, hex, uuid, shuffle, chance: (p) => next() < p };
}
