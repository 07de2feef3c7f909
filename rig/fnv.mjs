/** The 32-bit FNV-1a hash of a text or of bytes. */
export function fnv1a(value) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(value)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
