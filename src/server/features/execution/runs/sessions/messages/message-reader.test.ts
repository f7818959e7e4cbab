import { describe, expect, test } from "vitest";
import { killChildren } from "#test/support/server/children.js";
import { MessageReader, UnreadableMessagesError } from "./message-reader.js";
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

describe("the process of messages", () => {
  test("joins text, keeps the last state, and refuses unknown requests", async () => {
    const reader = new MessageReader(limits);
    const mode = (id: string) =>
      update({ sessionUpdate: "current_mode_update", currentModeId: id });
    const ask = (id: number) => ({
      jsonrpc: "2.0",
      id,
      method: "session/request_permission",
      params: { sessionId: "s", options: [{ optionId: "y", more: 1 }], toolCall: { more: 1 } },
    });
    const { items, replies } = await reader.read("org", {
      ...order(
        say("a"),
        say("b"),
        say("other", "another session"),
        mode("one"),
        say("c"),
        mode("two"),
        "",
        "no JSON",
        "[]",
        { jsonrpc: "2.0", id: 7, method: "no/such" },
        { jsonrpc: "2.0", method: "no/such" },
        { jsonrpc: "2.0", id: 8, result: { sessionId: "new", more: 1 } },
        { jsonrpc: "2.0", id: 8, result: {} },
        { jsonrpc: "2.0", id: 9, result: {} },
        say("d", "new"),
        ask(10),
        ask(11),
      ),
      asked: new Map([[8, "session/new"]]),
    });
    expect(items).toEqual([
      text("ab"),
      text("c"),
      { update: { sessionUpdate: "current_mode_update", currentModeId: "two" } },
      { message: { jsonrpc: "2.0", id: 8, result: { sessionId: "new" } } },
      text("d"),
      {
        message: {
          jsonrpc: "2.0",
          id: 10,
          method: "session/request_permission",
          params: {
            sessionId: "s",
            options: [{ optionId: "y", name: null, kind: null }],
            toolCall: { toolCallId: null, title: null },
          },
        },
      },
    ]);
    const answers = replies
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: unknown; error?: { code: number } });
    expect(answers.map(({ id, error }) => [id, error?.code])).toEqual([
      [null, -32700],
      [null, -32600],
      [7, -32601],
      [11, undefined],
    ]);
  });

  test("is replaced when it is killed, and nothing is lost or doubled", async () => {
    const reader = new MessageReader(limits);
    const names = Array.from({ length: 20 }, (_, at) => `${at}`);
    const all = Promise.all(
      names.map((name, at) => reader.read(`org ${at % 4}`, order(say(name)))),
    );
    await killChildren("omoi-session-messages", "message-process");
    expect((await all).map(({ items }) => items)).toEqual(names.map((name) => [text(name)]));
  });

  test("messages that exceed its time fail alone", async () => {
    const slow = new MessageReader({ ...limits, orderMs: 0 });
    const objects = `[${"{},".repeat(600_000)}0]`;
    await expect(slow.read("bad", order(objects))).rejects.toThrow(UnreadableMessagesError);
  });
});
