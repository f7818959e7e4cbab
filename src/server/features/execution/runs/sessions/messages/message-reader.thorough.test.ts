// Thorough: messages of the largest size, exhausted memory, and kills in rounds.
import { describe, expect, test } from "vitest";
import { childrenTitled, killChildren } from "#test/support/server/children.js";
import { MessageReader, UnreadableMessagesError } from "./message-reader.js";
import { MAX_MESSAGE_BYTES } from "./split-messages.js";
import type { MessagesToRead } from "./read-messages.js";

const limits = { heapMib: 256, memoryKib: 1024 * 1024, descriptors: 64, orderMs: 60_000 };
const order = (...messages: (object | string)[]): MessagesToRead => ({
  lines: Buffer.from(
    messages
      .map((message) => `${typeof message === "string" ? message : JSON.stringify(message)}\n`)
      .join(""),
  ),
  asked: new Map(),
  session: "s",
  permissions: 1,
});
const update = (value: object, sessionId = "s") => ({
  jsonrpc: "2.0",
  method: "session/update",
  params: { sessionId, update: value },
});
const say = (text: string, sessionId?: string) =>
  update({ sessionUpdate: "agent_message_chunk", content: { type: "text", text } }, sessionId);
const text = (joined: string) => ({
  update: { sessionUpdate: "agent_message_chunk", text: joined },
});
const processes = () => childrenTitled("omoi-session-messages", "message-process");

describe("the process of messages", () => {
  test("reads the hardest messages of the largest size within its memory", async () => {
    // Other tests in this process have their own.
    const before = (await processes()).length;
    const reader = new MessageReader(limits);
    const fill = (piece: string, end = ""): string =>
      piece.repeat((MAX_MESSAGE_BYTES - 100) / (piece.length + end.length)) +
      end.repeat((MAX_MESSAGE_BYTES - 100) / (piece.length + end.length));
    const keys = Array.from({ length: 150_000 }, (_, at) => `"${at.toString(36)}":{}`).join(",");
    for (const hard of [
      fill("[", "]"),
      `[${fill("{},")}0]`,
      `[${fill("[],")}0]`,
      fill('{"a":', "}").replace("}", "0}"),
      `{${keys}}`,
    ]) {
      expect(Buffer.byteLength(hard)).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
      expect((await reader.read("org", order(hard, say("x")))).items).toEqual([text("x")]);
    }
    expect(await processes()).toHaveLength(before + 1);
  });

  test("is replaced when it is killed, and nothing is lost or doubled", async () => {
    const reader = new MessageReader(limits);
    for (let round = 0; round < 3; round += 1) {
      const names = Array.from({ length: 20 }, (_, at) => `${round}.${at}`);
      const all = Promise.all(
        names.map((name, at) => reader.read(`org ${at % 4}`, order(say(name)))),
      );
      // Once in each round: messages that end it twice fail.
      await killChildren("omoi-session-messages", "message-process");
      expect((await all).map(({ items }) => items)).toEqual(names.map((name) => [text(name)]));
    }
  });

  test("messages that exceed its memory or its time fail alone", async () => {
    const small = new MessageReader({ ...limits, heapMib: 24 });
    const objects = `[${"{},".repeat(600_000)}0]`;
    await expect(small.read("bad", order(objects))).rejects.toThrow(UnreadableMessagesError);
    expect((await small.read("good", order(say("x")))).items).toEqual([text("x")]);
    const slow = new MessageReader({ ...limits, orderMs: 0 });
    await expect(slow.read("bad", order(objects))).rejects.toThrow(UnreadableMessagesError);
  });
});
