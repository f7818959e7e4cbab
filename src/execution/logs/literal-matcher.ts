/**
 * Searches text for many literals at once (Aho–Corasick, 1975) in time linear in the text. Units are
 * UTF-16 code units.
 */
export interface LiteralMatcher {
  /** Returns the position from which a literal may begin, at or after `at`; the length of the text if none does. */
  skip(text: string, at: number): number;
  /** Returns the state after reading `code` in `state`; the initial state is 0. */
  next(state: number, code: number): number;
  /** Returns the length of the longest literal that ends here, or 0. */
  matched(state: number): number;
  /** Returns the length of the longest suffix of the text that is a prefix of a literal. */
  depth(state: number): number;
}

const NONE = -1;

/** Builds the automaton in time linear in the total length of the literals, which must not be empty. */
export function matchLiterals(literals: readonly string[]): LiteralMatcher {
  const size = 1 + literals.reduce((sum, literal) => sum + literal.length, 0);
  /** Most states have a single transition, which needs no map. */
  const firstCode = new Uint16Array(size);
  const firstChild = new Int32Array(size).fill(NONE);
  const otherChildren = new Map<number, number>();
  const hasOthers = new Uint8Array(size);
  const fallback = new Int32Array(size);
  const longest = new Int32Array(size);
  /** The first state of each depth; states are created in depth order. */
  const firstOfDepth = [0];

  const childOf = (state: number, code: number): number => {
    if (firstChild[state] === NONE) return NONE;
    if (firstCode[state] === code) return firstChild[state] as number;
    return hasOthers[state] === 0 ? NONE : (otherChildren.get(state * 0x1_00_00 + code) ?? NONE);
  };
  const next = (from: number, code: number): number => {
    for (let state = from; ; state = fallback[state] as number) {
      const child = childOf(state, code);
      if (child !== NONE) return child;
      if (state === 0) return 0;
    }
  };

  let made = 1;
  const add = (parent: number, code: number): number => {
    const state = made;
    made += 1;
    fallback[state] = parent === 0 ? 0 : next(fallback[parent] as number, code);
    longest[state] = longest[fallback[state]] as number;
    if (firstChild[parent] === NONE) {
      firstCode[parent] = code;
      firstChild[parent] = state;
    } else {
      hasOthers[parent] = 1;
      otherChildren.set(parent * 0x1_00_00 + code, state);
    }
    return state;
  };

  // Breadth first: a state's fallback is shallower and already complete.
  let growing = literals.map((literal) => ({ literal, state: 0 }));
  for (let depth = 1; growing.length > 0; depth += 1) {
    firstOfDepth.push(made);
    for (const one of growing) {
      const code = one.literal.charCodeAt(depth - 1);
      const known = childOf(one.state, code);
      one.state = known === NONE ? add(one.state, code) : known;
      if (one.literal.length === depth) longest[one.state] = depth;
    }
    growing = growing.filter(({ literal }) => literal.length > depth);
  }

  /** Codes with which a literal begins; those beyond ASCII share the last place. */
  const begins = new Uint8Array(129);
  for (const literal of literals) begins[Math.min(literal.charCodeAt(0), 128)] = 1;

  return {
    skip: (text, from) => {
      let at = from;
      while (at < text.length && begins[Math.min(text.charCodeAt(at), 128)] === 0) at += 1;
      return at;
    },
    next,
    matched: (state) => longest[state] as number,
    depth: (state) => {
      let [low, high] = [0, firstOfDepth.length];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if ((firstOfDepth[middle] as number) <= state) low = middle;
        else high = middle;
      }
      return low;
    },
  };
}
