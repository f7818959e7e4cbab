import { BlockList, isIPv4 } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callerNetwork, isWithin, normalNetwork } from "./networks.js";

describe("networks", () => {
  test.each([
    ["10.1.2.3", "10.1.2.3/32"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["192.168.1.130/25", "192.168.1.128/25"],
    ["2001:DB8::1", "2001:db8::1/128"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001/32", "2001:db8::/32"],
    ["::/0", "::/0"],
    ["::1", "::1/128"],
    ["fe80::ffff/10", "fe80::/10"],
    ["::ffff:10.1.2.3", "10.1.2.3/32"],
    ["::ffff:10.1.2.3/104", "10.0.0.0/8"],
    ["::ffff:0:0/80", "::/80"],
    ["::10.1.2.3", "::a01:203/128"],
  ])("%s is %s", (text, normal) => {
    expect(normalNetwork(text)).toBe(normal);
    expect(normalNetwork(normal)).toBe(normal);
  });

  test.each([
    "",
    "10.0.0",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "010.0.0.1",
    "256.0.0.1",
    "::/129",
    ":::",
    "fe80::1%eth0",
    "example.com",
    " 10.0.0.1",
    "10.0.0.1\n",
    "10.0.0.0/255.0.0.0",
  ])("%j is invalid", (text) => {
    expect(normalNetwork(text)).toBeNull();
    expect(isWithin(text, "0.0.0.0/0")).toBe(false);
    expect(isWithin("10.0.0.1", text)).toBe(false);
  });

  test("agrees with Node's BlockList on addresses within networks", () => {
    const v4 = fc.ipV4();
    const v6 = fc.ipV6();
    const network = fc.oneof(
      fc.tuple(v4, fc.integer({ min: 0, max: 32 })),
      fc.tuple(v6, fc.integer({ min: 0, max: 128 })),
    );
    fc.assert(
      fc.property(network, v4, v6, fc.boolean(), ([base, bits], four, six, isNear) => {
        const list = new BlockList();
        list.addSubnet(base, bits, isIPv4(base) ? "ipv4" : "ipv6");
        for (const address of [four, six, ...(isNear ? [base] : [])]) {
          // Node treats mapped addresses as both families; the test avoids them.
          if (/^::ffff:/i.test(address) || /^::ffff:/i.test(base)) continue;
          const expected =
            isIPv4(address) === isIPv4(base) &&
            list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
          expect(isWithin(address, `${base}/${bits}`)).toBe(expected);
        }
      }),
    );
  });

  test.each([
    ["10.1.2.3", "10.1.2.3"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:ffff::", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::1", "2001:db8:1:3::/64"],
    ["::1", "::/64"],
    ["unknown", "unknown"],
  ])("%s counts as %s", (address, network) => {
    expect(callerNetwork(address)).toBe(network);
  });

  test("a network contains itself and narrower ones, not wider ones or the other family", () => {
    expect(isWithin("10.0.0.0/8", "10.0.0.0/8")).toBe(true);
    expect(isWithin("10.1.0.0/16", "10.0.0.0/8")).toBe(true);
    expect(isWithin("10.0.0.0/8", "10.1.0.0/16")).toBe(false);
    expect(isWithin("11.0.0.0/16", "10.0.0.0/8")).toBe(false);
    expect(isWithin("10.0.0.0/8", "::/0")).toBe(false);
    expect(isWithin("::ffff:10.0.0.1", "10.0.0.0/8")).toBe(true);
  });
});
