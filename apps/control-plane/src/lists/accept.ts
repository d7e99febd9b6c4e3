/** The formats of a list, best first: what is chosen when the Accept header leaves several equal. */
export const LIST_FORMATS = ['application/json', 'application/x-ndjson', 'text/csv'] as const;
export type ListFormat = (typeof LIST_FORMATS)[number];

/** The format that an Accept header asks for (RFC 9110 §12.5.1), or null if it leaves none. */
export function negotiateFormat(accept: string | undefined): ListFormat | null {
  if (accept === undefined || accept.trim() === '') return 'application/json';
  const ranges = accept.split(',').map(parseRange);
  let best: { format: ListFormat; quality: number } | null = null;
  for (const format of LIST_FORMATS) {
    const quality = qualityOf(format, ranges);
    if (quality > (best?.quality ?? 0)) best = { format, quality };
  }
  return best?.format ?? null;
}

interface MediaRange {
  readonly range: string;
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
  return { range, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

/** The most specific range that covers the format decides. */
function qualityOf(format: ListFormat, ranges: readonly MediaRange[]): number {
  const [kind] = format.split('/');
  const covering = [format, `${kind}/*`, '*/*'].map((range) =>
    ranges.find((candidate) => candidate.range === range),
  );
  return covering.find((candidate) => candidate !== undefined)?.quality ?? 0;
}
