const preparedTexts = new WeakMap<object, string>();

/** Returns the prepared JSON of a response; a frozen response gets it on the first call. */
export function textOf(data: object): string | undefined {
  const known = preparedTexts.get(data);
  if (known !== undefined || !Object.isFrozen(data)) return known;
  const text = JSON.stringify(data);
  preparedTexts.set(data, text);
  return text;
}

/** Returns a list that stands for its prepared JSON, which is sent as it is. */
export function preparedJson<Item>(text: string): Item[] {
  const answer: Item[] = [];
  preparedTexts.set(answer, text);
  return answer;
}
