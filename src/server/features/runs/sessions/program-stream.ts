/** The messages of a program, as the library of the Agent Client Protocol may get them. */
import { type PassThrough, Readable, Transform, Writable } from "node:stream";
import {
  CLIENT_METHODS,
  ndJsonStream,
  RequestError,
  type AnyMessage,
  type Stream,
} from "@agentclientprotocol/sdk";

/** Maximum size of one message of the program. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** Bytes of answers that a program may leave unread before its own output is read no more. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** Maximum length of an id of a message. */
const MAX_ID = 200;
/** Maximum options of a request for a permission. */
const MAX_OPTIONS = 20;

/**
 * Returns the messages on a program's standard streams, without malformed ones and answers to nothing: the
 * library would print a line for each on the server's own output.
 * @param onUpdate gets the parameters of notifications `session/update`, unparsed: the library would refuse those
 * that are newer than itself
 */
export function programStream(
  input: Writable,
  output: PassThrough,
  onUpdate: (params: unknown) => void,
): Stream {
  let unread = 0;
  let open: () => void = () => undefined;
  // Before the library, which reads messages as fast as they come.
  const gate = new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      if (unread <= MAX_UNREAD_BYTES) next(null, chunk);
      // A program that asks without reading the answers has to wait.
      else open = () => next(null, chunk);
    },
  });
  output.on("error", (error) => gate.destroy(error));
  output.on("close", () => gate.destroy());
  gate.on("error", () => undefined);
  const answers = new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      unread += chunk.length;
      input.write(chunk, () => {
        unread -= chunk.length;
        if (unread > MAX_UNREAD_BYTES) return;
        open();
        open = () => undefined;
      });
      // The library must not wait: it would keep the chunks itself.
      next();
    },
  });
  const { writable, readable } = ndJsonStream(
    Writable.toWeb(answers) as WritableStream<Uint8Array>,
    Readable.toWeb(output.pipe(gate)) as unknown as ReadableStream<Uint8Array>,
    { maxMessageBytes: MAX_MESSAGE_BYTES },
  );
  const asked = new Set<unknown>();
  const writer = writable.getWriter();
  const send = (message: AnyMessage): void => {
    writer.write(message).catch(() => undefined);
  };
  const outgoing = new WritableStream<AnyMessage>({
    write: (message) => {
      const { method, id } = message as Fields;
      if (method !== undefined && id !== undefined) asked.add(id);
      send(message);
    },
  });
  const incoming = readable.pipeThrough(
    new TransformStream<AnyMessage, AnyMessage>({
      transform: (message, controller) => {
        const { id, method, params } = message as Fields;
        if (method === CLIENT_METHODS.session_update && id === undefined) onUpdate(params);
        else if (isPermissionRequest(message)) controller.enqueue(withFewItems(message));
        else if (isAnswer(message) && asked.delete(id)) controller.enqueue(message);
        else if (typeof method === "string" && isId(id)) send(refusalOf(id));
      },
    }),
  );
  return { writable: outgoing, readable: incoming };
}

type Fields = Readonly<Record<string, unknown>>;

const isId = (id: unknown): id is string | number =>
  typeof id === "number" || (typeof id === "string" && id.length <= MAX_ID);

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;

function isPermissionRequest(message: object): boolean {
  const { jsonrpc, method, id, params } = message as Fields;
  const isOne = jsonrpc === "2.0" && method === CLIENT_METHODS.session_request_permission;
  return isOne && isId(id) && isObject(params);
}

/** Checking long lists of anything takes time and memory before it fails. */
function withFewItems(message: AnyMessage): AnyMessage {
  const { params } = message as { params: Fields };
  const { options, toolCall } = params;
  return {
    ...message,
    params: {
      sessionId: params["sessionId"],
      options: Array.isArray(options) ? options.slice(0, MAX_OPTIONS) : options,
      toolCall: isObject(toolCall)
        ? { toolCallId: toolCall["toolCallId"], title: toolCall["title"] }
        : toolCall,
    },
  };
}

function isAnswer(message: object): boolean {
  const { jsonrpc, id, error } = message as Fields;
  return jsonrpc === "2.0" && id != null && "result" in message !== isObject(error);
}

/** Without the words of the program, which may be long. */
function refusalOf(id: string | number): AnyMessage {
  const { code, message } = RequestError.methodNotFound("");
  return { jsonrpc: "2.0", id, error: { code, message } };
}
