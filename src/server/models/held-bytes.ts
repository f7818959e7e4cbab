/** Bytes of calls that are held in memory, by all runs together. */
export interface HeldBytes {
  /** Reserves bytes. Returns false if too many are held. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export function createHeldBytes(limit: number): HeldBytes {
  let held = 0;
  return {
    take: (bytes) => {
      if (held + bytes > limit) return false;
      held += bytes;
      return true;
    },
    give: (bytes) => {
      held -= bytes;
    },
  };
}
