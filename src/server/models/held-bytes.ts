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

/** Returns the part of one run, which leaves memory to others. */
export function shareOf(all: HeldBytes, limit: number): HeldBytes {
  const own = createHeldBytes(limit);
  return {
    take: (bytes) => {
      if (!own.take(bytes)) return false;
      if (all.take(bytes)) return true;
      own.give(bytes);
      return false;
    },
    give: (bytes) => {
      own.give(bytes);
      all.give(bytes);
    },
  };
}
