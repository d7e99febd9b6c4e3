/** Microseconds as people read them: `730 µs`, `51.2 ms`, `6.00 s`. */
export function latencyText(microseconds: number | null): string {
  if (microseconds === null) return '-';
  if (microseconds < 1_000) return `${microseconds} µs`;
  if (microseconds < 999_950) return `${(microseconds / 1_000).toFixed(microseconds < 99_950 ? 1 : 0)} ms`;
  const seconds = microseconds / 1_000_000;
  return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
}

/** How far a host's clock is off and how well that is known: `+1.3 ms ±180 µs`; `±?` if it is from one way. */
export function clockOffsetText(of: {
  readonly clockOffsetUs: number | null;
  readonly clockOffsetUncertaintyUs: number | null;
}): string {
  if (of.clockOffsetUs === null) return '-';
  const within = of.clockOffsetUncertaintyUs === null ? '?' : latencyText(of.clockOffsetUncertaintyUs);
  return `${of.clockOffsetUs < 0 ? '-' : '+'}${latencyText(Math.abs(of.clockOffsetUs))} ±${within}`;
}

/** A time of the API on the clock of the reader (TZ): `2026-01-31 09:15:30.123`. */
export function timeText(timestamp: string | null): string {
  if (timestamp === null) return '-';
  const at = new Date(timestamp);
  if (Number.isNaN(at.getTime())) return timestamp;
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const millis = String(at.getMilliseconds()).padStart(3, '0');
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`;
}

export function endpointText({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** `-` for what is not known. */
export function plainText(value: string | number | null | undefined): string {
  return value === null || value === undefined || value === '' ? '-' : String(value);
}
