import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { useRef } from "react";
import { hasUnsaved } from "../ui/fields/unsaved.js";

/** Search parameter that opens a page's creation dialog. */
export interface DialogSearch {
  new?: true;
}

export function dialogSearchOf(search: Record<string, unknown>): DialogSearch {
  return search["new"] === true ? { new: true } : {};
}

/** A dialog controlled by the address, so that links open it and the back button closes it. */
export function useNewDialog(): { isOpen: boolean; open: () => void; close: () => void } {
  const isOpen = useSearch({ strict: false, select: (search) => "new" in search });
  const navigate = useNavigate();
  const { history } = useRouter();
  const isOpenedHere = useRef(false);
  return {
    isOpen,
    open: () => {
      isOpenedHere.current = true;
      void navigate({
        to: ".",
        search: ((before: object) => ({ ...before, new: true })) as never,
        resetScroll: false,
      });
    },
    close: () => {
      // If a link opened the dialog, the previous history entry is another page.
      if (isOpenedHere.current && !hasUnsaved()) history.back();
      else
        void navigate({
          to: ".",
          search: (({ new: _new, ...rest }: DialogSearch) => rest) as never,
          replace: true,
          ignoreBlocker: true,
          resetScroll: false,
        });
      isOpenedHere.current = false;
    },
  };
}
