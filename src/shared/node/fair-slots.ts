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
  /** Same as `take` for an owner that can have a slot now; null for others. */
  tryTake(owner: string): (() => void) | null;
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

  const ownerOf = (name: string): Owner => {
    const owner = owners.get(name) ?? { taken: 0, waiting: [] };
    owners.set(name, owner);
    return owner;
  };
  const give = (name: string, owner: Owner): void => {
    owner.taken += 1;
    free -= 1;
    owners.delete(name);
    owners.set(name, owner);
  };
  const grant = (): void => {
    for (const [name, owner] of owners) {
      if (free === 0) return;
      if (owner.taken >= perOwner) continue;
      const next = owner.waiting.shift();
      if (next === undefined) continue;
      give(name, owner);
      next();
    }
  };
  const forgetIdle = (name: string, { taken, waiting }: Owner): void => {
    if (taken === 0 && waiting.length === 0) owners.delete(name);
  };
  const releaseOf = (name: string, owner: Owner): (() => void) => {
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      owner.taken -= 1;
      free += 1;
      forgetIdle(name, owner);
      grant();
    };
  };

  return {
    take: async (name, signal) => {
      signal?.throwIfAborted();
      const owner = ownerOf(name);
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          owner.waiting = owner.waiting.filter((waiter) => waiter !== enter);
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
      return releaseOf(name, owner);
    },
    tryTake: (name) => {
      if (free === 0 || (owners.get(name)?.taken ?? 0) >= perOwner) return null;
      const owner = ownerOf(name);
      give(name, owner);
      return releaseOf(name, owner);
    },
  };
}
