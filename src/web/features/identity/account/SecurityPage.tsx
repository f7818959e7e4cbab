import type { ReactElement } from "react";
import { Page } from "../../../ui/layout/page.js";
import { IdentitySection } from "./identity-section.js";
import { PasskeysSection } from "./passkeys-section.js";
import { PasswordSection } from "./password-section.js";
import { SecondFactorSection } from "./second-factor-section.js";
import { SessionsSection } from "./sessions-section.js";

/** The user's sign-in methods and sessions, in sections. */
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
