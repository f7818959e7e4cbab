/** Values by key, in order; all are added before the first lookup. Lookups in that order need no map. */
export class Keyed<Value> {
  readonly keys: string[] = [];
  readonly #values: Value[] = [];
  #positions: Map<string, number> | undefined;
  #next = 0;

  add(key: string, value: Value): void {
    this.keys.push(key);
    this.#values.push(value);
  }

  get(key: string): Value | undefined {
    if (this.keys[this.#next] !== key) {
      this.#positions ??= positionsOf(this.keys);
      this.#next = this.#positions.get(key) ?? -1;
    }
    const value = this.#values[this.#next];
    this.#next = this.#next + 1 === this.keys.length ? 0 : this.#next + 1;
    return value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }
}

function positionsOf(keys: readonly string[]): Map<string, number> {
  const positions = new Map<string, number>();
  for (const [at, key] of keys.entries()) positions.set(key, at);
  return positions;
}
