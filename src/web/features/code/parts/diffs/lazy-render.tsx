import {
  type ReactElement,
  type ReactNode,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from "react";

/** Distance from the viewport within which something is drawn, and beyond which it may be dropped; pixels. */
const nearMargin = 800;
const farMargin = 3000;

type Report = (isWithin: boolean) => void;
const reports = new Map<number, Map<Element, Report>>();
const observers = new Map<number, IntersectionObserver>();

/** Reports whether an element is within a distance of the viewport. One observer serves all elements. */
function observe(element: Element, margin: number, report: Report): () => void {
  const own = reports.get(margin) ?? new Map<Element, Report>();
  reports.set(margin, own);
  const observer =
    observers.get(margin) ??
    new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) own.get(target)?.(isIntersecting);
      },
      { rootMargin: `${margin}px` },
    );
  observers.set(margin, observer);
  own.set(element, report);
  observer.observe(element);
  return () => {
    own.delete(element);
    observer.unobserve(element);
  };
}

/** Whether an element has been near the viewport at least once. */
export function useNearViewport<Of extends Element>(): [
  place: RefObject<Of | null>,
  isNear: boolean,
] {
  const place = useRef<Of>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    if (place.current === null || isNear) return undefined;
    return observe(place.current, nearMargin, (isWithin) => {
      if (isWithin) setNear(true);
    });
  }, [isNear]);
  return [place, isNear];
}

/**
 * Whether an element is near the viewport, and the height that it had when it was; pixels. With `isKept`, or with
 * the focus in it, it stays near.
 */
export function useWhileNear<Of extends HTMLElement>(
  isKept: boolean,
): [place: RefObject<Of | null>, isNear: boolean, height: number | undefined] {
  const place = useRef<Of>(null);
  const [isNear, setNear] = useState(false);
  const [height, setHeight] = useState<number>();
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    if (!isNear) {
      return observe(element, nearMargin, (isWithin) => {
        if (isWithin) setNear(true);
      });
    }
    if (isKept) return undefined;
    return observe(element, farMargin, (isWithin) => {
      if (isWithin || element.contains(document.activeElement)) return;
      setHeight(element.offsetHeight);
      setNear(false);
    });
  }, [isNear, isKept]);
  return [place, isNear, height];
}

/**
 * Renders its children once they are near the viewport, and `instead` until then. Large pages open at
 * once, and the browser's search still finds the text of `instead`.
 */
export function LazyRender({
  instead,
  children,
  className,
}: {
  instead: ReactNode;
  children: ReactNode;
  className?: string;
}): ReactElement {
  const [place, isNear] = useNearViewport<HTMLDivElement>();
  return (
    <div ref={place} className={className}>
      {isNear ? children : instead}
    </div>
  );
}
