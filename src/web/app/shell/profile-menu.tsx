import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { deferMenu } from "../../ui/overlays/deferred-menu.js";
import { initialOf, visible } from "../../ui/text/plain-text.js";
import { meQuery } from "../../api/queries/identity/auth.js";

const ProfileChoices = deferMenu(async () => (await import("./profile-choices.js")).ProfileChoices);

export function ProfileMenu(): ReactElement {
  const { data: me } = useQuery(meQuery);
  // Reserves the space to avoid a layout shift.
  if (me === undefined) return <span className="size-8" />;
  const name = visible(me.full_name ?? me.email);
  return (
    <ProfileChoices
      trigger={
        <button
          type="button"
          aria-label={`Profile of ${name}`}
          className="grid size-8 shrink-0 place-items-center rounded-full bg-sunken text-[13px] font-semibold text-ink uppercase ring-1 ring-line ring-inset before:content-[attr(data-initial)] hover:bg-line"
          data-initial={initialOf(name)}
        />
      }
    />
  );
}
