/** What the agent of a pod's commands says; see `command-protocol.ts`. Apart, so that the agent needs no zod. */
import { z } from "zod";
import { COMMAND_PROTOCOL } from "./command-protocol.js";

const id = z.int().min(1).max(0xffff_ffff);
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER).nullable();

export const commandReply = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("hello"), protocol: z.literal(COMMAND_PROTOCOL) }),
  z.strictObject({ type: z.literal("started"), id }),
  z.strictObject({ type: z.literal("taken"), id }),
  z.strictObject({
    type: z.literal("ended"),
    id,
    /** 128 plus the signal for a command that was ended by one; null if it could not be started. */
    exit_code: z.int().min(0).max(255).nullable(),
    /** The error code of a program that could not be started, such as ENOENT. */
    problem: z
      .string()
      .regex(/^[A-Z0-9]{1,20}$/)
      .nullable(),
    cpu_seconds: amount,
    peak_memory_bytes: amount.pipe(z.int().nullable()),
    /** Processes of the container that the kernel ended for their memory meanwhile. */
    oom_kills: z.int().min(0).max(1_000_000),
  }),
]);
export type CommandReply = z.output<typeof commandReply>;
