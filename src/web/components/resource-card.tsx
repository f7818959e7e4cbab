import type { ComponentProps, ReactElement, ReactNode } from "react";
import { Card } from "../ui/layout/card.js";
import { Await } from "./await.js";

interface ResourceCardProps<Data>
  extends
    Omit<ComponentProps<typeof Card>, "children">,
    Omit<ComponentProps<typeof Await<Data>>, "children"> {
  children: (data: Data) => ReactNode;
}

/** A card that shows the data of one query; a placeholder or an error while there is none. */
export function ResourceCard<Data>({
  query,
  rows,
  what,
  isFlush = false,
  children,
  ...card
}: ResourceCardProps<Data>): ReactElement {
  return (
    <Card {...card}>
      <Await
        query={query}
        {...(rows === undefined ? {} : { rows })}
        {...(what === undefined ? {} : { what })}
      >
        {(data) => (isFlush ? <div className="-m-4">{children(data)}</div> : children(data))}
      </Await>
    </Card>
  );
}
