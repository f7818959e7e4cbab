import type { ComponentProps, ReactElement } from "react";

/** A secret or a link that is shown once: a click selects all of it. */
export function SecretText(props: Omit<ComponentProps<"code">, "className">): ReactElement {
  return (
    <code
      {...props}
      className="rounded-md border border-line bg-sunken px-3 py-2.5 font-mono text-[13px] break-all select-all"
    />
  );
}
