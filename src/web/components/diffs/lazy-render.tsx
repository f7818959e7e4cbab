import {
  type ReactElement,
  type ReactNode,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from "react";

/** Whether an element has been near the viewport at least once. */
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
