// Thorough: they wait for longer than the time of a request.
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openConnection } from "#test/support/http/raw-connection.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";

describe("slow requests", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_REQUEST_TIMEOUT_SECONDS: "1" });
  });
  afterAll(() => app.close());

  test("a client that never stops sending headers is disconnected", async () => {
    const { hostname, port } = new URL(app.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.on("error", () => {}).write("GET / HTTP/1.1\r\nhost: x\r\na: ");
    const piece = "a".repeat(64 * 1024);
    const sendMore = (): void => {
      if (socket.writable) socket.write(piece, sendMore);
    };
    sendMore();
    let said = "";
    socket.setEncoding("utf8").on("data", (text: string) => (said += text));
    // `once` would reject with the reset of the connection.
    await new Promise((resolve) => socket.once("close", resolve));
    expect(said).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("a git push may take longer", async () => {
    const { socket, answer } = openConnection(
      app,
      "POST /git/none/none.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-git-receive-pack-request\r\ncontent-length: 100\r\n\r\n0",
    );
    await new Promise((resolve) => setTimeout(resolve, 2500));
    socket.destroy();
    expect(await answer).not.toContain("HTTP/1.1 408");
  });
});
