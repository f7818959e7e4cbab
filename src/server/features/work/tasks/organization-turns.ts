/**
 * Calls `work` for one organization after another's request, once at a time for each: what takes long in one organization
 * delays no other. A request during its work leads to one more call, regular if one of them was.
 */
export function inTurnsOfOrganizations(
  work: (orgId: string, isRegular: boolean) => Promise<void>,
): {
  request(orgId: string, isRegular: boolean): void;
  end(): Promise<void>;
} {
  const working = new Map<string, { done: Promise<void>; next: { isRegular: boolean } | null }>();
  let hasEnded = false;
  const request = (orgId: string, isRegular: boolean): void => {
    if (hasEnded) return;
    const current = working.get(orgId);
    if (current) {
      current.next = { isRegular: isRegular || current.next?.isRegular === true };
      return;
    }
    const done = work(orgId, isRegular).finally(() => {
      const next = working.get(orgId)?.next;
      working.delete(orgId);
      if (next) request(orgId, next.isRegular);
    });
    working.set(orgId, { done, next: null });
  };
  return {
    request,
    end: async () => {
      hasEnded = true;
      await Promise.all([...working.values()].map(({ done }) => done));
    },
  };
}
