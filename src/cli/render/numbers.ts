/** @file Numbers as people read them. */

/** `8.2 s`, `3m 05s`, `2h 14m`. */
export function renderDuration(milliseconds: number): string {
  if (milliseconds < 59_950) return `${(Math.max(0, milliseconds) / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}m ${pad(seconds % 60)}s` : `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** `1,234,567`. */
export function renderCount(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `512 MB`, from a gigabyte on `1.9 GB`. */
export function renderMegabytes(megabytes: number): string {
  return megabytes <= 999 ? `${Math.ceil(megabytes)} MB` : `${(megabytes / 1000).toFixed(1)} GB`;
}

/** `12.3%`. */
export function renderShare(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** Whole numbers as counts, others with three decimals. */
export function renderScore(score: number): string {
  return Number.isInteger(score) && Math.abs(score) > 1 ? renderCount(score) : score.toFixed(3);
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
