import {
  type ReactElement,
  type ReactNode,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from "react";

/** Whether an element has come near the screen; it stays so. */
export function useNearViewport<Of extends Element>(): [
  place: RefObject<Of | null>,
  isNear: boolean,
] {
  const place = useRef<Of>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    if (place.current === null || isNear) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true);
      },
      { rootMargin: "800px" },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [isNear]);
  return [place, isNear];
}

/**
 * Draws its children once they come near the screen, and `instead` until then: a page of many files
 * opens at once, and the browser's own search still finds what `instead` says.
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
