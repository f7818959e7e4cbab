/** The models that an organization allows its runs. */

/** Tells whether a pattern covers a model's name, in time linear in the name. `*` stands for any characters. */
function matchesModel(pattern: string, model: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return model === pattern;
  const end = model.length - last.length;
  if (!model.startsWith(first) || !model.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = model.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}

/** @param patterns null for all models */
export function isAllowedModel(patterns: readonly string[] | null, model: string): boolean {
  return patterns?.some((pattern) => matchesModel(pattern, model)) ?? true;
}
