/**
 * What the runner of a pod and the agent that starts commands in the pod's other container say to each other, over one
 * connection of a Unix socket. Frames are those of `shared/node/frames.ts`; bytes are of the streams below. The agent
 * is not trusted: a command has its user, and may have replaced it.
 *
 * 1. The agent says `hello`.
 * 2. The runner sends `start` with a new id; the agent answers `started`, or `ended` if the program cannot be started.
 * 3. The agent sends output within the window of each stream; `consumed` widens it.
 * 4. The runner sends input, one chunk at a time, each acknowledged by `taken`; `close_input` ends it.
 * 5. `stop` ends a command. `ended` follows its last output, when none of its processes is left.
 * 6. `exit`, or the end of the connection, ends everything.
 */

export const COMMAND_PROTOCOL = 1;

/** Streams of bytes. */
export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;

/** Bytes of a stream on their way; each frame counts `FRAME_COST` more, so that small ones are not many. */
export const WINDOW_BYTES = 256 * 1024;
export const FRAME_COST = 256;

/** Maximum length of a message to the runner in bytes. */
export const MAX_REPLY_BYTES = 8 * 1024;
/** The same to the agent: arguments and variables of a command. */
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** What the runner says. */
export type CommandRequest =
  | {
      type: "start";
      id: number;
      command: readonly string[];
      env: Readonly<Record<string, string>>;
      hasInput: boolean;
      /** Whether its end ends every process of the container, not only its own. */
      endsAll: boolean;
    }
  | { type: "stop"; id: number; graceMs: number }
  | { type: "consumed"; id: number; stream: number; bytes: number }
  | { type: "close_input"; id: number }
  | { type: "exit" };
