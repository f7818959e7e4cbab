import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { privateHostRule } from "./refused-address.js";

const refuse = privateHostRule(["npm.corp.test"]);

test("a listed host may have private addresses, and another one may not", () => {
  for (const address of [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "8.8.8.8",
  ]) {
    expect([address, refuse(address, "NPM.corp.test")]).toEqual([address, null]);
  }
  for (const host of ["other.corp.test", "corp.test", "x.npm.corp.test"]) {
    expect(refuse("10.1.2.3", host)).toContain("not public");
    expect(refuse("8.8.8.8", host)).toBeNull();
  }
});

test.each([
  "127.0.0.1",
  "::1",
  "0.0.0.0",
  "169.254.169.254",
  "100.100.100.200",
  "fd00:ec2::254",
  "fe80::1",
  "::ffff:10.0.0.1",
  "::ffff:127.0.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "168.63.129.16",
])("a listed host does not reach %s", (address) => {
  expect(refuse(address, "npm.corp.test")).not.toBeNull();
});

test("a listed host does not reach this machine", () => {
  const own = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  expect(own.length).toBeGreaterThan(0);
  for (const { address } of own) {
    expect([address, refuse(address.replace(/%.*$/, ""), "npm.corp.test")]).not.toEqual([
      address,
      null,
    ]);
  }
});
