import { describe, expect, test } from "vitest";
import { createKeyMask } from "./mask-key.js";

const KEY = "sk-sk-the/key";

/** Passes a text in pieces of a size. */
function passed(text: string, size: number, key = KEY): string {
  const mask = createKeyMask(key);
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    out.push(Buffer.from(mask.write(bytes.subarray(at, at + size))));
  }
  return Buffer.concat([...out, mask.end()]).toString();
}

describe("the key in an answer", () => {
  test.each([
    ["", ""],
    ["nothing é 😀 here", "nothing é 😀 here"],
    [KEY, "***"],
    [`${KEY}${KEY}x`, "******x"],
    [`a sk-${KEY} b`, "a sk-*** b"],
    [`sk-sk-sk-the/ke ${KEY.slice(0, -1)}`, `sk-sk-sk-the/ke ${KEY.slice(0, -1)}`],
    [JSON.stringify({ key: KEY }), '{"key":"***"}'],
    ['{"key":"sk-sk-the\\/key"}', '{"key":"***"}'],
    [`data: ${KEY}\n\ndata: ${KEY}\n\n`, "data: ***\n\ndata: ***\n\n"],
  ])("of %j is masked in pieces of any size", (text, masked) => {
    for (const size of [1, 2, 3, 5, 7, 13, 1000]) expect(passed(text, size)).toBe(masked);
  });

  test("holds back an unfinished key only", () => {
    const mask = createKeyMask(KEY);
    expect(mask.write(Buffer.from("data: hello\n\n")).toString()).toBe("data: hello\n\n");
    expect(mask.write(Buffer.from("abc sk-sk-the")).toString()).toBe("abc ");
    expect(mask.write(Buffer.from(" x")).toString()).toBe("sk-sk-the x");
    expect(mask.write(Buffer.from("sk-")).toString()).toBe("");
    expect(mask.end().toString()).toBe("sk-");
  });

  test("of fewer than eight characters stays, since it is found in ordinary text", () => {
    expect(passed("the json of json", 3, "json")).toBe("the json of json");
    expect(passed("12345678", 3, "12345678")).toBe("***");
  });
});
