// The flags of what the file can also be called as, for completion and for the agents' settings.

/** One flag. */
export interface FaceFlag {
  readonly name: string;
  /** Placeholder of its value, or the allowed values `a|b`; empty for a flag that is true without one. */
  readonly value: string;
  readonly help: string;
}

/** The flags by the name of what has them; loaded when they are asked for. */
export type FaceFlags = Readonly<Record<string, () => Promise<readonly FaceFlag[]>>>;
