import { connect, type Socket } from "node:net";

/**
 * Opens a TCP connection and sends a text.
 * @param from the local address, for example another loopback address
 * @returns the socket, and the server's output until it ends
 */
export function openConnection(
  { url }: { url: string },
  text: string,
  from = "127.0.0.1",
): { socket: Socket; answer: Promise<string> } {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, localAddress: from });
  socket.setEncoding("utf8").write(text);
  const answer = new Promise<string>((resolve) => {
    let said = "";
    socket.on("data", (piece: string) => (said += piece));
    socket.on("error", () => {});
    socket.on("close", () => resolve(said));
  });
  return { socket, answer };
}

/** A request whose body is never complete. */
export const slowBody =
  'POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"email';
