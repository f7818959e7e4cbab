import { describe, expect, test } from "vitest";
import { addressRule } from "./checked-lookup.js";
import { METADATA_NETWORKS } from "./metadata-address.js";
import { isPublicAddress } from "./public-address.js";

describe("metadata services", () => {
  const refusalOf = addressRule(true);

  test.each([
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::a9fe:a9fe",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "::ffff:100.100.100.200",
    "::ffff:6464:64c8",
    "::ffff:0:6464:64c8",
    "::100.100.100.200",
    "64:ff9b::100.100.100.200",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::6464:64c8",
    "2002:6464:64c8::1",
    "2002:a9fe:a9fe::",
  ])("%s is refused where private addresses are allowed", (address) => {
    expect(refusalOf(address)).toContain("link-local or metadata address");
  });

  test.each(["127.0.0.1", "10.0.0.1", "100.100.100.100", "192.0.0.1", "::1", "fd00::1", "1.1.1.1"])(
    "%s is allowed there",
    (address) => expect(refusalOf(address)).toBeNull(),
  );

  test("are not public", () => {
    const isPublic = (network: string): boolean => isPublicAddress(network.split("/")[0] as string);
    expect(METADATA_NETWORKS.filter(isPublic)).toEqual([]);
  });
});
