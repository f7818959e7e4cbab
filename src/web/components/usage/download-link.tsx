import type { ReactElement } from "react";
import { buttonClass } from "../../ui/button.js";
import { Icon } from "../../ui/icons.js";

/** A plain link that the browser saves: the session's cookie goes with it. */
export function DownloadLink({
  href,
  label,
  size = "sm",
}: {
  href: string;
  /** What is downloaded, for those who do not see where the link stands. */
  label: string;
  size?: "sm" | "md";
}): ReactElement {
  return (
    <a href={href} download aria-label={label} className={buttonClass("secondary", size)}>
      <Icon name="download" />
      Download CSV
    </a>
  );
}
