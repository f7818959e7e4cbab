/** Memoizes `compute` for frozen objects, which cannot change. Other values are computed on each call. */
export function memoizeFrozen<Result extends {}>(
  compute: (data: unknown) => Result,
): (data: unknown) => Result {
  const results = new WeakMap<object, Result>();
  return (data) => {
    if (typeof data !== "object" || data === null || !Object.isFrozen(data)) return compute(data);
    let result = results.get(data);
    if (result === undefined) results.set(data, (result = compute(data)));
    return result;
  };
}
