import { ownIds, type Caller } from "./call-tool.js";
import type { DescribedTool } from "./describe-tools.js";

/**
 * Stands for the tools in the library's answer. The library would check and serialize some 200 kB for each request,
 * although a tool's definition never changes.
 */
export const standIn = { name: "omoi-tools", inputSchema: { type: "object" } } as const;

const standInText = JSON.stringify(standIn);

/** Custom roles make any number of lists; few are in use at a time. */
const MAX_LISTS = 16;

/** Serialized lists by their tools and the inputs that the caller may leave out; the least recently used is first. */
const lists = new Map<string, Buffer>();

/** Puts tools in the place of the stand-in. An answer without it, such as an error, stays as it is. */
export function insertTools(
  answer: string,
  offered: readonly DescribedTool[],
  caller: Caller,
): Buffer[] {
  const at = answer.indexOf(standInText);
  if (at < 0) return [Buffer.from(answer)];
  const before = Buffer.from(answer.slice(0, at));
  return [before, listOf(offered, caller), Buffer.from(answer.slice(at + standInText.length))];
}

function listOf(offered: readonly DescribedTool[], caller: Caller): Buffer {
  // An agent may leave out its own ids.
  const own = Object.keys(ownIds(caller));
  const key = [...own, "", ...offered.map(({ tool }) => tool.name)].join();
  const list =
    lists.get(key) ??
    Buffer.from(offered.map((tool) => JSON.stringify(withoutOwn(tool, own))).join());
  lists.delete(key);
  lists.set(key, list);
  const [oldest] = lists.keys();
  if (lists.size > MAX_LISTS && oldest !== undefined) lists.delete(oldest);
  return list;
}

function withoutOwn(
  { definition }: DescribedTool,
  own: readonly string[],
): DescribedTool["definition"] {
  const { inputSchema } = definition;
  const required = inputSchema.required.filter((field) => !own.includes(field));
  return { ...definition, inputSchema: { ...inputSchema, required } };
}
