// Control characters (C0, DEL, C1), those that reorder or hide text (Cf: bidi controls, zero width, tags), line and paragraph separators, and halves
// of surrogate pairs. https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const UNSAFE_BUT_LINE_ENDS = /(?![\n\r])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** One line for a terminal: what would steer it or mislead its reader is shown as `\x1b` or `\u{202e}`. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, visible);
}

/** The same for text of several lines. */
export function escapeLines(text: string): string {
  return text.replace(UNSAFE_BUT_LINE_ENDS, visible);
}

/** JSON that means the same, with these characters escaped as JSON has it: outside of strings there are none but white space. */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE_BUT_LINE_ENDS, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      const unit = character.charCodeAt(at).toString(16).padStart(4, '0');
      return `\\u${unit}`;
    }).join(''),
  );
}

function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}
