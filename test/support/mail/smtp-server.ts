import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

export interface ReceivedMail {
  from: string;
  to: string[];
  /** The given user and password, or null. */
  login: string | null;
  /** Headers and body as received. */
  raw: string;
}

export interface SmtpServer {
  url: string;
  mails: ReceivedMail[];
  close(): Promise<void>;
}

/** Starts a mail server (RFC 5321) for one test: accepts all mail, except that for `refused@…`. */
export async function startSmtpServer(port = 0, host = "127.0.0.1"): Promise<SmtpServer> {
  const mails: ReceivedMail[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    serve(socket, mails);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.address() as { port: number };
  return {
    url: `smtp://${host}:${address.port}`,
    mails,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(socket: Socket, mails: ReceivedMail[]): void {
  const say = (line: string): boolean => socket.write(`${line}\r\n`);
  let login: string | null = null;
  let mail = { from: "", to: [] as string[] };
  let data: string[] | null = null;
  say("220 test ESMTP");
  createInterface({ input: socket }).on("line", (line) => {
    if (data !== null) {
      if (line !== ".") return void data.push(line.replace(/^\./, ""));
      mails.push({ ...mail, login, raw: data.join("\n") });
      data = null;
      return void say("250 taken");
    }
    const [verb = "", rest = ""] = line.split(/\s(.*)/s);
    const address = /<([^>]*)>/.exec(rest)?.[1] ?? "";
    switch (verb.toUpperCase()) {
      case "EHLO":
        say("250-test");
        return void say("250 AUTH PLAIN");
      case "AUTH":
        login = Buffer.from(rest.split(" ")[1] ?? "", "base64")
          .toString()
          .split("\u0000")
          .slice(1)
          .join(":");
        return void say("235 welcome");
      case "MAIL":
        mail = { from: address, to: [] };
        return void say("250 ok");
      case "RCPT":
        if (address.startsWith("refused@")) return void say("550 no such mailbox");
        mail.to.push(address);
        return void say("250 ok");
      case "DATA":
        data = [];
        return void say("354 go on");
      case "QUIT":
        say("221 bye");
        return void socket.end();
      case "STARTTLS":
        return void say("502 not here");
      default:
        return void say("250 ok");
    }
  });
}
