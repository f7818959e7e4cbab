import type { ReactElement } from "react";
import { Page } from "../../ui/page.js";
import { PasswordSection } from "./password-section.js";
import { SessionsSection } from "./sessions-section.js";

/** How one proves who one is, and where one is signed in: one section each. */
export function SecurityPage(): ReactElement {
  return (
    <Page
      title="Security"
      width="narrow"
      description="How you sign in, and where you are signed in."
    >
      <PasswordSection />
      <SessionsSection />
    </Page>
  );
}
