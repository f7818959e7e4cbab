import { setImmediate as round } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { requestTurns } from "./request-turns.js";

describe("the turns of requests", () => {
  test("let the first of a round begin at once, and the others of a caller in order", async () => {
    const turns = requestTurns(2);
    const begun: string[] = [];
    const begin = (caller: string, name: string): void => {
      const turn = turns.take(caller);
      if (turn === null) begun.push(name);
      else void turn.then(() => begun.push(name));
    };
    for (let nth = 1; nth <= 6; nth += 1) begin("hostile", `h${nth}`);
    begin("innocent", "i1");
    begin("innocent", "i2");
    expect(begun).toEqual(["h1", "h2"]);
    for (let nth = 0; nth < 10; nth += 1) await round();
    expect(begun).toEqual(["h1", "h2", "h3", "i1", "h4", "i2", "h5", "h6"]);
  });

  test("are over at once when nothing waits", async () => {
    const turns = requestTurns(1);
    for (let nth = 0; nth < 3; nth += 1) {
      expect(turns.take("one")).toBeNull();
      await round();
      await round();
    }
  });
});
