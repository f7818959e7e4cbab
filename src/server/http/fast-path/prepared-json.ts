const preparedTexts = new WeakMap<object, string>();

/** The JSON of an answer that is written already, or that cannot change any more and is written once. */
export function textOf(data: object): string | undefined {
  const known = preparedTexts.get(data);
  if (known !== undefined || !Object.isFrozen(data)) return known;
  const text = JSON.stringify(data);
  preparedTexts.set(data, text);
  return text;
}

/** A list whose JSON is written already: it is sent as it is. */
export function preparedJson<Item>(text: string): Item[] {
  const answer: Item[] = [];
  preparedTexts.set(answer, text);
  return answer;
}
