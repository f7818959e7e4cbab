/**
 * Creates a value on first use and keeps it. For values that are slow to create and not needed by every
 * page, above all `Intl` formats, each of which loads its locale's data.
 */
export function lazy<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
