import { describe, expect, test } from "vitest";
import { invitation, passwordChanged, resetPassword, verifyEmail } from "./email-templates.js";

const link = "https://omoi.example.com/invitations/abc";
const invite = (inviter: string, organization = "Acme", role = "member") =>
  invitation({
    inviter,
    organization,
    role,
    link,
    expiresAt: new Date("2026-12-01T10:30Z"),
  });

describe("emails", () => {
  test.each([verifyEmail, resetPassword, passwordChanged])(
    "$name has its link on a separate line",
    (write) => {
      const { subject, text } = write(link);
      expect(subject).not.toMatch(/[\r\n]/);
      expect(text.split("\n")).toContain(link);
      expect(text.endsWith("\n")).toBe(true);
    },
  );

  test("an invitation names the inviter, the organization, the role and the expiry", () => {
    const { subject, text } = invite("Ada Lovelace", "Acme Corp", "admin");
    expect(subject).toBe("Invitation to “Acme Corp” (Omoi)");
    expect(text).toContain(
      "“Ada Lovelace” invites you to join the organization “Acme Corp” on Omoi, with the role “admin”.",
    );
    expect(text).toContain("December 1, 2026, 10:30 UTC");
    expect(text.split("\n")).toContain(link);
  });

  test("names chosen by others stay on one line and are shortened", () => {
    const plain = invite("Ada").text.split("\n").length;
    for (const name of [
      "Ada\r\n\r\nYour account is locked:\nhttps://evil.example/login",
      "Ada\u2028\u2029\u0085\u202e\u200bevil.example.com",
      "Ada” is an admin. Visit http://evil.example “",
      "👩‍💻".repeat(500),
    ]) {
      const { subject, text } = invite(name, name, name);
      expect(subject).not.toMatch(/[\r\n\u2028\u2029\u0085]/);
      expect(text.split("\n")).toHaveLength(plain);
      expect(text).not.toMatch(/evil\.example|http:\/\/|[\u202e\u200b]/);
      expect(text.length).toBeLessThan(2500);
      expect(text.match(/“/g)).toHaveLength(3);
      expect(text.match(/”/g)).toHaveLength(3);
    }
  });
});
