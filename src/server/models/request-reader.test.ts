import { describe, expect, test } from "vitest";
import { killChildren } from "#test/support/server/children.js";
import { readRequest, withStreamOptions, type RequestToRead } from "./read-request.js";
import { readInTurn } from "./request-reader.js";

/** A chat of about so many bytes, with a number that loses digits when it is parsed. */
const chat = (bytes: number, more = ""): RequestToRead => ({
  body: Buffer.from(
    `{"model":"m","stream":true,"seed":12345678901234567890,"messages":[{"role":"user","content":"${"é".repeat(bytes / 2)}"}]${more}}`,
  ),
  path: "/chat/completions",
  isLikeOpenAi: true,
});
const KIB = 1024;

describe("a request of a run", () => {
  test.each([1, 60, 70, 900, 1100, 16_000])("of %d KiB is read as a small one is", async (kib) => {
    const request = chat(kib * KIB, ',"stream_options":{"a":1}');
    const read = await readInTurn("org", request);
    expect(read).toEqual(readRequest(request));
    expect(read).toMatchObject({ streamOptions: '{"a":1,"include_usage":true}' });
    const options = (read as { streamOptions: string }).streamOptions;
    const sent = withStreamOptions(request.body as Buffer, options).toString();
    expect(sent).toContain('"seed":12345678901234567890');
    expect(JSON.parse(sent)).toMatchObject({ stream_options: { a: 1, include_usage: true } });
  });

  test("of a hostile size or form is refused with what is wrong", async () => {
    const large = "x".repeat(100 * KIB);
    const refused = async (more: string): Promise<unknown> =>
      readInTurn("org", chat(100 * KIB, more));
    expect(await refused(`,"stream":1,"large":"${large}"`)).toContain('"stream" is doubled');
    expect(await refused(`,"background":true,"large":"${large}"`)).toContain("background");
    expect(await refused(",")).toBe("The body must be a JSON object.");
    expect(await refused(`,"x":[${"{},".repeat(1_000_000)}0]`)).toBe(
      "The body has more than 1000000 objects and lists.",
    );
  });

  test("is read again when its process is killed meanwhile", async () => {
    const request = chat(500 * KIB);
    const orgs = Array.from({ length: 20 }, (_, at) => `org ${at % 4}`);
    const all = Promise.all(orgs.map((org) => readInTurn(org, request)));
    await killChildren("omoi-model-requests", "request-process");
    const expected = readRequest(request);
    expect(await all).toEqual(orgs.map(() => expected));
  });
});
