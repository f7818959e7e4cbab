/**
 * A semaphore with round-robin fairness between owners (organizations): an owner with a thousand
 * waiters delays another by one slot.
 */
export interface FairSlots {
  /**
   * Waits for a slot, FIFO per owner. Calling the returned function releases it.
   * @throws the abort reason of `signal`
   */
  take(owner: string, signal?: AbortSignal): Promise<() => void>;
}

interface Owner {
  taken: number;
  waiting: (() => void)[];
}

/** @param perOwner maximum concurrent slots of one owner */
export function fairSlots({ slots, perOwner }: { slots: number; perOwner: number }): FairSlots {
  /** Owners with slots or waiters; the next in turn comes first. */
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
          owner.waiting = owner.waiting.filter((other) => other !== enter);
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
