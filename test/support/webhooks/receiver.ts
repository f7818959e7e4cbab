import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

/** A delivery that a receiver got. */
export interface Received {
  id: string;
  /** Whether the published library accepts the signature with the receiver's secret. */
  isVerified: boolean;
  payload: {
    type: string;
    timestamp: string;
    data: {
      organization_id: string;
      subject: { type: string; id: string; name: string | null };
      [field: string]: unknown;
    };
  };
  headers: IncomingMessage["headers"];
}

type Respond = (response: ServerResponse, delivery: Received) => void;

/** A receiver of webhooks on this machine, which verifies signatures by the library `standardwebhooks`. */
export interface Receiver {
  url: string;
  received: Received[];
  /** The secret that deliveries are verified with. */
  secret: string;
  /** Answers deliveries; by default with 204. */
  respond: Respond;
  typesOf(subjectId: string): string[];
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const server: Server = createServer((request, response) => {
    void (async () => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      const { headers } = request;
      let isVerified = true;
      try {
        new Webhook(receiver.secret).verify(body, headers as Record<string, string>);
      } catch {
        isVerified = false;
      }
      const id = String(headers["webhook-id"]);
      const delivery: Received = { id, isVerified, headers, payload: JSON.parse(body) };
      receiver.received.push(delivery);
      receiver.respond(response, delivery);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/hook`,
    received: [],
    secret: "whsec_AAAA",
    respond: answer(204),
    typesOf: (subjectId) =>
      receiver.received
        .filter(({ payload }) => payload.data.subject.id === subjectId)
        .map(({ payload }) => payload.type),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return receiver;
}

/** Returns a function that answers with a status and a text. */
export function answer(
  status: number,
  body = "",
  headers: Record<string, string> = {},
): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(status, headers).end(body);
  };
}
