// Names are in presentation format (RFC 1035 §5.1): a dot behind an odd number of backslashes belongs to its label and is no boundary.

/** A condition: whether a dot that follows this text is a boundary. */
export function isBoundaryAfter(text: string): string {
  return String.raw`${text} !~ '(^|[^\\])(\\\\)*\\$'`;
}

/** The last `labels` labels of a name, the whole name if it has no more. */
export function suffixSql(column: string, labels: number): string {
  const more = `{0,${labels - 1}}`;
  const label = String.raw`(?:[^.\\]|\\.)+`;
  // Few names have escapes, and the expression for these takes several times as long.
  return String.raw`CASE WHEN strpos(${column}, '\') = 0 THEN coalesce(substring(${column} from '[^.]+(?:\.[^.]+)${more}$'), ${column})
    ELSE substring(${column} from '^(?:(?:${label}\.)*?)(${label}(?:\.${label})${more})$') END`;
}
