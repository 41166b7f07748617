// Own stand-in for unicodeWidth of @std/cli, from Unicode's properties instead of its tables: the
// two differ in about a hundred characters of rare scripts (compared with @std/cli 1.0.32).

const CONTROL = /^\p{Cc}$/u;
const ZERO = /^(?!\u00ad)[\p{Mn}\p{Me}\p{Cf}]$/u;
// Jamo that complete a syllable take no room of their own.
const JAMO = /^[\u1160-\u11ff\ud7b0-\ud7c6\ud7cb-\ud7fb]$/u;
const WIDE = new RegExp(
  "^(?:\\p{Emoji_Presentation}(?<![\\u{1f1e6}-\\u{1f1ff}])|[\\u1100-\\u115f\\u2329\\u232a" +
    "\\u2e80-\\u303e\\u3041-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff" +
    "\\ufe10-\\ufe19\\ufe30-\\ufe6b\\uff01-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{18d08}" +
    "\\u{1aff0}-\\u{1b2ff}\\u{1f200}-\\u{1f265}\\u{20000}-\\u{3fffd}])$",
  "u",
);

/** Gives the columns that `str` takes on a terminal. Colour codes must be taken out before. */
export function unicodeWidth(str: string): number {
  let width = 0;
  for (const char of str) width += columnsOf(char);
  return width;
}

function columnsOf(char: string): number {
  if (char >= " " && char <= "~") return 1;
  if (CONTROL.test(char) || ZERO.test(char) || JAMO.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}
