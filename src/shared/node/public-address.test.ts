import { expect, it } from "vitest";
import { isPublicAddress } from "./public-address.js";

it.each(["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"])(
  "%s is public",
  (address) => expect(isPublicAddress(address)).toBe(true),
);

it.each([
  "0.0.0.0",
  "10.0.0.1",
  "100.64.0.1",
  "100.100.100.200",
  "127.0.0.1",
  "168.63.129.16",
  "169.254.169.254",
  "172.31.255.255",
  "192.168.1.1",
  "198.18.0.2",
  "224.0.0.251",
  "255.255.255.255",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:1.1.1.1",
  "64:ff9b::7f00:1",
  "2002:7f00:1::",
  "2001::1",
  "fd00:ec2::254",
  "fe80::1",
  "ff02::1",
])("%s is not public", (address) => expect(isPublicAddress(address)).toBe(false));
