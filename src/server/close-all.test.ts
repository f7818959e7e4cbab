import { expect, test } from "vitest";
import { closeAll } from "./close-all.js";

const fails = (message: string) => () => Promise.reject(new Error(message));

test("closes resources in order, also after a failure", async () => {
  const closed: string[] = [];
  const closes = (name: string) => () => closed.push(name);
  await closeAll([closes("a"), closes("b")]);
  await expect(closeAll([fails("no"), closes("c")])).rejects.toThrow("no");
  const error = await closeAll([fails("first"), fails("second"), closes("d")]).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AggregateError);
  expect((error as AggregateError).errors.map(String)).toEqual(["Error: first", "Error: second"]);
  expect(closed).toEqual(["a", "b", "c", "d"]);
});
