/**
 * Gives organizations turns of a bounded length: one with much work returns to the end of the line, so that it delays
 * the others by one turn only.
 * @param concurrency turns at once; an organization has one at a time
 * @param turn returns whether the organization has more to do
 */
export function fairTurns(
  concurrency: number,
  turn: (orgId: string) => Promise<boolean>,
): { request(orgId: string): void; end(): Promise<void> } {
  const line = new Set<string>();
  const running = new Map<string, Promise<void>>();
  let hasEnded = false;
  const startTurns = (): void => {
    for (const orgId of line) {
      if (hasEnded || running.size >= concurrency) return;
      if (running.has(orgId)) continue;
      line.delete(orgId);
      const done = turn(orgId).then((hasMore) => {
        running.delete(orgId);
        if (hasMore && !hasEnded) line.add(orgId);
        startTurns();
      });
      running.set(orgId, done);
    }
  };
  return {
    request: (orgId) => {
      if (hasEnded) return;
      line.add(orgId);
      startTurns();
    },
    end: async () => {
      hasEnded = true;
      line.clear();
      await Promise.all(running.values());
    },
  };
}
