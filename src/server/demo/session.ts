import type { Tokens } from "#shared/api/auth.js";
import { ApiError, createClient, type Client } from "#shared/contract/client.js";

/** A person of the demo, signed in. */
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

/** The typed client of one server, with a bearer token or without one. */
export function clientOf(origin: string, token?: () => string): Client {
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

/** Registers a person and signs in. */
export async function signUp(
  origin: string,
  { email, full_name, department }: NewPerson,
  password: string,
): Promise<Person> {
  const anonymous = clientOf(origin);
  const { data: user } = await anonymous.auth.register({ body: { email, password, full_name } });
  const { data: tokens } = await anonymous.auth.login({ body: { email, password } });
  const api = renewing(origin, tokens);
  await api.auth.updateMe({ body: { department } });
  return { id: user.id, email, api };
}

/** A client that exchanges its tokens before they expire: a demo may stay open for days. */
function renewing(origin: string, first: Tokens): Client {
  const anonymous = clientOf(origin);
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
    // One exchange for all who wait: a refresh token that comes twice ends the session.
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

/** Whether the API refused a call with this code. */
export function isRefusal(error: unknown, code: ApiError["code"]): boolean {
  return error instanceof ApiError && error.code === code;
}
