const sorted = (list) => [...list].sort((a, b) => a - b);

/** The value below which the share `part` of the values lies. */
export const quantile = (list, part) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * part))];

/** The median; undefined for an empty list. */
export function median(list) {
  if (list.length === 0) return undefined;
  const all = sorted(list);
  return (all[Math.floor((list.length - 1) / 2)] + all[Math.floor(list.length / 2)]) / 2;
}

/** The median of `figure(item)` over the items for which it is a number. */
export const medianOf = (list, figure) => median(list.map(figure).filter((n) => Number.isFinite(n)));
