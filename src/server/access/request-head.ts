import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";

/** A request without its body: what tells the caller and where the request comes from. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** The host that the client names, with the port; a trusted proxy's client's, if it passed one on. */
  readonly host: string;
  /** The scheme of the client's connection, as far as it is known. */
  readonly protocol: "http" | "https";
  /** The client's address: that of the connection, or the one that a trusted proxy names. */
  readonly ip: string;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: Readonly<Record<string, string | undefined>>;
  readonly socket: Socket;
  /** For the request log; set by `authenticate`. */
  actorId: string | null;
}
