/**
 * Makes a value when it is first wanted, and keeps it. For what is slow to make and not wanted by every
 * page, above all the formats of `Intl`, each of which loads its locale's data.
 */
export function lazy<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
