export const HOUR_MS = 3_600_000;

/** Partitions of a record table hold one hour each, named by it in UTC: handshake_20260131_08. Hours count from the Unix epoch. */
export function partitionName(table: string, hour: number): string {
  const iso = startOfHour(hour);
  return `${table}_${iso.slice(0, 10).replaceAll('-', '')}_${iso.slice(11, 13)}`;
}

/** The hour in a partition's name; null if it is not the name of a partition of this table. */
export function hourOfPartition(table: string, name: string): number | null {
  const match = /^(.+)_(\d{4})(\d{2})(\d{2})_(\d{2})$/.exec(name);
  if (match?.[1] !== table) return null;
  const [, , year, month, day, hour] = match.map(Number);
  const number = Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour) / HOUR_MS;
  return partitionName(table, number) === name ? number : null;
}

export function hourAt(milliseconds: number): number {
  return Math.floor(milliseconds / HOUR_MS);
}

/** RFC 3339 in UTC. */
export function startOfHour(hour: number): string {
  return new Date(hour * HOUR_MS).toISOString();
}
