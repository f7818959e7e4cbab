/**
 * A limited number of slots that owners (organizations) take in turn: an owner with a thousand waiters
 * delays another one by one slot, not by a thousand.
 */
export interface FairSlots {
  /**
   * Waits for a slot, first in, first out for each owner. The slot is taken until the answer is called.
   * @throws what `signal` was aborted with
   */
  take(owner: string, signal?: AbortSignal): Promise<() => void>;
}

interface Owner {
  taken: number;
  waiting: (() => void)[];
}

/** @param perOwner slots that one owner has at the same time, at most */
export function fairSlots({ slots, perOwner }: { slots: number; perOwner: number }): FairSlots {
  /** Those that have or want a slot; the next one in turn comes first. */
  const owners = new Map<string, Owner>();
  let free = slots;

  const grant = (): void => {
    for (const [name, owner] of owners) {
      if (free === 0) return;
      if (owner.taken >= perOwner) continue;
      const next = owner.waiting.shift();
      if (next === undefined) continue;
      owner.taken += 1;
      free -= 1;
      owners.delete(name);
      owners.set(name, owner);
      next();
    }
  };
  const forgetIdle = (name: string, { taken, waiting }: Owner): void => {
    if (taken === 0 && waiting.length === 0) owners.delete(name);
  };

  return {
    take: async (name, signal) => {
      signal?.throwIfAborted();
      const owner = owners.get(name) ?? { taken: 0, waiting: [] };
      owners.set(name, owner);
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          owner.waiting = owner.waiting.filter((one) => one !== enter);
          forgetIdle(name, owner);
          reject(signal?.reason as Error);
        };
        const enter = (): void => {
          signal?.removeEventListener("abort", leave);
          resolve();
        };
        signal?.addEventListener("abort", leave, { once: true });
        owner.waiting.push(enter);
        grant();
      });
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        owner.taken -= 1;
        free += 1;
        forgetIdle(name, owner);
        grant();
      };
    },
  };
}
