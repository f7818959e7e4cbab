import type { Tokens } from "#shared/api/identity/auth.js";
import { ApiError, createClient, type Client } from "#shared/contract/client.js";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A signed-in user of the demo. */
export interface Person {
  id: string;
  email: string;
  api: Client;
}

export interface NewPerson {
  email: string;
  full_name: string;
  department: string;
}

/** Creates the typed client of one server, with or without a bearer token. */
export function connectClient(origin: string, token?: () => string): Client {
  return createClient((path, init) =>
    fetch(origin + path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        ...(token === undefined ? {} : { authorization: `Bearer ${token()}` }),
      },
    }),
  );
}

/** Registers a user and signs in. */
export async function signUp(
  origin: string,
  { email, full_name, department }: NewPerson,
  password: string,
): Promise<Person> {
  const anonymous = connectClient(origin);
  const { data: user } = await anonymous.auth.register({ body: { email, password, full_name } });
  const { data: tokens } = await anonymous.auth.login({ body: { email, password } });
  const api = renewing(origin, tokens);
  await api.auth.updateMe({ body: { department } });
  return { id: user.id, email, api };
}

/** Creates a client that renews its tokens before they expire: a demo may run for days. */
function renewing(origin: string, first: Tokens): Client {
  const anonymous = connectClient(origin);
  const renewAt = ({ expires_in }: Tokens): number => Date.now() + (expires_in * 1000) / 2;
  let tokens = first;
  let due = renewAt(first);
  let renewal: Promise<void> | null = null;

  const renew = async (): Promise<void> => {
    const body = { refresh_token: tokens.refresh_token };
    tokens = (await anonymous.auth.refresh({ body })).data;
    due = renewAt(tokens);
  };
  return createClient(async (path, init) => {
    // Concurrent requests share one renewal: reusing a refresh token ends the session.
    if (Date.now() >= due) {
      renewal ??= renew().finally(() => {
        renewal = null;
      });
      await renewal;
    }
    return fetch(origin + path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        authorization: `Bearer ${tokens.access_token}`,
      },
    });
  });
}

/** Whether an error is an API error with this code. */
export function isApiError(error: unknown, code: ApiError["code"]): boolean {
  return error instanceof ApiError && error.code === code;
}

/** Confirms an address with the link from the email in the outbox. */
export async function confirmAddress(outbox: string, { api, email }: Person): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    for (const name of await readdir(outbox).catch(() => [])) {
      if (!name.endsWith(".eml")) continue;
      const mail = await readFile(join(outbox, name), "utf8");
      const token = /\/verify-email\?token=(\S+)$/m.exec(mail)?.[1];
      if (token === undefined || !mail.includes(`\nTo: ${email}\n`)) continue;
      await api.auth.verifyEmail({ body: { token } });
      return;
    }
    await sleep(100);
  }
  throw new Error(`no email to ${email} arrived`);
}
