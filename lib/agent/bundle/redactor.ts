// Takes secrets out of what leaves this host: values that are known to be secret, wherever they occur, and what looks
// like one by its name or its form. Rather too much than too little. Pure.

/** Stands in place of a secret. */
export const REMOVED = "[removed]";

const WORDS =
  "pass(?:word|wd|phrase)?s?|pwd|secrets?|tokens?|credentials?|authorization|bearer|psk|api[-_.]?keys?|" +
  "private[-_.]?keys?|client[-_.]?keys?|access[-_.]?keys?|key[-_.]?data";
// Names of files with secrets are no secrets.
const SECRET_NAME = new RegExp(`(?:^|[^a-z])(?:${WORDS})(?:$|[^a-z])|(?:${WORDS})$`, "i");
const FILE_NAME = /(?:file|path|dir|folder)$/i;

/** Reports whether a field, variable or flag of that name has a secret in it. */
export function isSecretName(name: string): boolean {
  // etcdPassword: words begin with capitals, too.
  const split = name.replace(/([a-z0-9])([A-Z])/g, "$1-$2");
  return SECRET_NAME.test(split) && !FILE_NAME.test(split);
}

// Shorter ones would be found in other words.
const SHORTEST = 4;

/** Takes secrets out of texts and values. */
export class Redactor {
  readonly #values: readonly string[];

  /** `secrets` are known values; they are found as they are, quoted for JSON, for URLs, and in base64. */
  constructor(secrets: Iterable<string>) {
    const all = [...secrets].map((one) => one.trim()).filter((one) => one.length >= SHORTEST);
    this.#values = [...new Set(all.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  }

  /** Returns a text without secrets. */
  text(text: string): string {
    let left = text;
    for (const value of this.#values) left = left.replaceAll(value, REMOVED);
    for (const [form, put] of FORMS) left = left.replace(form, put);
    return left;
  }

  /** Returns a JSON value without secrets; everything below a field with a secret's name is one. */
  json(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((one) => this.json(one));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [
        this.text(key),
        isSecretName(key) ? REMOVED : this.json(one),
      ]),
    );
  }
}

function formsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    // Without its end, which depends on what follows.
    ...bytes.length >= 6 ? [bytes.toBase64().replace(/=+$/, "").slice(0, -1)] : [],
  ];
}

const NAME = `[\\w.-]*(?:${WORDS})`;
const VALUE = `(?!\\[removed\\])(?:"(?:[^"\\\\]|\\\\.)*"|'[^']*'|[^\\s,;&"'}\\]]+)`;

/** Forms of secrets in texts, with what is put in their place. */
const FORMS: readonly (readonly [form: RegExp, put: string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REMOVED],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, REMOVED],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${REMOVED}`],
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']*:[^\s/@"']*@/gi, `$1${REMOVED}@`],
  [new RegExp(`(--${NAME})(=|\\s+)(?:${VALUE})`, "gi"), `$1$2${REMOVED}`],
  [new RegExp(`(["']?${NAME}["']?\\s*[:=]\\s*)(?:${VALUE})`, "gi"), `$1${REMOVED}`],
  [/\b(password|passwd|passphrase)(\s+(?:is\s+)?)[^\s,;"']+/gi, `$1$2${REMOVED}`],
];
