import type { ReactElement } from "react";
import { Page } from "../../ui/page.js";
import { IdentitySection } from "./identity-section.js";
import { PasskeysSection } from "./passkeys-section.js";
import { PasswordSection } from "./password-section.js";
import { SecondFactorSection } from "./second-factor-section.js";
import { SessionsSection } from "./sessions-section.js";

/** How one proves who one is, and where one is signed in: one section each. */
export function SecurityPage(): ReactElement {
  return (
    <Page title="Security" width="narrow" description="Your sign-in methods and active sessions.">
      <PasswordSection />
      <SecondFactorSection />
      <PasskeysSection />
      <IdentitySection />
      <SessionsSection />
    </Page>
  );
}
