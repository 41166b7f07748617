// How far long work is, for those who wait for it.

/** Takes how much is done, of how much: objects, documents, checks. Cheap, and never throws. */
export type Report = (done: number, of: number) => void;
