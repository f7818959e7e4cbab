/** An event as a forge delivers it. It only names what to read again: state is taken from the forge's answer. */
export interface IncomingEvent {
  /** The forge's id of the delivery, or one made from the body. */
  delivery_id: string;
  /** As the forge calls it, as in `issues.labeled`. */
  name: string;
  /** Null for events of no repository. */
  repository: string | null;
  /** The subject that has to be read again. */
  subject:
    | { kind: "issue" | "pull_request"; number: number }
    | { kind: "commit"; sha: string }
    | { kind: "branch"; name: string }
    | null;
  /** The author of the event. */
  login: string | null;
  is_bot: boolean;
}

/** Headers with names in lower case. */
export type EventHeaders = Readonly<Record<string, string | undefined>>;

/** Returns whether the signature, or the token, belongs to the raw body, in constant time. */
export type VerifyEvent = (secret: string, headers: EventHeaders, body: Buffer) => boolean;

/** Reads what an event names; null if it is no event of the forge. @throws SyntaxError for a body that is no JSON */
export type ReadEvent = (headers: EventHeaders, body: Buffer) => IncomingEvent | null;

/** How events of one kind of forge come in. */
export interface Incoming {
  verify: VerifyEvent;
  read: ReadEvent;
}
