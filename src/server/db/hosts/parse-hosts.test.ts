import { describe, expect, test } from "vitest";
import { addressFromUrl } from "../connection/address.js";
import { parseHosts } from "./parse-hosts.js";

const hostsOf = (url: string) => parseHosts(url, "OMOI_DATABASE_URL").hosts;

describe("several servers in an address", () => {
  test.each([
    [
      "postgresql://u:p@one:5433,two/omoi",
      [
        { host: "one", port: 5433 },
        { host: "two", port: 5432 },
      ],
    ],
    [
      "postgres://u@[::1]:5433,[fd00::2]/omoi",
      [
        { host: "::1", port: 5433 },
        { host: "fd00::2", port: 5432 },
      ],
    ],
    [
      "postgres://u@/omoi?host=one,/run/postgresql&port=5433,5434",
      [
        { host: "one", port: 5433 },
        { host: "/run/postgresql", port: 5434 },
      ],
    ],
    [
      "postgres://u@/omoi?host=one,two&port=5433",
      [
        { host: "one", port: 5433 },
        { host: "two", port: 5433 },
      ],
    ],
    ["postgres://u@one/omoi?target_session_attrs=read-write", [{ host: "one", port: 5432 }]],
  ])("are parsed as by libpq: %s", (url, hosts) => {
    expect(hostsOf(url)).toEqual(hosts);
  });

  test("keep role, password, database and TLS of the address", () => {
    const url =
      "postgres://us%40er:p%2C%20w@one,two:5433/omoi?target_session_attrs=primary&sslmode=require";
    const { user, password, database, ssl, host, hosts } = addressFromUrl(url);
    expect({ user, password, database, ssl, host }).toEqual({
      user: "us@er",
      password: "p, w",
      database: "omoi",
      ssl: {},
      host: "one",
    });
    expect(hosts?.hosts.map(({ host: name }) => name)).toEqual(["one", "two"]);
  });

  test("are no choice with one server and no option", () => {
    expect(hostsOf("postgres://u:p@one:5433/omoi")).toBeNull();
    expect(hostsOf("postgres:///omoi?host=/run/postgresql")).toBeNull();
    expect(addressFromUrl("postgres://u:p@one:5433/omoi").hosts).toBeUndefined();
  });

  test("have the address's connect_timeout", () => {
    expect(parseHosts("postgres://u@one,two/omoi?connect_timeout=7", "X").timeoutMs).toBe(7000);
  });

  test.each([
    ["postgres://u@one,two/omoi?target_session_attrs=standby", /target_session_attrs in X/],
    ["postgres://u@one,two/omoi?target_session_attrs=any", /target_session_attrs in X/],
    ["postgres://u@one,/omoi", /X lists a server that is not host or host:port/],
    ["postgres://u@one:port,two/omoi", /X lists a server that is not host or host:port/],
    ["postgres://u@one,two:70000/omoi", /X has a port/],
    ["postgres://u@/omoi?host=one,two,three&port=1,2", /X lists 3 hosts and 2 ports/],
    ["postgres://u@one,two/omoi?connect_timeout=0", /connect_timeout in X/],
  ])("are refused: %s", (url, message) => {
    expect(() => parseHosts(url, "X")).toThrow(message);
  });
});
