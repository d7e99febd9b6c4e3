/**
 * What the control plane gives as JSON alone, as CSV in the form of its own CSV: nested objects are spread out (`latencyUs.p50`), RFC 4180, and an
 * apostrophe before what a spreadsheet would run as a formula (OWASP, CSV injection).
 */
export function renderCsv(items: readonly object[]): string {
  const rows = items.map((item) => new Map(spread(item, '')));
  const headings = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const lines = [headings, ...rows.map((row) => headings.map((heading) => row.get(heading)))];
  return lines.map((cells) => `${cells.map(cellText).join(',')}\r\n`).join('');
}

function spread(value: object, prefix: string): [string, unknown][] {
  return Object.entries(value).flatMap(([key, part]: [string, unknown]): [string, unknown][] =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? spread(part, `${prefix}${key}.`)
      : [[`${prefix}${key}`, part]],
  );
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = Array.isArray(value) ? value.join(';') : String(value);
  const guarded = text.replaceAll(/(^|;)(?=[=+\-@＝＋－＠\t\r\n])/g, "$1'");
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}
